package ssetest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// DefaultBuffer is how many bytes a connection holds in each direction when nothing else is said: 64 KiB.
// A kernel's socket takes more, and how much is hard to say.
const DefaultBuffer = 64 << 10

// backlog is how many connections can be dialled before one is accepted.
const backlog = 128

// Listener is a network in memory with one listener on it. Serve it as any [net.Listener]; reach it by [Listener.Dial]
// or an HTTP client of [Listener.Client]. Inside a synctest bubble everything that waits on it is durably blocked,
// provided that the listener was made in the bubble. Its methods are safe for concurrent use.
type Listener struct {
	// Buffer is how many bytes a connection holds in each direction before its writer blocks. Set it before
	// the first Dial; 0 means [DefaultBuffer], negative panics.
	Buffer int

	waiting chan *Conn
	done    chan struct{} // closed by Close

	mu      sync.Mutex // guards the following
	closed  bool
	conns   map[*Conn]bool // the accepted ends of those that are open
	dialled int
	client  *http.Client
}

var _ net.Listener = (*Listener)(nil)

// NewListener returns a Listener that connections can be dialled to at once; 128 of them wait to be accepted.
func NewListener() *Listener {
	return &Listener{
		waiting: make(chan *Conn, backlog),
		done:    make(chan struct{}),
		conns:   make(map[*Conn]bool),
	}
}

// Accept returns the next connection, a [*Conn]. After Close it fails with [net.ErrClosed].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.done: // even if connections are waiting
		return nil, l.failed("accept", net.ErrClosed)
	default:
	}
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.done:
		return nil, l.failed("accept", net.ErrClosed)
	}
}

// Dial returns a new connection to the listener. It waits only while 128 others have not been accepted, and as long as
// ctx lasts. After Close it is refused with ECONNREFUSED.
func (l *Listener) Dial(ctx context.Context) (*Conn, error) { return l.dial(ctx, false) }

func (l *Listener) dial(ctx context.Context, secure bool) (*Conn, error) {
	dialled, accepted, err := l.connect(secure)
	if err != nil {
		return nil, err
	}
	select {
	case l.waiting <- accepted:
		l.dropIfClosed()
		return dialled, nil
	case <-l.done:
		err = l.failed("dial", syscall.ECONNREFUSED)
	case <-ctx.Done():
		err = l.failed("dial", context.Cause(ctx))
	}
	_ = dialled.Close() // never fails
	return nil, err
}

func (l *Listener) connect(secure bool) (dialled, accepted *Conn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil, l.failed("dial", syscall.ECONNREFUSED)
	}
	size := l.Buffer
	if size == 0 {
		size = DefaultBuffer
	}
	if size < 0 {
		panic("ssetest: Listener.Buffer is negative; nothing could ever be sent")
	}
	from := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 1024 + l.dialled%64000}
	l.dialled++
	dialled, accepted = newConns(size, from, l.Addr())
	accepted.secure = secure
	dialled.forget = func() { l.forget(accepted) }
	accepted.forget = dialled.forget
	l.conns[accepted] = true
	return dialled, accepted, nil
}

func (l *Listener) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// dropIfClosed resets what nobody will accept any more: a Dial and a Close can both succeed at once.
func (l *Listener) dropIfClosed() {
	select {
	case <-l.done:
	default:
		return
	}
	for {
		select {
		case c := <-l.waiting:
			_ = c.Reset() // never fails
		default:
			return
		}
	}
}

// Close stops listening. Connections that were accepted live on, those that were not are reset. It returns nil.
func (l *Listener) Close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.done)
	}
	client := l.client
	l.mu.Unlock()
	l.dropIfClosed()
	if client != nil {
		client.CloseIdleConnections()
	}
	return nil
}

// ResetAll breaks off every connection, as [Conn.Reset] does at the listener's end; what has arrived at a client can
// still be read there. The listener goes on listening.
func (l *Listener) ResetAll() {
	l.mu.Lock()
	open := make([]*Conn, 0, len(l.conns))
	for c := range l.conns {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Reset() // never fails
	}
}

// Addr returns the address of the listener, 192.0.2.1:80, of a network that exists in documentation only.
func (l *Listener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}
}

func (l *Listener) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: l.Addr(), Err: err}
}

// Client returns the HTTP client, always the same, whose every connection goes to the listener, whatever host the URL
// names. So tests can have as many origins as they like. https works without encryption, and the server sees HTTP/1.1.
// It follows redirects as any client and has neither a timeout nor a cookie jar.
func (l *Listener) Client() *http.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		l.client = &http.Client{Transport: l.Transport()}
	}
	return l.client
}

// Transport returns a new transport as [Listener.Client] has one, for tests that change its fields. Its idle
// connections are the caller's to close, by CloseIdleConnections, or end with the server.
func (l *Listener) Transport() *http.Transport {
	dial := func(secure bool) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := l.dial(ctx, secure)
			if err != nil {
				return nil, err // not c, which as an interface would not be nil
			}
			return c, nil
		}
	}
	return &http.Transport{DialContext: dial(false), DialTLSContext: dial(true)}
}
