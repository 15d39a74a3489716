package hub

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Direct sockets: a connection is taken from net/http, and from then on is a number. It has no goroutine and no buffer; its shard
// sends without waiting, and hears of it through an epoll set.

// send sends as much as a socket takes without waiting. It goes past the scheduler, which would otherwise take each call for one
// that may last: measured with one core that costs more than the sending.
func send(fd int32, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, errno
		}
	}
}

// bytesOf returns the bytes of a text, which nobody changes.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

func closeSocket(fd int32) { _ = unix.Close(int(fd)) } // nothing can be done about an error

// notSentLow is how many bytes may wait in the kernel for one subscriber who takes none, besides what is under way.
const notSentLow = 32 << 10

// detach takes the socket out of a connection, which is closed. ok is false if it is of a kind that has none of its own.
func detach(conn net.Conn, timeout time.Duration) (fd int32, ok bool, err error) {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return -1, false, nil
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, false, err
	}
	dup := -1
	var dupErr error
	err = raw.Control(func(fd uintptr) {
		if dup, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); dupErr == nil && isTCP(conn) {
			tune(dup, timeout)
		}
	})
	if err = errors.Join(err, dupErr); err != nil {
		return -1, false, err
	}
	_ = conn.Close() // of our own number there is nothing to be closed
	return int32(dup), true, nil
}

// number returns the number of a connection's socket, which stays its own.
func number(conn net.Conn) (fd int32, ok bool) {
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return -1, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, false
	}
	fd = -1
	err = raw.Control(func(n uintptr) { fd = int32(n) })
	return fd, err == nil
}

func isTCP(conn net.Conn) bool { _, ok := conn.(*net.TCPConn); return ok }

// tune bounds what a subscriber who takes nothing costs the kernel, and finds those that are dead. What a system does not know
// it goes without.
func tune(fd int, timeout time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLow)
	// The kernel refuses more than an int32 of milliseconds, some 24 days, and the socket would have its default.
	silence := min(max(timeout, time.Minute)/time.Millisecond, math.MaxInt32)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence))
}

// poller tells a shard of sockets that can take more, and of clients that have gone. Its goroutine waits in the scheduler's own
// poller for the epoll set, so that it holds no thread.
type poller struct {
	shard *shard
	set   *os.File // nil before start
	fd    int
	done  chan struct{}

	// Owned by the shard:
	slots []slot
	free  []int32
}

// slot is a place for a subscriber. turn tells its present holder from earlier ones, of whom an event may still be under way.
type slot struct {
	sub  *subscriber
	turn int32
}

// start makes the epoll set, for the first subscriber who needs it: a hub without direct sockets waits for nothing that is not
// Go's own, so that it can be tested in a bubble of testing/synctest.
func (p *poller) start(s *shard) error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("making an epoll set: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return errors.Join(fmt.Errorf("making an epoll set: %w", err), unix.Close(fd))
	}
	p.shard, p.fd = s, fd
	p.set, p.done = os.NewFile(uintptr(fd), "epoll"), make(chan struct{})
	go labelled("hub poller", p.run)
	return nil
}

// run waits for events and hands them to the shard, until close.
func (p *poller) run() {
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
		if !p.shard.post(func() { p.hand(batch) }) {
			return
		}
	}
}

func (p *poller) hand(events []unix.EpollEvent) {
	for _, e := range events {
		at := &p.slots[e.Fd]
		if at.sub == nil || at.turn != e.Pad {
			continue
		}
		over := e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
		if !over && e.Events&unix.EPOLLIN != 0 && at.sub.runner == nil {
			over = !discard(at.sub)
		}
		p.shard.ready(at.sub, e.Events&unix.EPOLLOUT != 0, over)
	}
}

// maxStray is how many bytes a client may send after its request. Nobody looks at them.
const maxStray = 64 << 10

// discard reads what a client has sent after its request. It reports whether the client may stay.
func discard(sub *subscriber) bool {
	var b [4 << 10]byte
	for {
		n, err := unix.Read(int(sub.fd), b[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return true
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || n == 0:
			return false
		}
		if sub.stray += n; sub.stray > maxStray {
			return false
		}
	}
}

// add begins to watch a subscriber. Each change is told once.
func (p *poller) add(sub *subscriber) error {
	if sub.fd < 0 {
		return nil
	}
	if p.set == nil {
		if err := p.start(sub.shard); err != nil {
			return err
		}
	}
	if n := len(p.free); n > 0 {
		sub.slot = p.free[n-1]
		p.free = p.free[:n-1]
	} else {
		sub.slot = int32(len(p.slots))
		p.slots = append(p.slots, slot{})
	}
	at := &p.slots[sub.slot]
	at.sub = sub
	at.turn++
	return p.control(unix.EPOLL_CTL_ADD, sub, 0)
}

// awaitWritable lets the shard hear of it when a socket can take more. Most never need that, and would be told when they are new.
func (p *poller) awaitWritable(sub *subscriber) error {
	if sub.watched {
		return nil
	}
	sub.watched = true
	return p.control(unix.EPOLL_CTL_MOD, sub, unix.EPOLLOUT)
}

func (p *poller) control(op int, sub *subscriber, more uint32) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET | more, Fd: sub.slot, Pad: p.slots[sub.slot].turn}
	return unix.EpollCtl(p.fd, op, int(sub.fd), &e)
}

// remove ends watching a subscriber, and closes its socket if it is a direct one.
func (p *poller) remove(sub *subscriber) {
	if sub.slot < 0 {
		if sub.runner == nil && sub.fd >= 0 { // it could not be watched
			closeSocket(sub.fd)
			sub.fd = -1
		}
		return
	}
	p.slots[sub.slot].sub = nil
	p.free = append(p.free, sub.slot)
	sub.slot = -1
	if sub.runner == nil {
		closeSocket(sub.fd) // which takes it out of the set
		sub.fd = -1
	} else {
		_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(sub.fd), nil) // it stays open until its runner has ended
	}
}

// close ends the goroutine, and calls f with all who are left.
func (p *poller) close(f func(*subscriber)) {
	if p.set == nil {
		return
	}
	_ = p.set.Close()
	<-p.done
	p.each(f)
}

// each calls f with all who are watched.
func (p *poller) each(f func(*subscriber)) {
	for i := range p.slots {
		if sub := p.slots[i].sub; sub != nil {
			f(sub)
		}
	}
}
