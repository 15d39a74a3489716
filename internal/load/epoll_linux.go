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
	"time"

	"golang.org/x/sys/unix"
)

// epoll is the connector for plain HTTP/1.1. One goroutine per shard reads the connections of all its subscribers into
// one buffer.
type epoll struct {
	run     *run
	addr    *net.TCPAddr
	loops   map[*shard]*loop
	running sync.WaitGroup
}

// loop reads for the subscribers of a shard. The shard's lock guards its fields.
type loop struct {
	run         *run
	shard       *shard
	fd          int
	file        *os.File // fd for Go's netpoller: an epoll set is readable when a socket in it is ready
	subscribers []*subscriber
	buf         []byte
}

// socket is the connection of a subscriber.
type socket struct {
	response
	number  int32 // index of the subscriber in its loop
	fd      int
	request []byte      // nil when it has been sent
	late    *time.Timer // ends a refusal whose body does not end
}

// newEpoll returns nil unless the run uses plain HTTP/1.1 over TCP.
func newEpoll(ctx context.Context, r *run) (*epoll, error) {
	if r.subscribe.Scheme != "http" || r.Streams > 0 || r.Socket != "" {
		return nil, nil
	}
	// Find an address that accepts connections: localhost may have several.
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", hostPort(r.subscribe))
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", hostPort(r.subscribe), innermost(err))
	}
	_ = conn.Close() // nothing was written
	e := &epoll{run: r, addr: conn.RemoteAddr().(*net.TCPAddr), loops: make(map[*shard]*loop)}
	for _, l := range r.shards {
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

func newLoop(r *run, l *shard) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that NewFile adds it to Go's netpoller
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	return &loop{run: r, shard: l, fd: fd, file: os.NewFile(uintptr(fd), "epoll"), buf: make([]byte, 256<<10)}, nil
}

// take adds a subscriber to the loop of its shard.
func (e *epoll) take(sub *subscriber) {
	l := e.loops[sub.shard]
	sub.wire = &socket{number: int32(len(l.subscribers)), fd: -1}
	l.subscribers = append(l.subscribers, sub)
}

// open starts to connect. The loop handles the result.
func (e *epoll) open(sub *subscriber, req *http.Request) {
	s := sub.wire.(*socket)
	if err := e.dial(sub, s, req); err != nil {
		e.loops[sub.shard].close(sub, err)
	}
}

func (e *epoll) dial(sub *subscriber, s *socket, req *http.Request) error {
	var request bytes.Buffer
	if err := req.Write(&request); err != nil {
		return err
	}
	s.response, s.request = response{}, request.Bytes()
	family, to := sockaddr(e.addr)
	var err error
	if s.fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		s.fd = -1
		return os.NewSyscallError("socket", err)
	}
	if from, ok := e.run.source(sub.number).(*net.TCPAddr); ok {
		// Chooses the port at connect, so that connections to different addresses can share a port.
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
	return e.loops[sub.shard].watch(unix.EPOLL_CTL_ADD, unix.EPOLLOUT, sub, s)
}

func sockaddr(a *net.TCPAddr) (family int, to unix.Sockaddr) {
	if ip := a.IP.To4(); ip != nil {
		return unix.AF_INET, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(ip)}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: a.Port, Addr: [16]byte(a.IP.To16())}
}

func (e *epoll) drop(sub *subscriber) {
	s := sub.wire.(*socket)
	_ = unix.Close(s.fd) // also removes it from the epoll set
	s.fd = -1
}

func (e *epoll) stop() {
	for _, l := range e.loops {
		l.shard.lock()
		for _, sub := range l.subscribers {
			if s := sub.wire.(*socket); s.fd >= 0 {
				e.drop(sub)
			}
		}
		l.shard.unlock()
		_ = l.file.Close() // ends read
	}
	e.running.Wait()
}

// watch registers events of a subscriber's socket. Each event carries the index of the subscriber and the number of its
// connection.
func (l *loop) watch(op int, events uint32, sub *subscriber, s *socket) error {
	err := unix.EpollCtl(l.fd, op, s.fd, &unix.EpollEvent{Events: events, Fd: s.number, Pad: int32(sub.conn)})
	return os.NewSyscallError("epoll_ctl", err)
}

// read handles events until the epoll set is closed.
func (l *loop) read() {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return // already closed
	}
	events := make([]unix.EpollEvent, 256)
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events, 0) // n is -1 after an error, which can only be EINTR
			return n != 0
		})
		if err != nil {
			return
		}
		l.shard.lock()
		for _, ev := range events[:max(n, 0)] {
			sub := l.subscribers[ev.Fd]
			if s := sub.wire.(*socket); s.fd >= 0 && int32(sub.conn) == ev.Pad {
				if err := l.ready(sub, s); err != nil {
					l.close(sub, err)
				}
			}
		}
		l.shard.unlock()
	}
}

// ready sends the request, or reads received bytes.
func (l *loop) ready(sub *subscriber, s *socket) error {
	if s.request != nil {
		return l.send(sub, s)
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
	err = s.take(l.buf[:n], func() { l.run.opened(sub) }, func(b []byte) { sub.receive(b, now) })
	if r := s.refusal; r != nil && s.late == nil {
		s.late = time.AfterFunc(refusalWait, func() { l.expire(sub, s, r) })
	}
	return err
}

// expire closes the connection whose response is r, unless it is closed.
func (l *loop) expire(sub *subscriber, s *socket, r *Refusal) {
	l.shard.lock()
	defer l.shard.unlock()
	if s.fd >= 0 && s.refusal == r {
		l.close(sub, r)
	}
}

// send sends the request, which fits into the buffer of a new socket.
func (l *loop) send(sub *subscriber, s *socket) error {
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
	return l.watch(unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLRDHUP, sub, s)
}

// close closes a connection that failed or whose response ended.
func (l *loop) close(sub *subscriber, err error) {
	s := sub.wire.(*socket)
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
		s.fd = -1
	}
	if s.late != nil {
		s.late.Stop()
		s.late = nil
	}
	l.run.closed(sub, s.cause(err))
}
