package h1

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// body is the body of a request. It first gives what has arrived with the header.
type body struct {
	conn *conn

	mu       sync.Mutex // guards the following
	ahead    []byte     // has arrived
	left     int64      // bytes that follow ahead
	deadline time.Time  // of the handler
	set      bool       // the handler has set a deadline
	reading  bool       // from the connection
	err      error      // that ended the body
}

// begin takes the part of the body that has arrived with the header.
func (b *body) begin(c *conn, length int64) {
	n := min(int64(len(c.ahead)), length)
	b.conn, b.ahead, b.left = c, c.ahead[:n], length-n
	c.ahead = c.ahead[n:]
}

// Read implements [io.Reader]. The last bytes come with io.EOF, as from net/http.
func (b *body) Read(p []byte) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return 0, b.err
	case len(b.ahead) > 0:
		n = copy(p, b.ahead)
		b.ahead = b.ahead[n:]
	case b.left > 0:
		if n, err = b.receive(p[:min(int64(len(p)), b.left)]); err != nil {
			b.err = err
			return n, err
		}
	}
	if len(b.ahead) == 0 && b.left == 0 {
		b.err = io.EOF
	}
	return n, b.err
}

// receive reads from the connection. The caller holds mu, which is free meanwhile, so that a deadline can be set.
func (b *body) receive(p []byte) (n int, err error) {
	if b.set {
		b.conn.setUntil(b.deadline)
	}
	b.reading = true
	b.mu.Unlock()
	n, err = b.conn.net.Read(p)
	b.mu.Lock()
	b.reading = false
	b.left -= int64(n)
	if b.err != nil { // closed meanwhile
		return 0, b.err
	}
	if errors.Is(err, io.EOF) && b.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if b.left == 0 {
		err = nil
	}
	return n, err
}

// setDeadline sets the deadline for reading the body. It costs nothing if the body has arrived already.
func (b *body) setDeadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deadline, b.set = t, true
	if b.reading {
		b.conn.setUntil(t)
	}
}

// Close implements [io.Closer]. What the handler has not read is read by end.
func (*body) Close() error { return nil }

// mostUnread is how many unread bytes end discards, so that the connection can be used again. It is that of net/http.
const mostUnread = 256 << 10

// end discards the rest of the body after the handler. It reports whether the connection is at the end of the body.
func (b *body) end() bool {
	b.mu.Lock()
	many := b.left > mostUnread || b.reading
	b.ahead = nil
	b.mu.Unlock()
	if many {
		return false
	}
	var scratch [512]byte
	for {
		if _, err := b.Read(scratch[:]); errors.Is(err, io.EOF) {
			return true
		} else if err != nil {
			return false
		}
	}
}

// leave makes reads fail from now on: the memory of ahead is used again.
func (b *body) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ahead, b.err = nil, http.ErrBodyReadAfterClose
}
