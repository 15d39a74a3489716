package socket

import (
	"errors"
	"io"
	"math"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const supported = true

// Send sends as much as a socket takes without blocking. It bypasses the Go scheduler, which prepares for each system call to block. With
// one core, that preparation costs more than the sending.
func Send(fd int32, b []byte) (int, error) {
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

// receive reads what there is.
func receive(fd int32, b []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), b)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, ErrNothing
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func closeSocket(fd int32) error { return unix.Close(int(fd)) }

// Take takes the socket out of a connection, closes the connection, and tunes the socket if it is TCP. ok is false if the connection has no plain
// socket. After an error the connection is still open.
func Take(conn net.Conn, timeout time.Duration) (fd int32, ok bool, err error) {
	_, isTCP := conn.(*net.TCPConn)
	_, isUnix := conn.(*net.UnixConn)
	if !isTCP && !isUnix {
		return -1, false, nil
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, false, err
	}
	dup := -1
	var dupErr error
	err = raw.Control(func(fd uintptr) {
		if dup, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); dupErr == nil && isTCP {
			Tune(dup, timeout)
		}
	})
	if err = errors.Join(err, dupErr); err != nil {
		return -1, false, err
	}
	_ = conn.Close() // the duplicate keeps the socket open
	return int32(dup), true, nil
}

// notSentLow is the maximum number of unsent bytes in the kernel for one stalled socket (TCP_NOTSENT_LOWAT).
const notSentLow = 32 << 10

// Tune limits the kernel memory of a stalled TCP socket, and makes the kernel close a connection that takes nothing for a time. It ignores options
// that the system does not support.
func Tune(fd int, timeout time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLow)
	// The kernel refuses more milliseconds than an int32 holds, about 24 days. The socket would then keep its default.
	silence := min(max(timeout, time.Minute)/time.Millisecond, math.MaxInt32)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence))
}
