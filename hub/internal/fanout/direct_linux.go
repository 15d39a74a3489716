package fanout

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"

	"github.com/tidings-sse/tidings/hub/internal/socket"
)

func closeSocket(fd int32) { _ = unix.Close(int(fd)) } // the stream has ended, so an error changes nothing

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

// maxStray is how many bytes a client may send after its request. Nothing reads them.
const maxStray = 64 << 10

// discardInput discards what a client has sent after its request. It reports whether the stream may stay open.
func (d *direct) discardInput() bool {
	if t, ok := d.via.(*sealed); ok {
		return t.read()
	}
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
