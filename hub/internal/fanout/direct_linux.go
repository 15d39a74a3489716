package fanout

import (
	"errors"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// bytesOf returns the bytes of a text. They must not be changed.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

func closeSocket(fd int32) { _ = unix.Close(int(fd)) } // the stream has ended, so an error changes nothing

// detach takes the socket out of a connection and closes the connection. ok is false if the connection has no plain socket.
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
			socket.Tune(dup, timeout)
		}
	})
	if err = errors.Join(err, dupErr); err != nil {
		return -1, false, err
	}
	_ = conn.Close() // the duplicate keeps the socket open
	return int32(dup), true, nil
}

// socketOf returns the file descriptor of a connection's socket. The connection still owns it.
func socketOf(conn net.Conn) (fd int32, ok bool) {
	if below, ok := conn.(*socket.Conn); ok {
		conn = below.Conn
	}
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

// maxStray is how many bytes a client may send after its request. Nothing reads them.
const maxStray = 64 << 10

// discardInput discards what a client has sent after its request. It reports whether the stream may stay open.
func (d *direct) discardInput() bool {
	var b [4 << 10]byte
	for {
		n, err := unix.Read(int(d.fd), b[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return true
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || n == 0:
			return false
		}
		if d.stray += int32(n); d.stray > maxStray {
			return false
		}
	}
}
