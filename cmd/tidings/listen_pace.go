package main

import (
	"net"
	"runtime"
	"sync/atomic"
)

// pacedListener lets those who are there have their turn while others come in crowds. Whoever accepts connections as fast as they come
// has thousands of goroutines run before a publisher, and before the shards.
type pacedListener struct {
	net.Listener
	accepted atomic.Uint32
}

// pace is how many connections are accepted before everybody else has had a turn.
const pace = 16

// Accept implements [net.Listener].
func (l *pacedListener) Accept() (net.Conn, error) {
	if l.accepted.Add(1)%pace == 0 {
		runtime.Gosched()
	}
	return l.Listener.Accept()
}
