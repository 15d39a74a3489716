package hub

import (
	"bytes"
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/tidings-sse/tidings/hub/internal/fanout"
)

// attach gives a stream its connection. Where it can, it takes the connection from net/http, and the handler returns: the stream is then a
// number and some bytes in a shard. Otherwise the handler has to stay, and the error says so.
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
			stream.Attach(conn, appendHead(nil, w.Header()), early)
			return nil
		}
		c.taken = false
		h.takenOver.Add(-1)
	}
	out, err := openSocket(w, r, enc, false, h.opts.WriteTimeout)
	if err != nil {
		c.Closed(fanout.End{Reason: fanout.Gone})
		return err
	}
	return &held{stream.Serve(out), out}
}

// held is returned in the place of an error for a stream whose handler has to stay, up to where the handler begins: the functions below take
// several kilobytes of stack, which each such stream would keep.
type held struct {
	abort func() // ends the stream at once
	out   *response
}

func (*held) Error() string { return "the handler stays" }

// wait returns when the stream has ended. The request's context ends when the client disconnects; waiting for both at once would take more of
// the stack than Go frees.
func (s *held) wait(ctx context.Context) {
	stop := context.AfterFunc(ctx, s.abort)
	<-s.out.done
	stop()
	if s.out.panicked != nil {
		panic(s.out.panicked) // to net/http, as if the handler had written itself
	}
}

// appendHead appends the head of an HTTP/1.1 answer that ends with its connection (RFC 9112, section 6.3).
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
