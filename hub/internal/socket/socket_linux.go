package socket

import (
	"math"
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
