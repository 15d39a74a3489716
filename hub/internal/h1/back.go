package h1

import (
	"net"
	"sync"
)

// Returned is a connection that net/http serves again. It first gives the bytes that were read already.
type Returned struct {
	net.Conn
	ahead []byte
}

// Read implements [net.Conn].
func (r *Returned) Read(b []byte) (int, error) {
	if len(r.ahead) > 0 {
		n := copy(b, r.ahead)
		r.ahead = r.ahead[n:]
		return n, nil
	}
	r.ahead = nil
	return r.Conn.Read(b)
}

// CloseWrite ends what is sent. net/http does so before it closes a connection on which the client still sends, so that the answer is not destroyed.
func (r *Returned) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Unwrap returns the connection itself, for the owner of a hijacked connection. It returns r if bytes of it have not been read.
func (r *Returned) Unwrap() net.Conn {
	if len(r.ahead) > 0 {
		return r
	}
	return r.Conn
}

// backListener is the listener through which net/http gets connections back.
type backListener struct {
	conns chan net.Conn
	over  chan struct{} // closed by Close
	once  sync.Once
}

// Accept implements [net.Listener].
func (l *backListener) Accept() (net.Conn, error) {
	select {
	case <-l.over:
		return nil, net.ErrClosed
	case c := <-l.conns:
		return c, nil
	}
}

// Close implements [net.Listener].
func (l *backListener) Close() error {
	l.once.Do(func() { close(l.over) })
	return nil
}

// Addr implements [net.Listener].
func (l *backListener) Addr() net.Addr {
	return &net.UnixAddr{Name: "connections that publish", Net: "unix"}
}
