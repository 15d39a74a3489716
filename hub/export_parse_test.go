package hub

import (
	"io"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// ParsedSubscription is a parsed subscription.
type ParsedSubscription struct {
	Names    []string
	Patterns []eventlog.Matcher
	At       []string // positions
	Seek     eventlog.Start
}

// ParseSubscription parses the parameters of a subscription.
func ParseSubscription(query string, now time.Time) (w ParsedSubscription, err error) {
	p, err := parseParams(new(Hub), query)
	if err != nil {
		return w, err
	}
	want, err := topicsOf(p, "", 1000)
	if err != nil {
		return w, err
	}
	b, err := startOf(p, http.Header{}, now)
	if err != nil {
		return w, err
	}
	w = ParsedSubscription{Names: want.names, Patterns: want.matchers, At: b.Positions}
	if b.Seek != nil {
		w.Seek = *b.Seek
	}
	return w, p.done()
}

// ReadBody returns the events of a streamed body up to its first error.
func ReadBody(body io.Reader, stream bool, maxEvent int, topic string) (all []Event, err error) {
	sent := post{topics: []string{topic}}
	events := sent.lines(maxEvent)
	if stream {
		events = sent.blocks(maxEvent)
	}
	p := &Publication{hub: &Hub{opts: Options{MaxEvent: maxEvent}}}
	p.rent = rent{memory: newBodyMemory(defaultBodyMemory), grant: &p.grant}
	for e, err := range events(p.openStream(body, p.rent.take)) {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

// Line returns the line of NDJSON for an event, without its end event.
func Line(e Event) (string, error) {
	h := &Hub{opts: Options{MaxEvent: 1 << 20}}
	r, err := h.record(&e, "")
	if err != nil {
		return "", err
	}
	r.Flags &^= eventlog.End
	return string(ndjsonEncoding.Event(nil, eventlog.Position{Gen: "abcde"}, &r)), nil
}
