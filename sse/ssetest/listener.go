package ssetest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// DefaultBuffer is the default of [Listener.Buffer]: 64 KiB. The buffers of a kernel's socket are larger, and their
// size is hard to predict.
const DefaultBuffer = 64 << 10

// backlog is the number of dialled connections that can wait for Accept.
const backlog = 128

// Listener is an in-memory network with one listener. Servers use it as a [net.Listener]; clients connect with
// [Listener.Dial] or the HTTP client of [Listener.Client]. If it is created in a synctest bubble, goroutines that wait
// on it are durably blocked. Its methods are safe for concurrent use.
type Listener struct {
	// Buffer is how many bytes a connection buffers in each direction before a write blocks. Set it before the first Dial.
	// 0 means [DefaultBuffer]; a negative value panics.
	Buffer int

	waiting chan *Conn
	done    chan struct{} // closed by Close

	mu      sync.Mutex // guards the following
	closed  bool
	conns   map[*Conn]bool // the server's ends of the open connections
	dialled int
	client  *http.Client
}

var _ net.Listener = (*Listener)(nil)

// NewListener returns a Listener. Up to 128 connections can wait for Accept.
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

// Dial returns a new connection to the listener. While 128 others wait for Accept, Dial waits until ctx is done. After
// Close it fails with ECONNREFUSED.
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
		panic("ssetest: Listener.Buffer is negative")
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

// dropIfClosed resets the connections that wait for Accept if the listener is closed. Dial and Close both call it,
// because a Dial can succeed during a Close.
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

// Close stops listening. It resets the connections that wait for Accept; accepted ones stay open. It returns nil.
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

// ResetAll aborts every connection, as [Conn.Reset] does at the listener's end. Clients can still read the bytes that
// were sent before. The listener keeps listening.
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

// Addr returns the address of the listener, 192.0.2.1:80, which belongs to a documentation network.
func (l *Listener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}
}

func (l *Listener) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: l.Addr(), Err: err}
}

// Client returns an HTTP client whose connections all go to the listener, for any host in the URL. So one listener can
// serve many origins. An https URL works without encryption, and the server sees HTTP/1.1. The client has no timeout
// and no cookie jar. Every call returns the same client.
func (l *Listener) Client() *http.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		l.client = &http.Client{Transport: l.Transport()}
	}
	return l.client
}

// Transport returns a new transport like that of [Listener.Client], for tests that change its fields. Its idle
// connections end with the server; the caller can close them earlier with CloseIdleConnections.
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
