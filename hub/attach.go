package hub

import (
	"bytes"
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/tidings-sse/tidings/hub/internal/fanout"
	"github.com/tidings-sse/tidings/hub/internal/h2"
)

// attach gives a stream its connection. Where it can, it takes the stream away from the handler, which returns, so that the stream needs no
// goroutine: on Linux it hijacks connections of HTTP/1.1, and it detaches streams of HTTP/2 of a server that uses [Hub.HTTP2]. Otherwise the
// stream needs the handler, and attach returns a [*held] as the error.
func (h *Hub) attach(w http.ResponseWriter, r *http.Request, stream *fanout.Stream, enc Encoding, c *client) error {
	if r.ProtoMajor == 1 && runtime.GOOS == "linux" {
		enc.Header(w.Header())
		c.taken = true
		h.takenOver.Add(1)
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err == nil {
			early := 0
			if buffered != nil {
				early = buffered.Reader.Buffered()
			}
			head := appendHead(nil, w.Header())
			c.kept = true
			stream.Attach(conn, head, early)
			return nil
		}
		c.taken = false
		h.takenOver.Add(-1)
	}
	if r.ProtoMajor == 2 && h2.Detachable(w) {
		enc.Header(w.Header())
		w.WriteHeader(http.StatusOK)
		if lane, ok := h2.Detach(w); ok {
			c.kept = true
			stream.AttachLane(laneOf{lane})
			return nil
		}
	}
	out, err := openSocket(w, r, enc, false, h.opts.WriteTimeout)
	if err != nil {
		return err
	}
	c.kept = true
	return &held{stream.Serve(out), out}
}

// laneOf is the [fanout.Lane] of a detached stream. The two packages do not know each other.
type laneOf struct{ *h2.Stream }

// Watch implements [fanout.Lane].
func (l laneOf) Watch(events fanout.LaneEvents) { l.Stream.Watch(events) }

// held is a stream whose handler must not return before the stream ends. It travels as an error up to ServeHTTP, which waits there: the
// functions in between use several kilobytes of stack, which each stream would keep otherwise.
type held struct {
	abort func() // ends the stream at once
	out   *response
}

func (*held) Error() string { return "the stream needs its handler" }

// wait returns when the stream has ended. The request's context ends when the client disconnects. A select over both channels would grow
// the stack, which Go does not shrink again.
func (s *held) wait(ctx context.Context) {
	stop := context.AfterFunc(ctx, s.abort)
	<-s.out.done
	stop()
	if s.out.panicked != nil {
		panic(s.out.panicked) // to net/http, as if the handler had written itself
	}
}

// appendHead appends the status line and header of an HTTP/1.1 response that ends when its connection closes (RFC 9112, section 6.3).
func appendHead(b []byte, header http.Header) []byte {
	out := bytes.NewBuffer(append(b, "HTTP/1.1 200 OK\r\n"...))
	header.Set("Connection", "close")
	if header.Get("Date") == "" {
		header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	_ = header.Write(out) // writing to a buffer does not fail
	out.WriteString("\r\n")
	return out.Bytes()
}
