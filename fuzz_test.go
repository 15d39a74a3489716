package tidings_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/sse"
)

// FuzzEvent: an event that is written as a line is read as the same event.
func FuzzEvent(f *testing.F) {
	f.Add("a", "b", "added", "k", []byte("x\ny"), false, true)
	f.Add("<&>\u2028", "", "", "", []byte{0, 0xFF}, true, false)
	f.Fuzz(func(t *testing.T, topic, other, typ, key string, data []byte, binary, end bool) {
		want := tidings.Event{Topic: topic, Type: typ, Key: key, Data: data, Binary: binary, End: end}
		if other != "" && other != topic && topic != "" {
			want.Topic, want.Topics = "", []string{topic, other}
		}
		for _, text := range []string{topic, other, typ, key} {
			if !utf8.ValidString(text) {
				return
			}
		}
		if topic == "" || !binary && !utf8.Valid(data) {
			return
		}
		line := want.Line()
		if bytes.Count(line, []byte("\n")) != 1 {
			t.Errorf("%q is not one line", line)
		}
		got, err := read(bytes.NewReader(line))
		if err != nil || len(got) != 1 {
			t.Fatalf("%s gave %v, %v", line, got, err)
		}
		if !bytes.Equal(got[0].Data, want.Data) {
			t.Errorf("%q became %q", want.Data, got[0].Data)
		}
		got[0].Data, want.Data = nil, nil
		if diff := cmp.Diff(want, got[0]); diff != "" {
			t.Error(diff)
		}
	})
}

// FuzzReadEvents: an event that was read can be written, and is then read as the same event.
func FuzzReadEvents(f *testing.F) {
	f.Add([]byte(`{"topic":"a","data":{"n": 1.50}}`))
	f.Add([]byte(`{"topics":["a","b"],"type":"added","key":"k","data":"AP8N","encoding":"base64","end":true}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for e, err := range tidings.ReadEvents(bytes.NewReader(text)) {
			if err != nil {
				return
			}
			if !e.Binary && !utf8.Valid(e.Data) {
				return // JSON accepts invalid UTF-8, a publisher does not
			}
			again, err := read(bytes.NewReader(e.Line()))
			if err != nil || len(again) != 1 || !bytes.Equal(again[0].Data, e.Data) || again[0].Type != e.Type || again[0].Binary != e.Binary {
				t.Errorf("%+v became %+v, %v", e, again, err)
			}
		}
	})
}

// FuzzEnvelope: an envelope gives a complete event or an error.
func FuzzEnvelope(f *testing.F) {
	f.Add("abcde-1", `{"id":"abcde-1","topic":"a","topics":["a","b"],"type":"added","time":"2026-11-22T10:00:00.123Z","data":"x\ny","encoding":"utf-8"}`)
	f.Add("abcde-2", `{"id":"abcde-2","topics":["a"],"data":"AP8N","encoding":"base64"}`)
	f.Add("", `null`)
	f.Fuzz(func(t *testing.T, id, text string) {
		e, err := tidings.ParseEnvelope(sse.Event{ID: id, Data: text})
		if err != nil {
			if e.Data != nil || !strings.Contains(err.Error(), "not that of a hub") {
				t.Errorf("%+v, %v", e, err)
			}
			return
		}
		if e.ID != id || id == "" || e.Topic == "" || len(e.Topics) == 0 || e.Type == "" || !e.Binary && !utf8.Valid(e.Data) {
			t.Errorf("%s gave %+v", text, e)
		}
	})
}

// FuzzProblem: a document never changes the status, and members of the wrong type are ignored (RFC 9457, section 3.1).
func FuzzProblem(f *testing.F) {
	f.Add(409, "application/problem+json", "", []byte(`{"type":"urn:tidings:problem:ended","title":"x","status":409,"detail":"y","stored":3,"last":"abcde-3","topic":"a"}`))
	f.Add(503, "application/problem+json; charset=utf-8", "7", []byte(`{"type":1,"stored":"x","status":[],"last":null}`))
	f.Add(502, "text/plain", "Sun, 06 Nov 1994 08:49:37 GMT", []byte("Bad gateway\n"))
	f.Fuzz(func(t *testing.T, status int, kind, after string, body []byte) {
		p := tidings.ProblemOf(status, http.Header{"Content-Type": {kind}, "Retry-After": {after}}, body)
		if p.Status != status || p.RetryAfter < 0 || p.Stored < 0 || p.Error() == "" || strings.ContainsAny(p.Name(), "/:#") {
			t.Errorf("%+v", p)
		}
		for _, err := range []error{tidings.ErrUnauthorized, tidings.ErrForbidden} {
			if errors.Is(p, err) && status != http.StatusUnauthorized && status != http.StatusForbidden &&
				!slices.Contains([]string{"unauthorized", "forbidden"}, p.Name()) {
				t.Errorf("%+v is %v", p, err)
			}
		}
		for name, raw := range p.Members {
			if !json.Valid(raw) {
				t.Errorf("the member %q is %q", name, raw)
			}
		}
	})
}

func TestProblemKeepsUnknownMembers(t *testing.T) {
	p := tidings.ProblemOf(409, http.Header{"Content-Type": {"application/problem+json"}},
		[]byte(`{"type":"https://tidings.dev/problems/ended","status":"four","detail":"no","stored":3,"last":"abcde-3","topic":"a"}`))
	want := &tidings.Problem{
		Type: "https://tidings.dev/problems/ended", Title: "Conflict", Status: 409, Detail: "no", Stored: 3, Last: "abcde-3",
		Members: map[string]json.RawMessage{"topic": json.RawMessage(`"a"`), "status": json.RawMessage(`"four"`)},
	}
	if diff := cmp.Diff(want, p); diff != "" || !errors.Is(p, tidings.ErrEnded) {
		t.Error(diff)
	}
	if blank := (&tidings.Problem{Type: "about:blank", Status: 409}); blank.Name() != "" || !errors.Is(blank, tidings.ErrEnded) {
		t.Error(blank)
	}
}
