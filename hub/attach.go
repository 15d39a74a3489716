package hub

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"
)

// attach makes a stream of an answer. Where it can, it takes the connection from net/http; who has returned from here is a
// number and some bytes in a shard. The caller has entered the hub.
//
// Otherwise the handler has to stay, and is told so by what is returned.
func (h *Hub) attach(w http.ResponseWriter, r *http.Request, sub *subscriber, first []byte) error {
	if r.ProtoMajor == 1 && runtime.GOOS == "linux" {
		streamHeader(w.Header(), sub.group.form)
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err == nil {
			head := appendHead(nil, w.Header())
			sub.bytes = -int64(len(head))
			var early int
			if buffered != nil {
				early = buffered.Reader.Buffered()
			}
			h.takeOver(conn, sub, append(head, first...), early)
			return nil
		}
	}
	out, err := openSocket(w, r, sub.group.form, false, h.opts.WriteTimeout)
	if err != nil {
		h.leave(sub, gone)
		return err
	}
	h.run(sub, out, first)
	return &held{sub.runner, out}
}

// held is what is returned in place of an error for a stream whose handler has to stay, up to where the handler begins: what is below
// takes several kilobytes of stack, which each such stream would keep.
type held struct {
	runner *runner
	out    *response
}

func (*held) Error() string { return "the handler stays" }

// wait returns when the stream has ended. Its client has gone when the request's context ends; to wait for both at once would take more
// of the stack than Go lets go of.
func (s *held) wait(ctx context.Context) {
	stop := context.AfterFunc(ctx, s.runner.abort)
	<-s.out.done
	stop()
	if s.out.panicked != nil {
		panic(s.out.panicked) // for whom net/http calls, as if the handler had written itself
	}
}

// run hands a subscriber to its shard, with a runner.
func (h *Hub) run(sub *subscriber, out socket, first []byte) {
	sub.runner = newRunner(sub, out, first)
	if !sub.shard.post(func() { sub.shard.admit(sub) }) {
		sub.runner.turn.Store(1) // nobody wakes who has ended
		sub.runner.end(drained)
	}
}

// appendHead appends the head of an answer of HTTP/1.1 that ends with its connection (RFC 9112, 6.3).
func appendHead(b []byte, header http.Header) []byte {
	out := bytes.NewBuffer(append(b, "HTTP/1.1 200 OK\r\n"...))
	header.Set("Connection", "close")
	if header.Get("Date") == "" {
		header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	_ = header.Write(out) // a buffer takes everything
	out.WriteString("\r\n")
	return out.Bytes()
}

// takeOver goes on with a connection that is ours.
func (h *Hub) takeOver(conn net.Conn, sub *subscriber, first []byte, early int) {
	fd, ok, err := detach(conn, h.opts.WriteTimeout)
	if err != nil {
		_ = conn.Close()
		h.leave(sub, gone)
		return
	}
	if !ok {
		h.takeWaiting(conn, sub, first)
		return
	}
	sub.fd, sub.stray = fd, early
	sub.rest = piece{text: string(first), at: sub.cursor.query.After.Seq, told: true}
	if all, _, err := sub.push(&first, 0, nil); err != nil || all {
		sub.rest = piece{} // who has gone is found out soon
	}
	if !sub.shard.post(func() { sub.shard.admit(sub) }) {
		sub.shard.abandon(sub)
	}
}

// takeWaiting is takeOver for a connection that sends by calls that wait.
func (h *Hub) takeWaiting(conn net.Conn, sub *subscriber, first []byte) {
	fd, ok := watchable(conn)
	if ok {
		sub.fd = fd // the poller tells when its client has gone
	}
	h.run(sub, &connection{conn: conn, timeout: h.opts.WriteTimeout}, first)
	if !ok {
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			sub.runner.abort()
		}()
	}
}

// connection is a socket that is ours, and waits.
type connection struct {
	conn    net.Conn
	timeout time.Duration
	aborted atomic.Bool
}

func (c *connection) write(b []byte) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	if c.aborted.Load() { // after the deadline, which might replace that of abort
		return errAborted
	}
	_, err := c.conn.Write(b)
	return err
}

func (c *connection) abort() {
	c.aborted.Store(true)
	_ = c.conn.SetWriteDeadline(longAgo) // one that has gone needs none
}

func (c *connection) close() { _ = c.conn.Close() } // nothing can be done about an error

// watchable returns the number of the socket below a TLS connection, of which nobody reads any more then.
func watchable(conn net.Conn) (fd int32, ok bool) {
	secure, isTLS := conn.(*tls.Conn)
	if !isTLS {
		return -1, false
	}
	if fd, ok = number(secure.NetConn()); ok {
		forgetHandshake(secure)
	}
	return fd, ok
}
