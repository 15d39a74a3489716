package sse_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/internal/blockcheck"
	"github.com/tidings-sse/tidings/sse"
)

// FuzzDecodingIsIndependentOfTheSplitting also compares the decoder with reference, a literal reading of the standard.
func FuzzDecodingIsIndependentOfTheSplitting(f *testing.F) {
	for _, stream := range []string{
		"\uFEFFdata: 1\n\n", "data\r\rdata\n\ndata\r\n\r\n", "id: 1\nevent: x\nretry: 12\ndata:  a\ndata:b\n\n: c\n\nid\ndata\n\n",
		"data: \xe2\x82\n\n", "dat", "id: 1\x00\ndata: 2\n\n", ":\r\n:x\rdata", "x: y\ndata: z\n\n\n",
	} {
		f.Add([]byte(stream), uint64(1), uint16(0))
		f.Add([]byte(stream), uint64(2), uint16(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, limit uint16) {
		whole := decode(bytes.NewReader(stream), int(limit))
		if diff := differ(whole, decode(split(stream, seed), int(limit))); diff != "" {
			t.Errorf("splitting by seed %d changes the outcome of %q:\n%s", seed, stream, diff)
		}
		if limit != 0 {
			return
		}
		events, id, truncated := reference(stream)
		if diff := differ(events, whole.Events); diff != "" || id != whole.LastEventID || truncated != (whole.Err != "") {
			t.Errorf("%q: by the standard last id %q, truncated %v; got %q, %q\n%s", stream, id, truncated, whole.LastEventID, whole.Err, diff)
		}
	})
}

// differ returns how two values differ, "" if they are equal, which nearly all are. For those, cmp.Diff takes twice the time of all the
// rest of an input.
func differ(x, y any) string {
	if reflect.DeepEqual(x, y) {
		return ""
	}
	return cmp.Diff(x, y)
}

// split splits a stream at random places. Some chunks are empty.
func split(stream []byte, seed uint64) *chunks {
	random := rand.New(rand.NewPCG(seed, 0))
	var c chunks
	for len(stream) > 0 {
		n := min(random.IntN(1+random.IntN(16)), len(stream))
		c = append(c, stream[:n])
		stream = stream[n:]
	}
	return &c
}

// FuzzAFreshDecoderGivesNormal also checks that no event can forge a field or another event: the event after it must be
// decoded as it was sent.
func FuzzAFreshDecoderGivesNormal(f *testing.F) {
	f.Add("", "", "", false)
	f.Add("add", "a\r\nb\n\rc\x00", "17", false)
	f.Add("x\ndata: forged", "\n\ndata: forged", "1\r2", true)
	f.Add("\xff", "\xe2\x82", "\uFEFF", false)
	f.Fuzz(func(t *testing.T, typ, data, id string, reset bool) {
		event := sse.Event{Type: typ, Data: data, ID: id, ResetID: reset}
		b, err := event.AppendTo(nil)
		if err != nil {
			if _, ok := errors.AsType[*sse.FieldError](err); !ok || len(b) != 0 {
				t.Fatalf("%#v gave %q and %v", event, b, err)
			}
			if !strings.ContainsAny(typ, "\r\n\x00") && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
				t.Fatalf("%#v was refused: %v", event, err)
			}
			return
		}
		after := sse.Event{Type: "after", Data: "after", ID: "after"}
		if b, err = after.AppendTo(b); err != nil {
			t.Fatal(err)
		}
		if diff := differ([]sse.Event{event.Normal(), after}, decode(bytes.NewReader(b), 0).Events); diff != "" {
			t.Errorf("%#v was sent as %q and decoded differently:\n%s", event, b, diff)
		}
	})
}

// FuzzEveryBlockHasData encodes events, comments and retry lines in any order. Blank lines must only end events,
// comments must only stand between events, and the id field must come last. A client that dispatches a message at every
// blank line must then see exactly the events.
func FuzzEveryBlockHasData(f *testing.F) {
	f.Add([]byte("erc"), "add", "a\r\n\n\rb", "17", int64(2386))
	f.Add([]byte("crrec"), "", "", "", int64(0))
	f.Add([]byte("eeecefrf"), "x", "\n\n", "1\r2", int64(-1))
	f.Add([]byte("re"), "message", ":\n\nretry: 1", "\xff", int64(1)<<62)
	f.Fuzz(func(t *testing.T, calls []byte, typ, text, id string, wait int64) {
		var b []byte
		events := 0
		event := sse.Event{Type: typ, Data: text, ID: id, Retry: time.Duration(wait), ResetID: wait%2 == 0}
		if strings.HasPrefix(typ, "tidings.") {
			return // blockcheck requires JSON as the data of a hub's control event
		}
		for _, call := range calls {
			var err error
			switch call {
			case 'e':
				b, err = event.AppendTo(b)
			case 'f':
				var frame sse.Frame
				frame, err = event.Frame()
				b = frame.AppendTo(b)
			case 'r':
				b = sse.AppendRetry(b, time.Duration(wait))
				continue
			default:
				b = sse.AppendComment(b, text)
				continue
			}
			if err == nil {
				events++
			}
		}
		if err := blockcheck.Check(b); err != nil {
			t.Errorf("%s of %#v: %v", calls, event, err)
		}
		dispatched := 0
		client := blockcheck.Hasty{}
		if err := client.Read(bytes.NewReader(b), func(m blockcheck.Message) { dispatched++ }); err != nil || dispatched != events {
			t.Errorf("%q has %d events, and a hasty client dispatches %d, %v", b, events, dispatched, err)
		}
	})
}

func FuzzJSONNeverPanics(f *testing.F) {
	f.Add("data: {\"a\":1}\n\ndata: [DONE]\n\n", "[DONE]", "stop")
	f.Fuzz(func(t *testing.T, stream, done, doneType string) {
		isDone, isType := sse.WithData(done), sse.OfType(doneType)
		options := &sse.JSONOptions{Error: sse.ErrorMember, Done: func(e sse.Event) bool { return isDone(e) || isType(e) }}
		var last error
		for _, err := range sse.JSON[map[string]any](sse.Read(strings.NewReader(stream), nil), options) {
			if last != nil {
				t.Fatal("there is more after the error")
			}
			last = err
		}
	})
}
