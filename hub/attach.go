package hub

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"time"
)

// attach makes a stream of an answer. Where it can, it takes the connection from net/http; who has returned from here is a
// number and some bytes in a shard. The caller has entered the hub.
//
// Otherwise the handler's goroutine stays, and is the subscriber's runner.
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
	h.runHere(r.Context(), sub, out, first)
	return nil
}

// runHere is the subscriber's runner, until its stream ends.
func (h *Hub) runHere(ctx context.Context, sub *subscriber, out socket, first []byte) {
	sub.runner = newRunner(ctx)
	defer sub.runner.cancel()
	aborted := make(chan struct{})
	stop := context.AfterFunc(sub.runner.ctx, func() { // a write may be waiting
		out.abort()
		close(aborted)
	})
	c := sub.cursor
	why := drained
	if sub.shard.post(func() { sub.shard.admit(sub) }) {
		why = sub.runner.run(c, out, first)
		sub.bytes += sub.runner.bytes
	}
	if !stop() {
		<-aborted
	}
	sub.shard.await(func() { sub.shard.close(sub, why) }) // it watches a socket that is about to be closed
	h.leave(sub, why)
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
		go labelled("hub runner", func() { h.runHijacked(conn, sub, first) })
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

// runHijacked is the runner of a connection that sends by calls that wait.
func (h *Hub) runHijacked(conn net.Conn, sub *subscriber, first []byte) {
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	if fd, ok := watchable(conn); ok {
		sub.fd = fd // the poller tells when its client has gone
	} else {
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			cancel()
		}()
	}
	h.runHere(ctx, sub, &connection{conn, h.opts.WriteTimeout}, first)
}

// connection is a socket that is ours, and waits.
type connection struct {
	conn    net.Conn
	timeout time.Duration
}

func (c *connection) write(ctx context.Context, b []byte) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // after the deadline, which might replace that of abort
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

func (c *connection) abort() { _ = c.conn.SetWriteDeadline(longAgo) } // one that has gone needs none

// watchable returns the number of the socket below a TLS connection.
func watchable(conn net.Conn) (fd int32, ok bool) {
	secure, isTLS := conn.(*tls.Conn)
	if !isTLS {
		return -1, false
	}
	return number(secure.NetConn())
}
