package fanout

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// poller reports to a shard which sockets are writable, and which clients have disconnected. It uses an epoll set of its own. Its goroutine
// waits for the set in the Go runtime's poller, as for any other file, so that it holds no thread.
type poller struct {
	set  *os.File // nil before start
	fd   int
	done chan struct{}

	// Owned by the shard:
	slots []slot
	free  []int32
}

// slot is a place for a subscriber. turn tells its present subscriber from earlier ones, whose epoll events may still arrive.
type slot struct {
	sub  *subscriber
	turn int32
}

// start makes the epoll set, for the first subscriber that needs it: a hub without direct sockets waits for nothing outside the Go
// runtime, so that it can be tested in a bubble of testing/synctest.
func (p *poller) start(s *shard) error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("making an epoll set: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return errors.Join(fmt.Errorf("making an epoll set: %w", err), unix.Close(fd))
	}
	p.fd, p.set, p.done = fd, os.NewFile(uintptr(fd), "epoll"), make(chan struct{})
	go labelled("hub poller", func() { p.run(s) })
	return nil
}

// run posts events to the shard, until stop.
func (p *poller) run(s *shard) {
	defer close(p.done)
	raw, err := p.set.SyscallConn()
	if err != nil {
		return // it is closed
	}
	var events [256]unix.EpollEvent
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			for err := error(unix.EINTR); errors.Is(err, unix.EINTR); {
				n, err = unix.EpollWait(int(fd), events[:], 0)
			}
			return n > 0
		})
		if err != nil {
			return
		}
		batch := append([]unix.EpollEvent(nil), events[:n]...)
		if !s.post(func() { p.dispatch(batch) }) {
			return
		}
	}
}

func (p *poller) dispatch(events []unix.EpollEvent) {
	for _, e := range events {
		at := &p.slots[e.Fd]
		switch {
		case at.sub == nil || at.turn != e.Pad:
		case e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0:
			at.sub.via.abort(Gone)
		default:
			at.sub.via.ready(e.Events&unix.EPOLLIN != 0, e.Events&unix.EPOLLOUT != 0)
		}
	}
}

// watched is the set of epoll events of every socket. epoll reports each change once (edge-triggered).
const watched = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET

// add begins to watch the socket of a subscriber, and returns its slot.
func (p *poller) add(sub *subscriber, fd int32) (int32, error) {
	if p.set == nil {
		if err := p.start(sub.shard); err != nil {
			return -1, err
		}
	}
	var at int32
	if n := len(p.free); n > 0 {
		at = p.free[n-1]
		p.free = p.free[:n-1]
	} else {
		at = int32(len(p.slots))
		p.slots = append(p.slots, slot{})
	}
	p.slots[at].sub = sub
	p.slots[at].turn++
	if err := p.control(unix.EPOLL_CTL_ADD, at, fd, watched); err != nil {
		p.remove(at)
		return -1, err
	}
	return at, nil
}

// awaitWritable makes the poller report when a socket becomes writable. add does not ask for this report: each new socket would cause one,
// and most subscribers never need it.
func (p *poller) awaitWritable(at, fd int32) error {
	return p.control(unix.EPOLL_CTL_MOD, at, fd, watched|unix.EPOLLOUT)
}

func (p *poller) control(op int, at, fd int32, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: at, Pad: p.slots[at].turn}
	return unix.EpollCtl(p.fd, op, int(fd), &e)
}

// remove frees a slot. The caller closes the socket, or calls unwatch.
func (p *poller) remove(at int32) {
	p.slots[at].sub = nil
	p.free = append(p.free, at)
}

// unwatch ends watching a socket that stays open.
func (p *poller) unwatch(fd int32) {
	_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(fd), nil) // an error means that the set is closed already
}

// stop ends the goroutine. No event is reported after that.
func (p *poller) stop() {
	if p.set == nil {
		return
	}
	_ = p.set.Close()
	<-p.done
	p.fd = -1
}

// each calls f with all subscribers whose sockets are watched.
func (p *poller) each(f func(*subscriber)) {
	for i := range p.slots {
		if sub := p.slots[i].sub; sub != nil {
			f(sub)
		}
	}
}
