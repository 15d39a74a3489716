package ssetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// ParserCase is a stream and the result that a parser must return for it.
type ParserCase struct {
	Name    string
	Section string // section of the WHATWG HTML Living Standard, such as "9.2.6"
	Says    string // what the section requires, in our words
	Stream  []byte
	Want    Parsed

	// RetryAtLeast, if not 0, replaces Want.Retry. It is for reconnection times that a parser may reduce to the largest
	// value that it can represent, but not below RetryAtLeast.
	RetryAtLeast time.Duration
}

// Parsed is the result of parsing a stream.
type Parsed struct {
	Events      []sse.Event   // as received: only Type, Data and ID are set
	LastEventID string        // the last event ID at the last blank line
	Retry       time.Duration // the reconnection time of the last valid retry field
	Retried     bool          // there was a valid retry field
	Comments    []string      // each without its colon and one space
	Truncated   bool          // the end of the stream cut off a part of an event
}

// parserFile is a case in cases/parser.json.
type parserFile struct {
	Name, Section, Says string
	Stream              string
	Base64              []byte
	Parts               parts
	Events              []caseEvent
	LastEventID         string `json:"lastEventId"`
	Retry               *int64
	RetryAtLeast        int64
	Comments            []string
	Truncated           bool
}

func (f parserFile) convert() ParserCase {
	c := ParserCase{
		Name: f.Name, Section: f.Section, Says: f.Says,
		Stream:       slices.Concat([]byte(f.Stream), f.Base64, []byte(f.Parts.text())), // exactly one is set
		RetryAtLeast: time.Duration(f.RetryAtLeast) * time.Millisecond,
		Want: Parsed{
			Events: events(f.Events), LastEventID: f.LastEventID, Comments: f.Comments, Truncated: f.Truncated,
			Retried: f.Retry != nil || f.RetryAtLeast > 0,
		},
	}
	if f.Retry != nil {
		c.Want.Retry = time.Duration(*f.Retry) * time.Millisecond
	}
	return c
}

func events(from []caseEvent) []sse.Event {
	var to []sse.Event
	for _, e := range from {
		to = append(to, sse.Event{Type: e.Type, Data: e.Data + e.DataParts.text(), ID: e.ID})
	}
	return to
}

// Check returns an error that lists all differences between got and the wanted result.
func (c ParserCase) Check(got Parsed) error {
	want := c.Want
	if c.RetryAtLeast > 0 && got.Retry >= c.RetryAtLeast {
		want.Retry = got.Retry
	}
	var faults []error
	differ := func(what string, got, want any) {
		faults = append(faults, fmt.Errorf("%s: got %s, want %s", what, brief(got), brief(want)))
	}
	if len(got.Events) != len(want.Events) {
		differ("number of events", len(got.Events), len(want.Events))
	}
	for i := range min(len(got.Events), len(want.Events)) {
		if got.Events[i] != want.Events[i] {
			differ(fmt.Sprintf("event %d", i), got.Events[i], want.Events[i])
		}
	}
	if got.LastEventID != want.LastEventID {
		differ("last event ID", got.LastEventID, want.LastEventID)
	}
	if got.Retry != want.Retry || got.Retried != want.Retried {
		differ("reconnection time", retry(got), retry(want))
	}
	if !slices.Equal(got.Comments, want.Comments) {
		differ("comments", got.Comments, want.Comments)
	}
	if got.Truncated != want.Truncated {
		differ("truncated", got.Truncated, want.Truncated)
	}
	return errors.Join(faults...)
}

func retry(p Parsed) string {
	if !p.Retried {
		return "none"
	}
	return p.Retry.String()
}

// brief formats a value for an error message and shortens it to 300 bytes.
func brief(v any) string {
	var s string
	switch v := v.(type) {
	case sse.Event:
		return fmt.Sprintf("{Type: %s, Data: %s, ID: %s}", brief(v.Type), brief(v.Data), brief(v.ID))
	case int, bool:
		s = fmt.Sprint(v)
	default:
		s = fmt.Sprintf("%q", v)
	}
	if len(s) > 300 {
		return fmt.Sprintf("%s … %s (%d bytes)", s[:140], s[len(s)-140:], len(s))
	}
	return s
}

// TestParser runs each parser case as a subtest. It passes the stream to parse whole, byte by byte, and with every
// second read empty. It also splits the stream in two at every offset, or at some 350 offsets if it is longer than 500
// bytes. parse must read the stream to its end, which is always io.EOF.
func TestParser(t *testing.T, parse func(stream io.Reader) Parsed) {
	for _, c := range ParserCases() {
		t.Run(c.Name, func(t *testing.T) {
			for _, v := range variants(c.Stream) {
				if err := c.Check(parse(v.stream())); err != nil {
					t.Fatalf("%s\n\nsection %s: %s\nstream %s: %s", err, c.Section, c.Says, v.how, brief(string(c.Stream)))
				}
			}
		})
	}
}

// variant is a way to read a stream.
type variant struct {
	how    string
	stream func() io.Reader
}

func variants(stream []byte) []variant {
	all := []variant{
		{"whole", func() io.Reader { return bytes.NewReader(stream) }},
		{"byte by byte", func() io.Reader { return ChopEvery(bytes.NewReader(stream), 1) }},
		{"byte by byte with empty reads", func() io.Reader {
			return Chop(bytes.NewReader(stream), slices.Repeat([]int{0, 1}, len(stream)+1)...)
		}},
	}
	for _, at := range splits(len(stream)) {
		all = append(all, variant{
			fmt.Sprintf("split before byte %d", at),
			func() io.Reader { return Chop(bytes.NewReader(stream), at) },
		})
	}
	return all
}

// splits returns the offsets at which to split a stream of n bytes: all offsets of a short stream. For a long stream it
// returns all offsets near both ends and near powers of two, where buffers end, and a few between: fewer of a very long one.
func splits(n int) []int {
	dense := 100
	if n > 20_000 {
		dense = 20
	}
	var at []int
	for i := 1; i < n; i++ {
		nearPower := (i+1)&i == 0 || i&(i-1) == 0 || (i-1)&(i-2) == 0
		if n <= 5*dense || i <= dense || n-i <= dense || nearPower || i%(n/dense) == 0 {
			at = append(at, i)
		}
	}
	return at
}
