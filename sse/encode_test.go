package sse_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/sse"
)

func TestEventOnTheWire(t *testing.T) {
	tests := []struct {
		name  string
		event sse.Event
		want  string
	}{
		{"zero", sse.Event{}, "data:\n\n"},
		{"data", sse.Event{Data: "hello"}, "data: hello\n\n"},
		{"leading space survives", sse.Event{Data: " hello"}, "data:  hello\n\n"},
		{"all fields", sse.Event{Type: "add", ID: "7", Retry: 1500 * time.Millisecond, Data: "x"}, "event: add\nretry: 1500\ndata: x\nid: 7\n\n"},
		{"default type is no field", sse.Event{Type: "message", Data: "x"}, "data: x\n\n"},
		{"retry rounds up", sse.Event{Retry: time.Microsecond}, "retry: 1\ndata:\n\n"},
		{"reset id", sse.Event{ResetID: true, Data: "x"}, "data: x\nid\n\n"},
		{"id wins over reset", sse.Event{ID: "1", ResetID: true, Data: "x"}, "data: x\nid: 1\n\n"},
		{"LF", sse.Event{Data: "a\nb"}, "data: a\ndata: b\n\n"},
		{"CR", sse.Event{Data: "a\rb"}, "data: a\ndata: b\n\n"},
		{"CRLF is one line end", sse.Event{Data: "a\r\nb"}, "data: a\ndata: b\n\n"},
		{"LF CR are two", sse.Event{Data: "a\n\rb"}, "data: a\ndata:\ndata: b\n\n"},
		{"CR CRLF are two", sse.Event{Data: "a\r\r\nb"}, "data: a\ndata:\ndata: b\n\n"},
		{"only line ends", sse.Event{Data: "\n\n"}, "data:\ndata:\ndata:\n\n"},
		{"last CR", sse.Event{Data: "a\r"}, "data: a\ndata:\n\n"},
		{"NUL in data", sse.Event{Data: "a\x00b"}, "data: a\x00b\n\n"},
		{"tab inside an id", sse.Event{ID: "a\tb", Data: "x"}, "data: x\nid: a\tb\n\n"},
		{"id beyond ASCII", sse.Event{ID: "näch-ste", Data: "x"}, "data: x\nid: näch-ste\n\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.event.AppendTo([]byte("before\n\n"))
			if err != nil || string(got) != "before\n\n"+test.want {
				t.Errorf("AppendTo gave %q, %v; want %q", got, err, "before\n\n"+test.want)
			}
			frame, err := test.event.Frame()
			if err != nil || frame.String() != test.want || frame.Len() != len(test.want) {
				t.Errorf("Frame gave %q, %v; want %q", frame, err, test.want)
			}
		})
	}
}

func TestUnsendableFieldIsRefused(t *testing.T) {
	tests := []struct {
		name   string
		event  sse.Event
		field  string
		offset int
	}{
		{"LF in type", sse.Event{Type: "a\ndata: forged"}, "event", 1},
		{"CR in type", sse.Event{Type: "\rx"}, "event", 0},
		{"NUL in type", sse.Event{Type: "ab\x00"}, "event", 2},
		{"LF in id", sse.Event{ID: "1\n2"}, "id", 1},
		{"CR in id", sse.Event{ID: "1\r"}, "id", 1},
		{"NUL in id", sse.Event{ID: "\x00"}, "id", 0},
		{"escape in id", sse.Event{ID: "1\x1b"}, "id", 1},
		{"delete in id", sse.Event{ID: "12\x7f"}, "id", 2},
		{"space before id", sse.Event{ID: " 1"}, "id", 0},
		{"tab after id", sse.Event{ID: "1\t"}, "id", 1},
		{"negative retry", sse.Event{Retry: -time.Second}, "retry", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.event.AppendTo([]byte("kept"))
			refusal, ok := errors.AsType[*sse.FieldError](err)
			if !ok || refusal.Field != test.field || refusal.Offset != test.offset {
				t.Errorf("AppendTo gave error %v; want one about byte %d of %s", err, test.offset, test.field)
			}
			if string(got) != "kept" {
				t.Errorf("a refused event changed the buffer to %q", got)
			}
			if frame, err := test.event.Frame(); err == nil || frame.Len() != 0 {
				t.Errorf("Frame gave %q, %v; want an error", frame, err)
			}
		})
	}
}

func TestCommentAndRetryDispatchNothing(t *testing.T) {
	b := sse.AppendComment(nil, "one\ntwo\r\n\rdata: forged")
	b = sse.AppendRetry(b, 2*time.Second)
	b = sse.AppendRetry(b, -time.Second)
	want := ": one\n: two\n:\n: data: forged\nretry: 2000\nretry: 0\n"
	if string(b) != want {
		t.Errorf("got %q, want %q", b, want)
	}
	for event, err := range sse.Read(bytes.NewReader(b), nil) {
		t.Errorf("got %v, %v; want nothing", event, err)
	}
}

// TestRetryLineCountsWithoutAnEvent: readers apply a retry line even if the connection breaks before the next event.
func TestRetryLineCountsWithoutAnEvent(t *testing.T) {
	d := sse.NewDecoder(bytes.NewReader(sse.AppendRetry(nil, 7*time.Second)), nil)
	if d.Next() {
		t.Errorf("got %v, want nothing", d.Event())
	}
	if wait, ok := d.Retry(); !ok || wait != 7*time.Second {
		t.Errorf("the reconnection time is %v, %v", wait, ok)
	}
}

func TestFrameIsSharedAndImmutable(t *testing.T) {
	frame, err := sse.Event{ID: "1", Data: "x"}.Frame()
	if err != nil {
		t.Fatal(err)
	}
	appended := frame.AppendTo([]byte("> "))
	appended[2] = '!'
	var out strings.Builder
	if n, err := frame.WriteTo(&out); err != nil || n != int64(frame.Len()) {
		t.Errorf("WriteTo gave %d, %v; want %d", n, err, frame.Len())
	}
	if out.String() != "data: x\nid: 1\n\n" {
		t.Errorf("the frame became %q", out.String())
	}
	var zero sse.Frame
	if zero.Len() != 0 || zero.String() != "" {
		t.Errorf("the zero frame is %q", zero)
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	event := sse.Event{Type: "add", ID: "k3f9a-10482", Data: "line one\nline two", Retry: time.Second}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf, _ = event.AppendTo(buf[:0]) }); n != 0 {
		t.Errorf("encoding allocates %v times", n)
	}
}

func TestNormalIsWhatADecoderReads(t *testing.T) {
	got := sse.Event{Data: "a\r\nb\rc\xff\xe2\x82\xff", ID: "\xc3", Retry: time.Second, ResetID: true}.Normal()
	want := sse.Event{Type: "message", Data: "a\nb\nc\uFFFD\uFFFD\uFFFD", ID: "\uFFFD"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
