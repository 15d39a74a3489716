package hub_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestTuneProcessRespectsTheEnvironment: it changes no value that a variable sets, and stops with its context.
func TestTuneProcessRespectsTheEnvironment(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	defer debug.SetGCPercent(debug.SetGCPercent(70))
	for _, test := range []struct {
		procs string
		want  int
	}{{"", 2}, {"1", 1}} {
		t.Setenv("GOMAXPROCS", test.procs)
		t.Setenv("GOGC", "70")
		before := runtime.GOMAXPROCS(1)
		hub.TuneProcess(over)
		if got := runtime.GOMAXPROCS(before); got != test.want {
			t.Errorf("with GOMAXPROCS=%q it is %d, want %d", test.procs, got, test.want)
		}
		if got := debug.SetGCPercent(70); got != 70 {
			t.Errorf("GOGC=70 was overruled: %d", got)
		}
	}
}

// TestPacedListenerYields: with one CPU, a goroutine that is ready runs before many connections are accepted. One yield may have no effect:
// at every 61st decision the scheduler first takes a goroutine from the global queue, in which the yielding one waits. Two in a row do not.
func TestPacedListenerYields(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l := hub.PaceAccept(new(endlessListener))
	var ran atomic.Bool
	go ran.Store(true)
	for n := range 2*16 + 1 {
		if _, err := l.Accept(); !errors.Is(err, errEndless) {
			t.Fatal(n, err)
		}
	}
	if !ran.Load() {
		t.Error("33 connections were accepted before the other goroutine ran")
	}
}

// endlessListener is a listener on which another connection always waits.
type endlessListener struct{ net.Listener }

var errEndless = errors.New("no real connection")

func (*endlessListener) Accept() (net.Conn, error) { return nil, errEndless }
