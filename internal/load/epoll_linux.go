package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// epoll is the carrier for many connections of plain HTTP/1.1: one goroutine for each ledger reads whatever has come to
// any of its followers into one buffer.
type epoll struct {
	run     *run
	addr    *net.TCPAddr
	loops   map[*ledger]*loop
	running sync.WaitGroup
}

// loop reads for the followers of a ledger, whose lock guards them.
type loop struct {
	run       *run
	ledger    *ledger
	fd        int
	file      *os.File // fd, known to Go's own poller: an epoll set is readable when something in it is
	followers []*follower
	buf       []byte
}

// socket is a follower's connection.
type socket struct {
	answer
	number  int32 // of the follower in its loop
	fd      int
	request []byte // that has not been sent yet
}

// newEpoll returns nil if the hub is not spoken to by plain HTTP/1.1.
func newEpoll(ctx context.Context, r *run) (*epoll, error) {
	if r.subscribe.Scheme != "http" || r.Streams > 0 || r.Socket != "" {
		return nil, nil
	}
	// The address is one that answers: localhost may have several.
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", hostPort(r.subscribe))
	if err != nil {
		return nil, fmt.Errorf("nobody listens at %s: %w", hostPort(r.subscribe), innermost(err))
	}
	_ = conn.Close() // nothing was said
	e := &epoll{run: r, addr: conn.RemoteAddr().(*net.TCPAddr), loops: make(map[*ledger]*loop)}
	for _, l := range r.ledgers {
		loop, err := newLoop(r, l)
		if err != nil {
			e.stop()
			return nil, err
		}
		e.loops[l] = loop
		e.running.Go(loop.read)
	}
	return e, nil
}

func newLoop(r *run, l *ledger) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that NewFile lets Go's poller wait for it
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	return &loop{run: r, ledger: l, fd: fd, file: os.NewFile(uintptr(fd), "epoll"), buf: make([]byte, 256<<10)}, nil
}

// take makes f one that is read for.
func (e *epoll) take(f *follower) {
	l := e.loops[f.ledger]
	f.wire = &socket{number: int32(len(l.followers)), fd: -1}
	l.followers = append(l.followers, f)
}

// open begins to connect. What comes of it, the loop learns.
func (e *epoll) open(f *follower, req *http.Request) {
	s := f.wire.(*socket)
	if err := e.dial(f, s, req); err != nil {
		e.loops[f.ledger].close(f, err)
	}
}

func (e *epoll) dial(f *follower, s *socket, req *http.Request) error {
	var request bytes.Buffer
	if err := req.Write(&request); err != nil {
		return err
	}
	s.answer, s.request = answer{}, request.Bytes()
	family, to := sockaddr(e.addr)
	var err error
	if s.fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		s.fd = -1
		return os.NewSyscallError("socket", err)
	}
	if from, ok := e.run.source(f.number).(*net.TCPAddr); ok {
		// The port is chosen by where it connects to, or one address had to do for all.
		if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		_, from := sockaddr(from)
		if err := unix.Bind(s.fd, from); err != nil {
			return os.NewSyscallError("bind", err)
		}
	}
	if err := unix.Connect(s.fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return os.NewSyscallError("connect", err)
	}
	return e.loops[f.ledger].watch(unix.EPOLL_CTL_ADD, unix.EPOLLOUT, f, s)
}

func sockaddr(a *net.TCPAddr) (family int, to unix.Sockaddr) {
	if ip := a.IP.To4(); ip != nil {
		return unix.AF_INET, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(ip)}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: a.Port, Addr: [16]byte(a.IP.To16())}
}

func (e *epoll) drop(f *follower) {
	s := f.wire.(*socket)
	_ = unix.Close(s.fd) // which also takes it out of the set
	s.fd = -1
}

func (e *epoll) stop() {
	for _, l := range e.loops {
		l.ledger.lock()
		for _, f := range l.followers {
			if s := f.wire.(*socket); s.fd >= 0 {
				e.drop(f)
			}
		}
		l.ledger.unlock()
		_ = l.file.Close() // ends read
	}
	e.running.Wait()
}

// watch waits for what a follower's socket is to do next. The numbers of follower and connection come back with it.
func (l *loop) watch(op int, events uint32, f *follower, s *socket) error {
	err := unix.EpollCtl(l.fd, op, s.fd, &unix.EpollEvent{Events: events, Fd: s.number, Pad: int32(f.conn)})
	return os.NewSyscallError("epoll_ctl", err)
}

// read reads until the set is closed.
func (l *loop) read() {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return // it is closed already
	}
	events := make([]unix.EpollEvent, 256)
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events, 0) // n is -1 with an error, of which there is only EINTR
			return n != 0
		})
		if err != nil {
			return
		}
		l.ledger.lock()
		for _, ev := range events[:max(n, 0)] {
			f := l.followers[ev.Fd]
			if s := f.wire.(*socket); s.fd >= 0 && int32(f.conn) == ev.Pad {
				if err := l.ready(f, s); err != nil {
					l.close(f, err)
				}
			}
		}
		l.ledger.unlock()
	}
}

// ready sends the request, or reads what has come.
func (l *loop) ready(f *follower, s *socket) error {
	if s.request != nil {
		return l.send(f, s)
	}
	n, err := unix.Read(s.fd, l.buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		return io.EOF
	}
	now := l.run.now()
	return s.take(l.buf[:n], func() { l.run.opened(f) }, func(b []byte) { f.receive(b, now) })
}

// send sends the request, which fits into what a new socket takes.
func (l *loop) send(f *follower, s *socket) error {
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	if err != nil {
		return os.NewSyscallError("connect", err)
	}
	n, err := unix.Write(s.fd, s.request)
	if err == nil && n < len(s.request) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return os.NewSyscallError("write", err)
	}
	s.request = nil
	return l.watch(unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLRDHUP, f, s)
}

// close ends a connection that has failed, or whose stream is over.
func (l *loop) close(f *follower, err error) {
	s := f.wire.(*socket)
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
		s.fd = -1
	}
	l.run.closed(f, err)
}
