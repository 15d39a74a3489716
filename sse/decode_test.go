package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/sse"
)

// outcome is everything that a decoder reports about a stream.
type outcome struct {
	Events      []sse.Event
	LastEventID string
	Comments    []string
	Retry       time.Duration
	Err         string
}

func decode(r io.Reader, maxEvent int) outcome {
	var o outcome
	d := sse.NewDecoder(r, &sse.ReadOptions{
		MaxEvent: maxEvent,
		Comment:  func(text []byte) { o.Comments = append(o.Comments, string(text)) },
	})
	for d.Next() {
		o.Events = append(o.Events, sse.Event{Type: string(d.Type()), Data: string(d.Data()), ID: string(d.ID())})
		if owned := d.Event(); owned != o.Events[len(o.Events)-1] {
			panic(fmt.Sprintf("Event returned %v, the views %v", owned, o.Events[len(o.Events)-1]))
		}
	}
	o.LastEventID = string(d.ID())
	o.Retry, _ = d.Retry()
	if d.Err() != nil {
		o.Err = d.Err().Error()
	}
	return o
}

// chunks is a reader that returns one chunk of a stream per Read.
type chunks [][]byte

func (c *chunks) Read(p []byte) (int, error) {
	if len(*c) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*c)[0])
	if (*c)[0] = (*c)[0][n:]; len((*c)[0]) == 0 {
		*c = (*c)[1:]
	}
	return n, nil
}

// TestLoneCRCompletesAnEventAtOnce reads from a connection that is silent after each CR. A decoder that waits for a
// possible LF would never deliver the event.
func TestLoneCRCompletesAnEventAtOnce(t *testing.T) {
	for _, stream := range []string{"data: x\r\r", "data: x\n\r", "data: x\r\n\r", "id: 1\r\rdata: x\r\r"} {
		t.Run(fmt.Sprintf("%q", stream), func(t *testing.T) {
			silent := errors.New("the decoder wanted more")
			d := sse.NewDecoder(io.MultiReader(strings.NewReader(stream), iotest.ErrReader(silent)), nil)
			if !d.Next() || string(d.Data()) != "x" {
				t.Fatalf("no event: %v", d.Err())
			}
			if d.Next() || !errors.Is(d.Err(), silent) {
				t.Errorf("then %q, %v; want the reader's error", d.Data(), d.Err())
			}
		})
	}
}

func TestEventLargerThanTheLimitIsRefused(t *testing.T) {
	tests := []struct {
		name, stream string
		fits         bool
	}{
		{"data of the limit", "data: 0123456789\n\n", true},
		{"data beyond it", "data: 0123456789x\n\n", false},
		{"joined data of the limit", "data: 01234\ndata: 6789\n\n", true},
		{"joined data beyond it", "data: 01234\ndata: 56789\n\n", false},
		{"empty lines of the limit", "data\n" + strings.Repeat("data:\n", 10) + "\n", true},
		{"empty lines beyond it", "data\n" + strings.Repeat("data:\n", 11) + "\n", false},
		{"type beyond it", "event: 0123456789x\ndata: 1\n\n", false},
		{"id beyond it", "id:0123456789x\ndata: 1\n\n", false},
		{"retry beyond it", "retry:01234567890\n\n", false},
		{"long unknown field", "unknown: 0123456789x\ndata: 1\n\n", true},
		{"long comment", ":0123456789012345678901234567890\ndata: 1\n\n", true},
		{"endless line", "data: " + strings.Repeat("x", 20000), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stream := "data: first\n\n" + test.stream
			want := decode(strings.NewReader(stream), 10)
			if got := want.Err == ""; got != test.fits {
				t.Errorf("decoding gave %q", want.Err)
			}
			if diff := cmp.Diff(want, decode(iotest.OneByteReader(strings.NewReader(stream)), 10)); diff != "" {
				t.Errorf("byte by byte it differs: %s", diff)
			}
			d := sse.NewDecoder(strings.NewReader(stream), &sse.ReadOptions{MaxEvent: 10})
			for d.Next() {
			}
			if large, ok := errors.AsType[*sse.TooLargeError](d.Err()); ok != !test.fits || ok && (large.Limit != 10 || large.Offset != 13) {
				t.Errorf("the error is %#v", d.Err())
			}
		})
	}
}

