package hub

import (
	"context"
	"net"
	"os"
	"runtime"
	"sync/atomic"
)

// TuneProcess tunes the Go runtime for a process that mainly serves a hub, as tidings serve does, and returns when ctx ends. It is optional.
// Only main functions should call it, because it changes settings of the whole process:
//
//	go hub.TuneProcess(ctx)
//
// It lowers GOGC while the process allocates little, which halves the memory of idle streams. It also returns memory to the operating
// system after a surge of connections. If the environment variable GOGC is set, it does neither.
//
// On a machine with one CPU it sets GOMAXPROCS to 2. With 1, the scheduler polls the network only when no goroutine can run, or after 10 ms,
// and publishers wait that long behind deliveries. A saturated hub then delivers about two thirds as much. If the environment variable
// GOMAXPROCS is set, TuneProcess does not change it.
func TuneProcess(ctx context.Context) {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
	}
	if os.Getenv("GOGC") == "" {
		limitGarbage(ctx)
	}
	<-ctx.Done()
}

// PaceAccept returns a listener that yields to other goroutines after every 16 connections that it accepts. Otherwise a surge of
// connections delays publishers and deliveries behind thousands of handlers. It is optional:
//
//	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(ctx, "tcp", ":3000")
//	…
//	err = http.Serve(hub.PaceAccept(l), h)
//
// KeepAlive -1 disables TCP keep-alive and saves four system calls for each connection. The hub does not need it: its heartbeats and write
// timeouts detect clients that have disconnected.
func PaceAccept(l net.Listener) net.Listener { return &pacedListener{Listener: l} }

// pacedListener is what PaceAccept returns.
type pacedListener struct {
	net.Listener
	accepted atomic.Uint32
}

// pace is how many connections are accepted before the listener yields.
const pace = 16

// Accept implements [net.Listener].
func (l *pacedListener) Accept() (net.Conn, error) {
	if l.accepted.Add(1)%pace == 0 {
		runtime.Gosched()
	}
	return l.Listener.Accept()
}
