package sse

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// ErrUsed is the error that a second range over a sequence of this package yields.
var ErrUsed = errors.New("sse: the sequence has been used already; it can be ranged over once")

// Read returns the events of r. The sequence ends without an error when the stream ends cleanly; else with
// the error of [Decoder.Err] as its last element. It can be used once.
func Read(r io.Reader, opts *ReadOptions) iter.Seq2[Event, error] {
	return once(func(yield func(Event, error) bool) {
		d := NewDecoder(r, opts)
		d.relaxed = isRelaxed(yield)
		for d.Next() {
			if !yield(d.Event(), nil) {
				return
			}
		}
		if err := d.Err(); err != nil {
			yield(Event{}, err)
		}
	})
}

// ReadResponse returns the events of an HTTP response, as [Read] does. It first checks the response: status 200,
// content type text/event-stream as browsers understand it (parameters are ignored), and no Content-Encoding (a
// transport removes the field if it decodes the body). A response that fails the check yields a [*ResponseError]. The
// sequence closes the body when it ends. To stop a read that waits, cancel the request's context.
func ReadResponse(resp *http.Response, opts *ReadOptions) iter.Seq2[Event, error] {
	return once(func(yield func(Event, error) bool) {
		defer resp.Body.Close()
		if err := checkResponse(resp); err != nil {
			yield(Event{}, err)
			return
		}
		Read(resp.Body, opts)(yield)
	})
}

// once returns a sequence that yields the elements of seq on its first use and ErrUsed on any later use.
func once[V any](seq iter.Seq2[V, error]) iter.Seq2[V, error] {
	var used atomic.Bool
	return func(yield func(V, error) bool) {
		if used.Swap(true) {
			var zero V
			yield(zero, ErrUsed)
			return
		}
		seq(yield)
	}
}

const (
	maxErrorBody  = 64 << 10        // bytes of an error response's body that are kept
	errorBodyTime = 5 * time.Second // how long to wait for them
)

// ResponseError says that a response is not an event stream. It holds the response.
type ResponseError struct {
	StatusCode int
	Status     string // such as "404 Not Found"
	Header     http.Header
	Body       []byte // up to 64 KiB, and only what arrived within 5 s
	Reason     string // what was expected and what the server sent
}

func (e *ResponseError) Error() string {
	text := strings.TrimSpace(string(e.Body[:min(len(e.Body), 200)]))
	if text == "" || strings.HasPrefix(text, "<") {
		return "sse: " + e.Reason
	}
	return fmt.Sprintf("sse: %s: %.200q", e.Reason, text)
}

// checkResponse returns a *ResponseError if resp is no event stream (WHATWG HTML 9.2.2, the constructor's
// last steps).
func checkResponse(resp *http.Response) error {
	var reason string
	switch coding := resp.Header.Get("Content-Encoding"); {
	case resp.StatusCode != http.StatusOK:
		reason = "the server answered " + resp.Status + " instead of 200"
	case !isEventStream(resp.Header.Values("Content-Type")):
		reason = fmt.Sprintf("the server answered with content type %.100q instead of %q", resp.Header.Get("Content-Type"), contentType)
	case coding != "" && !strings.EqualFold(coding, "identity"):
		reason = fmt.Sprintf("the server used content coding %.40q, which the client did not request", coding)
	default:
		return nil
	}
	return &ResponseError{
		StatusCode: resp.StatusCode, Status: resp.Status, Header: resp.Header,
		Body: readErrorBody(resp.Body), Reason: reason,
	}
}

// readErrorBody reads the start of an error response. It closes the body when errorBodyTime is over, so that a server
// that sends slowly does not block the caller. A read error is dropped: the response itself is the error to report.
func readErrorBody(body io.ReadCloser) []byte {
	stop := time.AfterFunc(errorBodyTime, func() { _ = body.Close() })
	defer stop.Stop()
	text, err := io.ReadAll(io.LimitReader(body, maxErrorBody))
	if err != nil && len(text) == 0 {
		return nil
	}
	return text
}
