package hub_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// wantClientError fails the test unless an error is a valid problem document with a status of 4xx.
func wantClientError(t *testing.T, err error) {
	t.Helper()
	var doc struct{ Type, Title, Detail string }
	p, ok := errors.AsType[*hub.Problem](err)
	if !ok || p.Status < 400 || p.Status > 499 {
		t.Fatalf("%v is no problem of a request", err)
	}
	text, err := json.Marshal(p)
	if err != nil || len(text) > 4<<10 || json.Unmarshal(text, &doc) != nil || doc.Type == "" || doc.Title == "" || doc.Detail == "" {
		t.Errorf("%.300s (%d bytes), %v", text, len(text), err)
	}
}

// FuzzParameters: parameters that are escaped differently have the same result. Unknown parameters are refused.
func FuzzParameters(f *testing.F) {
	for _, query := range []string{
		"topic=news&topic=a/*&exact=a*b&last=5", "topic=%C3%BC&since=2026-11-22T10:00:00%2B01:00", "since=7d", "since=earliest&last=1",
		"last_event_id=abcde-7&lastEventId=abcde-7", "last_event_id=", "topics=a", "topic=a;b", "topic=%zz", "%74opic=a", "last=-0", "_=%zz", "topic=a&_ts=1", "topic=e%CC%81",
	} {
		f.Add(query)
	}
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, query string) {
		got, err := hub.ParseSubscription(query, now)
		if err != nil {
			wantClientError(t, err)
		}
		values, parseErr := url.ParseQuery(query)
		if parseErr != nil {
			if err == nil {
				t.Errorf("%q cannot be read, and is %+v", query, got)
			}
			return
		}
		again, againErr := hub.ParseSubscription(values.Encode(), now)
		if diff := cmp.Diff(got, again, cmp.Comparer(func(a, b eventlog.Pattern) bool { return a == b })); diff != "" || (err == nil) != (againErr == nil) {
			t.Errorf("%q and %q: %v, %v\n%s", query, values.Encode(), err, againErr, diff)
		}
		if err != nil {
			return
		}
		for name := range values {
			if !slices.Contains([]string{"_", "_t", "_ts", "topic", "exact", "since", "last", "last_event_id", "lastEventId", "lastEventID"}, name) {
				t.Errorf("%q is taken, with the parameter %q", query, name)
			}
		}
		if len(got.Names)+len(got.Patterns) == 0 && len(values["topic"])+len(values["exact"]) > 0 {
			t.Errorf("%q wants everything", query)
		}
	})
}

// FuzzBody: splitting a streamed body into chunks does not change its events. A broken body gives the first of its events, so that each event
// has the same key when the body is sent again. A delivered event can be published again unchanged.
func FuzzBody(f *testing.F) {
	f.Add(false, []byte("{\"data\":\"1\"}\n\n{\"data\":\"ü2\",\"type\":\"t\"}\r\n{\"topics\":[\"a\",\"b\"],\"data\":3}"), 20)
	f.Add(false, []byte("{\"data\":\"AP8=\",\"encoding\":\"base64\",\"end\":true}\n{\"data\":\"\xff\"}\n"), 50)
	f.Add(false, []byte("{\"data\":\"a\\r\\nb\\u0000\",\"key\":\"k\",\"id\":1}\n"+strings.Repeat("[", 100)), 30)
	f.Add(true, []byte("\ufeff: hello\n\ndata: 1\nid: 7\n\nevent: t\r\ndata: ü2\r\n\r\ndata:3\r\r"), 40)
	f.Add(true, []byte("data: x\n\n: \xe2\x82\n\ndata: y\n\n"), 12)
	f.Fuzz(func(t *testing.T, stream bool, text []byte, cut int) {
		const most = 500
		read := func(body io.Reader) ([]hub.Event, string) {
			all, err := hub.ReadBody(body, stream, most, "std")
			if err == nil {
				return all, ""
			}
			wantClientError(t, err)
			return all, err.Error()
		}
		whole, reason := read(bytes.NewReader(text))
		dripped, drippedReason := read(iotest.OneByteReader(bytes.NewReader(text)))
		if diff := cmp.Diff(whole, dripped); diff != "" || reason != drippedReason {
			t.Errorf("%q in single bytes: %q, %q\n%s", text, reason, drippedReason, diff)
		}
		cut = max(0, min(cut, len(text)))
		part, partReason := read(ssetest.ThenFail(bytes.NewReader(text[:cut]), io.ErrUnexpectedEOF))
		if partReason == "" || len(part) > len(whole) || len(part) > 0 && cmp.Diff(whole[:len(part)], part) != "" {
			t.Errorf("%q cut at %d has %+v, %q, and as a whole %+v", text, cut, part, partReason, whole)
		}
		for _, e := range whole {
			roundTrips(t, e)
		}
	})
}

// roundTrips fails the test unless a subscriber that parses an event on the wire gets the same event.
func roundTrips(t *testing.T, e hub.Event) {
	t.Helper()
	line, err := hub.Line(e)
	if err != nil {
		return // the hub refuses the event
	}
	again, err := hub.ReadBody(strings.NewReader(line), false, 1<<20, "other")
	if err != nil || len(again) != 1 {
		t.Fatalf("%+v goes out as %s, and comes in as %+v, %v", e, line, again, err)
	}
	want := hub.Event{Topics: e.Topics, Type: e.Type, Data: e.Data, Binary: e.Binary}
	if want.Type == "" {
		want.Type = "message"
	}
	if !e.Binary {
		want.Data = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(e.Data)
	}
	if diff := cmp.Diff(want, again[0]); diff != "" {
		t.Errorf("%+v goes out as %s:\n%s", e, line, diff)
	}
}