func TestNegativeLimitAcceptsAnySize(t *testing.T) {
	data := strings.Repeat("x", sse.DefaultMaxEvent+1)
	stream := "data: " + data + "\n\n"
	if got := decode(strings.NewReader(stream), 0); !strings.Contains(got.Err, "larger than 16777216 bytes") {
		t.Errorf("the default limit gave %q", got.Err)
	}
	if got := decode(strings.NewReader(stream), -1); got.Err != "" || len(got.Events) != 1 || got.Events[0].Data != data {
		t.Errorf("without a limit there are %d events and %q", len(got.Events), got.Err)
	}
}

// TestEndlessCommentsAndUnknownFieldsNeedNoMemory: the standard ignores both. A server could fill a client's memory
// with a line that never ends.
func TestEndlessCommentsAndUnknownFieldsNeedNoMemory(t *testing.T) {
	for _, start := range []string{":", "unknown: ", "datum", "data\xff", "\x00"} {
		t.Run(start, func(t *testing.T) {
			d := sse.NewDecoder(io.MultiReader(
				strings.NewReader("data: a\n"+start),
				io.LimitReader(endless('x'), 64<<20),
				strings.NewReader("\rdata: b\n\n"),
			), &sse.ReadOptions{MaxEvent: 100})
			if !d.Next() || string(d.Data()) != "a\nb" {
				t.Errorf("got %.100q, %v", d.Data(), d.Err())
			}
			if d.BufferSize() > 128<<10 {
				t.Errorf("the buffer grew to %d bytes", d.BufferSize())
			}
		})
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestLongCommentIsTruncatedForTheCallback(t *testing.T) {
	stream := ": " + strings.Repeat("é", 100) + "\n:\n:x\ndata: 1\n\n"
	want := []string{strings.Repeat("é", 5) + "\uFFFD", "", "x"}
	for _, r := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream))} {
		if got := decode(r, 11); !cmp.Equal(got.Comments, want) || len(got.Events) != 1 {
			t.Errorf("the comments are %q, want %q; events %v", got.Comments, want, got.Events)
		}
	}
}

// TestPathologicalStreamsAreReadInLinearTime reads 1 MiB byte by byte. A decoder that scans bytes again would run for
// so long that the test times out.
func TestPathologicalStreamsAreReadInLinearTime(t *testing.T) {
	const size = 1 << 20
	streams := map[string]string{
		"one line":           "data: " + strings.Repeat("x", size) + "\n\n",
		"lines of one event": strings.Repeat("data\n", size/5) + "\n",
		"CR only":            strings.Repeat("data\r", size/5) + "\r",
		"CRLF":               strings.Repeat("data\r\n", size/6) + "\r\n",
		"CR before much LF":  "data: x\r" + strings.Repeat("\n", size),
		"LF before much CR":  "data: x\n" + strings.Repeat("\r", size),
		"blank lines":        strings.Repeat("\r\n", size/2),
		"invalid UTF-8":      "data: " + strings.Repeat("\xe2\x82", size/2) + "\n\n",
		"types":              strings.Repeat("event: "+strings.Repeat("t", 100)+"\n", size/108) + "data: x\n\n",
		"comments in event":  "data: x\n" + strings.Repeat(":\n", size/2) + "\n",
		"unknown field":      "x" + strings.Repeat("data:", size/5),
		"beginning of names": strings.Repeat("dat\nevent\ni\nretr\n", size/16),
	}
	for name, stream := range streams {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := decode(strings.NewReader(stream), 0)
			got := decode(iotest.OneByteReader(strings.NewReader(stream)), 0)
			if len(got.Events) != len(want.Events) || got.Err != want.Err {
				t.Errorf("byte by byte: %d events and %q; whole: %d and %q", len(got.Events), got.Err, len(want.Events), want.Err)
			}
		})
	}
}

func TestViewsAllocateNothing(t *testing.T) {
	stream := []byte(strings.Repeat("event: add\nid: 17\ndata: line one\ndata: line two\n\n: ping\n\nid: 18\ndata: äöü \xff\n\n", 1000))
	r := bytes.NewReader(nil)
	d := sse.NewDecoder(r, nil)
	events := 0
	if n := testing.AllocsPerRun(10, func() {
		r.Reset(stream)
		d.Reset(r)
		for events = 0; d.Next(); events++ {
		}
	}); n != 0 || events != 2000 {
		t.Errorf("reading %d events allocates %v times", events, n)
	}
}

