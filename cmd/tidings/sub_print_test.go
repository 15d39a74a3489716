package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/sse"
)

func read(t *testing.T, stream string) []sse.Event {
	t.Helper()
	var events []sse.Event
	for e, err := range sse.Read(strings.NewReader(stream), nil) {
		if err != nil {
			break // the incomplete event at the end of the stream does not count
		}
		events = append(events, e)
	}
	return events
}

// reprint returns a stream in the output format, and the notes on standard error.
func reprint(t *testing.T, format, stream string) (text string, notes []string) {
	t.Helper()
	var out bytes.Buffer
	p := newPrinter(format, &out, false, func(note string) { notes = append(notes, note) })
	for _, e := range read(t, stream) {
		if err := p.event(message{Event: e}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return out.String(), notes
}

func FuzzRawIsTheSameStream(f *testing.F) {
	f.Add("id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n")
	f.Add("event: x\ndata\rdata\r\n\r\n")
	f.Add("\uFEFFevent: a\x00b\nid: \x01\ndata: \xff\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		want := read(t, stream)
		for i := range want {
			want[i].Type = strings.ReplaceAll(want[i].Type, "\x00", "\uFFFD")
			if _, err := (sse.Event{ID: want[i].ID}).Frame(); err != nil {
				want[i].ID = ""
			}
		}
		text, _ := reprint(t, "raw", stream)
		if diff := cmp.Diff(want, read(t, text)); diff != "" {
			t.Errorf("%q became %q (-want +got):\n%s", stream, text, diff)
		}
	})
}

func TestRawLeavesOutIDsThatNoHeaderCanCarry(t *testing.T) {
	got, notes := reprint(t, "raw", "id: 1\ndata: a\n\nid: \x01\ndata: b\n\ndata: c\n\nid: \x02\ndata: d\n\nid: 2\ndata: e\n\n")
	want := "data: a\nid: 1\n\ndata: b\nid\n\ndata: c\n\ndata: d\nid\n\ndata: e\nid: 2\n\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], `left out the id "\x01" and others like it`) {
		t.Errorf("noted %q, want it said once", notes)
	}
}

func TestNDJSONHoldsEveryEvent(t *testing.T) {
	const stream = "event: <&>\nid: 7\ndata: \"quoted\"\ndata: \u2028\x01\n\n"
	text, _ := reprint(t, "ndjson", stream)
	if strings.Count(text, "\n") != 1 {
		t.Errorf("%q is not one line", text)
	}
	var got struct {
		ID, Type, Data string
		Time           time.Time
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if e := read(t, stream)[0]; got.ID != e.ID || got.Type != e.Type || got.Data != e.Data || got.Time.IsZero() {
		t.Errorf("%s does not hold %+v", text, e)
	}
}

// A reader of the output gets each event before the next one arrives.
func TestEveryFormatWritesAnEventAtOnce(t *testing.T) {
	for _, format := range []string{"pretty", "raw", "ndjson", "data"} {
		var out countingWriter
		p := newPrinter(format, &out, true, nil)
		for n := range 3 {
			if err := p.event(message{Event: sse.Event{Type: "t", ID: "1", Data: "a\nb"}}, time.Now()); err != nil || int(out) != n+1 {
				t.Errorf("%s: %d writes after %d events, error %v", format, out, n+1, err)
			}
		}
	}
}

type countingWriter int

func (w *countingWriter) Write(p []byte) (int, error) {
	*w++
	return len(p), nil
}

// TestDataFormatPrintsNoControlEvents: the JSON of a control event was printed as data.
func TestDataFormatPrintsNoControlEvents(t *testing.T) {
	var out strings.Builder
	var notes []string
	p := newPrinter("data", &out, false, func(note string) { notes = append(notes, note) })
	for _, e := range []sse.Event{
		{Type: "message", Data: "one"}, {Type: "tidings.gap", Data: `{"reason":"trimmed"}`}, {Type: "host", Data: "two"}, {Type: "tidings.end", Data: `{"topic":"news"}`},
	} {
		if err := p.event(message{Event: e}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "one\ntwo\n" || len(notes) != 1 || !strings.Contains(notes[0], "trimmed") {
		t.Errorf("%q, notes %q", out.String(), notes)
	}
}
