package hub

import (
	"context"
	"net"
	"os"
	"runtime"
	"sync/atomic"
)

// TuneProcess sets up the Go runtime for a process whose main work is a hub, as tidings serve does, and returns when ctx ends. It is
// optional, and for main functions only, because its settings are those of the whole process:
//
//	go hub.TuneProcess(ctx)
//
// It keeps the room for garbage small while little is allocated, which halves the memory of idle streams, and gives memory back
// after a storm of connections. If the environment has GOGC, it leaves this alone.
//
// On a machine with one processor it lets two goroutines run at a time. With one, the scheduler polls the network only when no goroutine can
// run, or after 10 ms, and a publisher waits that long behind deliveries. If the environment has GOMAXPROCS, it leaves this alone.
// Without it, a hub with one processor delivers about two thirds as much when saturated.
func TuneProcess(ctx context.Context) {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
	}
	if os.Getenv("GOGC") == "" {
		boundGarbage(ctx)
	}
	<-ctx.Done()
}

// PaceAccept returns a listener that yields to other goroutines after each 16 connections that it accepts. A server that accepts a crowd as
// fast as it comes runs thousands of handlers before a publisher, and before deliveries. It is optional:
//
//	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(ctx, "tcp", ":3000")
//	…
//	err = http.Serve(hub.PaceAccept(l), h)
//
// KeepAlive -1 turns TCP's keep-alive off, which costs four system calls for each connection: heartbeats and timeouts of the hub find
// clients that are gone.
func PaceAccept(l net.Listener) net.Listener { return &pacedListener{Listener: l} }

// pacedListener is what PaceAccept returns.
type pacedListener struct {
	net.Listener
	accepted atomic.Uint32
}

// pace is how many connections are accepted before other goroutines have a turn.
const pace = 16

// Accept implements [net.Listener].
func (l *pacedListener) Accept() (net.Conn, error) {
	if l.accepted.Add(1)%pace == 0 {
		runtime.Gosched()
	}
	return l.Listener.Accept()
}