func TestOwnedStringsAllocateOnceAnEvent(t *testing.T) {
	var stream bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&stream, "event: type-%d\nid: %d\ndata: number %d\n\n", i%7, i, i)
	}
	r := bytes.NewReader(nil)
	d := sse.NewDecoder(r, nil)
	if n := testing.AllocsPerRun(10, func() {
		r.Reset(stream.Bytes())
		d.Reset(r)
		for d.Next() {
			_ = d.Event()
		}
	}); n > 1010 {
		t.Errorf("1000 events allocate %v times", n)
	}
}

func TestBufferShrinksAfterALargeEvent(t *testing.T) {
	large := "data: " + strings.Repeat("x", 8<<20) + "\n\n"
	parts := chunks{[]byte(large)}
	for range 2000 {
		parts = append(parts, []byte("data: small\n\n"))
	}
	d := sse.NewDecoder(&parts, nil)
	if !d.Next() || d.BufferSize() < 8<<20 {
		t.Fatalf("with the large event the buffer has %d bytes, %v", d.BufferSize(), d.Err())
	}
	for d.Next() {
	}
	if d.BufferSize() > 64<<10 {
		t.Errorf("after 2000 small events the buffer still has %d bytes", d.BufferSize())
	}
}

func TestErrSaysHowTheStreamEnded(t *testing.T) {
	broken := errors.New("broken")
	t.Run("inside an event", func(t *testing.T) {
		d := sse.NewDecoder(strings.NewReader("data: 1\n\nid: 2\ndata: 2\n"), nil)
		for d.Next() {
		}
		cut, ok := errors.AsType[*sse.TruncatedError](d.Err())
		if !ok || cut.Offset != 9 || !errors.Is(d.Err(), sse.ErrTruncated) {
			t.Errorf("the error is %v", d.Err())
		}
		if string(d.ID()) != "" {
			t.Errorf("the discarded event set the id to %q", d.ID())
		}
	})
	t.Run("by the reader", func(t *testing.T) {
		d := sse.NewDecoder(io.MultiReader(strings.NewReader("data: 1\n\ndata: 2"), iotest.ErrReader(broken)), nil)
		if !d.Next() || d.Next() || !errors.Is(d.Err(), broken) {
			t.Errorf("the error is %v", d.Err())
		}
		if d.Next() {
			t.Error("there is an event after the error")
		}
	})
	t.Run("by a reader that returns data with its error", func(t *testing.T) {
		d := sse.NewDecoder(iotest.DataErrReader(strings.NewReader("data: 1\n\n")), nil)
		if !d.Next() || d.Next() || d.Err() != nil {
			t.Errorf("the error is %v", d.Err())
		}
	})
	t.Run("by a reader that returns nothing", func(t *testing.T) {
		d := sse.NewDecoder(readerFunc(func([]byte) (int, error) { return 0, nil }), nil)
		if d.Next() || !errors.Is(d.Err(), io.ErrNoProgress) {
			t.Errorf("the error is %v", d.Err())
		}
	})
	t.Run("by a reader that returns an impossible count", func(t *testing.T) {
		d := sse.NewDecoder(readerFunc(func(p []byte) (int, error) { return len(p) + 1, nil }), nil)
		if d.Next() || d.Err() == nil {
			t.Errorf("the error is %v", d.Err())
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestHugeRetryBecomesTheLargestDuration(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"0":                      0,
		"1500":                   1500 * time.Millisecond,
		"9223372036854":          9223372036854 * time.Millisecond,
		"9223372036855":          math.MaxInt64,
		"99999999999999999999":   math.MaxInt64,
		strings.Repeat("9", 999): math.MaxInt64,
	} {
		d := sse.NewDecoder(strings.NewReader("retry: "+value+"\n"), nil)
		if d.Next() || d.Err() != nil {
			t.Errorf("retry %.30s: an event, or %v", value, d.Err())
		}
		if got, ok := d.Retry(); !ok || got != want {
			t.Errorf("retry %.30s gave %v, %v; want %v", value, got, ok, want)
		}
	}
}

func TestReadYieldsItsEventsOnce(t *testing.T) {
	events := sse.Read(strings.NewReader("data: 1\n\ndata: 2\n\n"), nil)
	for event, err := range events {
		if err != nil || event.Data != "1" {
			t.Errorf("first range: %v, %v", event, err)
		}
		break
	}
	for event, err := range events {
		if !errors.Is(err, sse.ErrUsed) {
			t.Errorf("second range: %v, %v; want ErrUsed", event, err)
		}
	}
}
