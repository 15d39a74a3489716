package sse_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// The conformance cases are files in ssetest/cases. They cover every sentence of WHATWG HTML 9.2.2 to 9.2.6 and the
// behaviours that the web-platform-tests check.

func TestParserConformance(t *testing.T) {
	t.Run("views", func(t *testing.T) {
		ssetest.TestParser(t, parser(func(d *sse.Decoder) sse.Event {
			return sse.Event{Type: string(d.Type()), Data: string(d.Data()), ID: string(d.ID())}
		}))
	})
	t.Run("owned", func(t *testing.T) {
		ssetest.TestParser(t, parser((*sse.Decoder).Event))
	})
}

// parser returns a function that decodes a whole stream; event gets the current event from the decoder.
func parser(event func(*sse.Decoder) sse.Event) func(io.Reader) ssetest.Parsed {
	return func(stream io.Reader) (p ssetest.Parsed) {
		d := sse.NewDecoder(stream, &sse.ReadOptions{Comment: func(text []byte) {
			p.Comments = append(p.Comments, string(text))
		}})
		for d.Next() {
			p.Events = append(p.Events, event(d))
		}
		p.LastEventID = string(d.ID())
		p.Retry, p.Retried = d.Retry()
		p.Truncated = errors.Is(d.Err(), sse.ErrTruncated)
		return p
	}
}

// TestLifecycleConformance runs the cases against the client with the browsers' policy, under which the client must
// wait exactly the reconnection time.
func TestLifecycleConformance(t *testing.T) {
	const reconnectionTime = 3 * time.Second
	ssetest.TestLifecycle(t, ssetest.LifecycleClient{
		Open: func(req *http.Request, client *http.Client, observe func(sse.State)) ssetest.Session {
			c := &sse.Client{
				HTTP:    client,
				Backoff: sse.Backoff{Base: reconnectionTime},
				Recover: sse.WHATWG,
				Observe: func(s sse.State, _ *sse.Failure) { observe(s) },
			}
			return c.Open(req)
		},
		ReconnectionTime: reconnectionTime,
		Exact:            true,
	})
}
