package conform

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// witness collects what a driver tells. Its methods are safe for concurrent use.
type witness struct {
	client Client
	opened chan struct{} // closed when the driver has opened the client

	mu     sync.Mutex // guards the following fields
	events []sse.Event
	closed *string
}

func (w *witness) tell(n news) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.Event != nil {
		w.events = append(w.events, sse.Event{Type: n.Event.Type, Data: n.Event.Data, ID: n.Event.ID})
	}
	if n.Closed != nil {
		w.closed = n.Closed
	}
}

func (w *witness) now() (events []sse.Event, closed *string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events), w.closed
}

// errAway says that a client does not reconnect after the end of a stream, and so does not show its last event ID. For a parser this is no fault; a
// case of the lifecycle is about it.
var errAway = errors.New("the client does not reconnect after the end of the stream")

// check returns what is wrong so far, and whether waiting cannot mend it, because it has happened or the client has given up.
func (t trial) check(s *stage, w *witness) (fault error, final bool) {
	events, closed := w.now()
	requests := s.script.Requests()
	fault, final = t.compare(s, w, requests, events, closed)
	return fault, final || closed != nil
}

func (t trial) compare(s *stage, w *witness, requests []*ssetest.Exchange, events []sse.Event, closed *string) (fault error, final bool) {
	if fault, final := t.checkEvents(events, w.client); fault != nil {
		return fault, final
	}
	if fault, final := t.checkRequests(s, requests); fault != nil {
		return fault, final
	}
	switch {
	case t.resumes != nil && len(requests) < 2:
		return errAway, false
	case t.resumes != nil:
		if got := requests[1].Header.Get("Last-Event-ID"); got != *t.resumes {
			return fmt.Errorf("the last event ID is %q, want %q", got, *t.resumes), true
		}
	case t.outcome == ssetest.OutcomeFailed && closed == nil:
		return errors.New("the client does not say that it has given up"), false
	case (t.outcome == ssetest.OutcomeOpen || t.outcome == ssetest.OutcomeWaiting) && closed != nil:
		return fmt.Errorf("the client gives up: %s", *closed), true
	}
	return nil, false
}

// checkEvents compares the events. Without IDs of its own a client cannot be asked for those that an earlier block has set.
func (t trial) checkEvents(got []sse.Event, c Client) (fault error, final bool) {
	for i, e := range got {
		if i >= len(t.events) {
			return fmt.Errorf("an event too many: %s", brief(e)), true
		}
		want := t.events[i]
		if !c.IDs {
			e.ID, want.ID = "", ""
		}
		if e != want {
			return fmt.Errorf("event %d is %s, want %s", i+1, brief(e), brief(want)), true
		}
	}
	if len(got) < len(t.events) && t.cut == 0 {
		return fmt.Errorf("%d events, want %d; missing: %s", len(got), len(t.events), brief(t.events[len(got)])), false
	}
	return nil, false
}

func (t trial) checkRequests(s *stage, got []*ssetest.Exchange) (fault error, final bool) {
	for i, request := range got {
		if i >= len(t.requests) {
			if ended, _ := got[max(i-1, 0)].Ended(); t.repeats || t.cut > 0 && request.At.Sub(ended) >= t.cut {
				return nil, false
			}
			return fmt.Errorf("a request too many, for %s, as number %d", request.URL, i+1), true
		}
		want := t.requests[i]
		fault := func(format string, args ...any) error {
			return fmt.Errorf("request %d: %s", i+1, fmt.Sprintf(format, args...))
		}
		if request.Method != http.MethodGet {
			return fault("the method is %s, want GET", request.Method), true
		}
		if url := s.origins.Replace(want.URL); url != "" && request.URL.String() != url {
			return fault("the URL is %s, want %s", request.URL, url), true
		}
		for name, value := range want.Header {
			switch values := request.Header.Values(name); {
			case value == nil && len(values) > 0:
				return fault("it has the header field %s %q, want none", name, values), true
			case value != nil && (len(values) != 1 || values[0] != *value):
				return fault("the header field %s is %q, want exactly %q", name, values, *value), true
			}
		}
		if ended, _ := got[max(i-1, 0)].Ended(); i > 0 && request.At.Sub(ended) < want.After {
			return fault("it comes %v after the end of the previous connection, want %v", request.At.Sub(ended), want.After), true
		}
	}
	if !t.repeats && len(got) < len(t.requests) {
		return fmt.Errorf("%d requests, want %d", len(got), len(t.requests)), false
	}
	return nil, false
}

// brief formats an event, and shortens it.
func brief(e sse.Event) string {
	text := func(s string) string {
		if len(s) > 60 {
			return fmt.Sprintf("%q… (%d bytes)", s[:50], len(s))
		}
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("{type %s, data %s, id %s}", text(e.Type), text(e.Data), text(e.ID))
}
