package hub

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// Wish is what the parameters of a subscription say.
type Wish struct {
	Names    []string
	Patterns []eventlog.Pattern
	At       []string // positions
	Seek     eventlog.Start
}

// ParseWish reads the parameters of a subscription.
func ParseWish(query string, now time.Time) (w Wish, err error) {
	p, err := new(Hub).parseParams(query)
	if err != nil {
		return w, err
	}
	want, err := topicsOf(p, "", 1000)
	if err != nil {
		return w, err
	}
	b, err := beginOf(p, http.Header{}, now)
	if err != nil {
		return w, err
	}
	w = Wish{Names: want.names, Patterns: want.patterns, At: b.positions}
	if b.seek != nil {
		w.Seek = *b.seek
	}
	return w, p.done()
}

// ReadBody returns the events of a streamed body, up to an error.
func ReadBody(body io.Reader, stream bool, maxEvent int, topic string) (all []Event, err error) {
	open := newLines
	if stream {
		open = newStream
	}
	src := open(&textReader{body: body}, maxEvent)
	pub := &publication{topics: []string{topic}, grant: access.Everything()}
	for {
		e, err := src.next(pub)
		if errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return all, err
		}
		all = append(all, e)
	}
}

// Line returns the line of NDJSON in which a subscriber would get an event, its end aside.
func Line(e Event) (string, error) {
	h := &Hub{opts: Options{MaxEvent: 1 << 20}}
	r, err := h.record(&e, "")
	if err != nil {
		return "", err
	}
	r.Flags &^= eventlog.End
	return (&event{record: &r, gen: "abcde"}).frame(ndjson), nil
}

// ScanLine reads a line of NDJSON in both ways. It is not plain if only one of them can.
func ScanLine(text []byte) (plain bool, scanned, decoded string, err error) {
	var fast line
	if !scanLine(text, &fast) {
		return false, "", "", nil
	}
	slow, err := decodeLine(text)
	slow.ID, slow.Time = nil, nil
	return true, fast.describe(), slow.describe(), err
}

func (l *line) describe() string {
	topic := "none"
	if l.Topic != nil {
		topic = strconv.Quote(*l.Topic)
	}
	data, binary, err := l.content()
	return fmt.Sprintf("%q %q %s %q %q %q %v: %q %v %v", l.Data, l.Type, topic, l.Topics, l.Key, l.Encoding, l.End, data, binary, err)
}
