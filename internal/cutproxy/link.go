package cutproxy

import (
	"context"
	"net"
	"sync"
	"time"
)

// valve controls the bytes of one direction between two nodes.
type valve struct {
	mu      sync.Mutex // guards the following fields
	shut    bool
	delay   time.Duration
	changed chan struct{} // closed when a field changes
}

func (v *valve) set(f func(*valve)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f(v)
	close(v.changed)
	v.changed = make(chan struct{})
}

// pass waits until bytes that were read at a time may be forwarded.
func (v *valve) pass(ctx context.Context, read time.Time) error {
	for {
		v.mu.Lock()
		shut, wait, changed := v.shut, time.Until(read.Add(v.delay)), v.changed
		v.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !shut && wait <= 0:
			return nil
		case shut:
			wait = time.Hour
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// link listens for one node and dials the other.
type link struct {
	network  *Network
	way      way
	target   string
	listener net.Listener

	mu   sync.Mutex // guards open
	open map[*pair]bool
}

func (l *link) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		p := &pair{near: conn.(*net.TCPConn)}
		p.ctx, p.cancel = context.WithCancel(l.network.ctx)
		l.mu.Lock()
		l.open[p] = true
		l.mu.Unlock()
		l.network.wg.Go(func() {
			p.run(l)
			l.mu.Lock()
			delete(l.open, p)
			l.mu.Unlock()
		})
	}
}

func (l *link) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.open {
		p.cancel()
	}
}

// pair is a connection through a link: near to the node that dials, far to the other.
type pair struct {
	ctx       context.Context // ends when the connection is to be reset
	cancel    context.CancelFunc
	near, far *net.TCPConn
}

// run serves the connection until both directions have ended, or it is reset.
func (p *pair) run(l *link) {
	defer p.cancel()
	there, back := l.network.valve(l.way), l.network.valve(l.way.back())
	// The handshake needs both directions.
	if there.pass(p.ctx, time.Now()) == nil && back.pass(p.ctx, time.Now()) == nil {
		if conn, err := l.network.Dial(p.ctx, l.way.from, l.target); err == nil {
			p.far = conn.(*net.TCPConn)
		}
	}
	if p.far == nil {
		resetConn(p.near)
		return
	}
	stop := context.AfterFunc(p.ctx, func() { // unblocks both directions
		resetConn(p.near)
		resetConn(p.far)
	})
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { p.pump(p.near, p.far, there) })
	both.Go(func() { p.pump(p.far, p.near, back) })
	both.Wait()
	_ = p.near.Close() // both directions have ended: an error has no consequence
	_ = p.far.Close()
}

// resetConn closes a connection so that the other end gets a reset.
func resetConn(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails only on a closed connection, as Close does
	_ = c.Close()
}

// chunk is what one read returned.
type chunk struct {
	data []byte
	read time.Time
}

// underWay is how many chunks a direction holds at most while they are delayed. More than that stays in the buffers of the operating system.
const underWay = 1024

// pump copies one direction until it ends, and ends the other side then. A failure resets the connection.
func (p *pair) pump(from, to *net.TCPConn, v *valve) {
	chunks := make(chan chunk, underWay)
	go func() {
		defer close(chunks)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				select {
				case chunks <- chunk{buf[:n], time.Now()}:
				case <-p.ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		if v.pass(p.ctx, c.read) != nil {
			continue // the reader ends, too
		}
		if _, err := to.Write(c.data); err != nil {
			p.cancel()
		}
	}
	if v.pass(p.ctx, time.Now()) == nil { // the end travels as bytes do
		_ = to.CloseWrite() // fails if the other direction has failed, which resets the connection
	}
}
