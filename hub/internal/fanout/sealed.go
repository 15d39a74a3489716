package fanout

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// sealed is a direct subscriber whose connection is TLS. The shard gives its bytes to crypto/tls, which seals each write as one record, at most 16 KB, and hands
// it to the socket. Sealed bytes cannot be taken back: those that a full socket does not take stay in memory, one record at most. Until they
// are sent, the last byte of the record counts as not written. So the subscriber is stalled, like one whose plain socket is full. The chunk with that
// byte has begun, even if it is the first one of the chunk: see cut.
type sealed struct {
	direct
	conn *tls.Conn
	sock *socket.Detached // below conn
	owed bool             // sock keeps a part of the last record, whose last byte counts as unsent and begins the next write
}

var _ delivery = (*sealed)(nil)

// belowTLS returns the TLS connection and what is below it, if shards can write to it.
func belowTLS(conn net.Conn) (secure *tls.Conn, below *socket.Conn, ok bool) {
	if secure, ok = conn.(*tls.Conn); ok {
		below, ok = secure.NetConn().(*socket.Conn)
	}
	return secure, below, ok
}

// maxRecord is the size of the content of the largest record (RFC 8446, section 5.1).
const maxRecord = 16 << 10

// write seals bytes and sends them, as many as the socket takes. While a record is owed, b begins with its last byte.
func (t *sealed) write(b []byte) (n int, err error) {
	sent, left, err := t.sock.Send()
	t.moved = t.moved || sent > 0
	if err != nil || left > 0 {
		return 0, err
	}
	if t.owed {
		t.owed, n = false, 1
	}
	for n < len(b) {
		part := b[n:min(len(b), n+maxRecord)]
		if _, err := t.conn.Write(part); err != nil {
			return n, err
		}
		n += len(part)
		if t.sock.Left() > 0 {
			t.owed = true
			return n - 1, nil
		}
	}
	return n, nil
}

// read discards what the client has sent: crypto/tls answers new keys and recognises the end. It reports whether the stream may stay open.
func (t *sealed) read() bool {
	var b [512]byte
	for {
		if _, err := t.conn.Read(b[:]); err != nil {
			forgetHandshake(t.conn) // the buffers that reading has grown
			return errors.Is(err, socket.ErrNothing)
		}
	}
}

// lingering is how long the end of a stream waits for room for its last alert.
const lingering = time.Second

// close ends the connection. A client may take a stream without the last alert for one that was cut off (RFC 8446, section 6.1). So the alert of a
// complete stream waits for a full socket. The shard goes on, and Shutdown waits for it.
func (t *sealed) close(complete bool) {
	if complete {
		_ = t.conn.CloseWrite() // the stream has ended, so an error changes nothing
		if t.sock.Left() > 0 {
			t.shard.poller.unwatch(t.fd)
			t.shard.f.running.Go(func() { t.sock.Linger(lingering) })
			return
		}
	}
	_ = t.sock.Close() // as above
}
