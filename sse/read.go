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

// ErrUsed is what a second range over a sequence of this package yields: the stream behind it is gone.
var ErrUsed = errors.New("sse: the sequence has been used already; it can be ranged over once")

// Read returns the events of r. The sequence ends without an error when the stream ends cleanly; else with
// the error of [Decoder.Err] as its last element. It can be used once.
func Read(r io.Reader, opts *ReadOptions) iter.Seq2[Event, error] {
	return once(func(yield func(Event, error) bool) {
		d := NewDecoder(r, opts)
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

// ReadResponse returns the events of an answer, having checked that it is one: status 200, a Content-Type of
// text/event-stream as browsers understand it (parameters are ignored), and no Content-Encoding that the
// transport has not undone. If not, the sequence yields a [*ResponseError]. It closes the body when it ends,
// however it ends. Anything else is as with [Read]. To stop a read that waits, cancel the request's context.
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

// once returns seq for a single use.
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
	maxErrorBody  = 64 << 10        // bytes of a refusal's body that are kept
	errorBodyTime = 5 * time.Second // how long a refusal's body is waited for
)

// ResponseError says that an answer is not an event stream. It holds what the server said instead.
type ResponseError struct {
	StatusCode int
	Status     string // such as "404 Not Found"
	Header     http.Header
	Body       []byte // the first 64 KiB at the most, and what came within 5 s
	Reason     string // what was expected and what came
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
		reason = fmt.Sprintf("the server used content coding %.40q, which nobody asked for", coding)
	default:
		return nil
	}
	return &ResponseError{
		StatusCode: resp.StatusCode, Status: resp.Status, Header: resp.Header,
		Body: readErrorBody(resp.Body), Reason: reason,
	}
}

// readErrorBody reads the start of a refusal. A server that lets it trickle must not hold up the caller, so
// the body is closed under a reader that waits too long. What could not be read is not worth an error
// of its own: the refusal is what the caller has to know.
func readErrorBody(body io.ReadCloser) []byte {
	stop := time.AfterFunc(errorBodyTime, func() { _ = body.Close() })
	defer stop.Stop()
	text, err := io.ReadAll(io.LimitReader(body, maxErrorBody))
	if err != nil && len(text) == 0 {
		return nil
	}
	return text
}
