package socket

import (
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAnyWriteTimeoutSetsATCPTimeout: the kernel refuses timeouts above 24 days, so the hub limits them. Otherwise the socket would keep the
// default.
func TestAnyWriteTimeoutSetsATCPTimeout(t *testing.T) {
	t.Parallel()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	for timeout, want := range map[time.Duration]int{
		time.Millisecond: 60_000, time.Hour: 3_600_000, 597 * time.Hour: math.MaxInt32, 10 * 365 * 24 * time.Hour: math.MaxInt32,
	} {
		Tune(fd, timeout)
		got, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if err != nil || want != math.MaxInt32 && got != want || got < 60_000 {
			t.Errorf("%v is %d ms, %v; want %d", timeout, got, err, want)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0); err != nil {
			t.Fatal(err)
		}
	}
}
