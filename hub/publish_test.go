package hub_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
)

// TestTheBodyIsTheData: also with the content type of a form, which curl sends by default.
func TestTheBodyIsTheData(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		var want []string
		for _, kind := range []string{
			"", "application/x-www-form-urlencoded", "text/plain", "text/html; charset=utf-8", "application/json", "application/ld+json",
			"application/xml", "image/svg+xml", "TEXT/Plain",
		} {
			body := "a=b&c=d %20 ü " + kind
			a := s.send(request{method: http.MethodPost, path: "/events/news?type=note", body: body, header: map[string]string{"Content-Type": kind}})
			if a.status != http.StatusOK {
				s.Errorf("%q: %d %s", kind, a.status, a.body)
			}
			want = append(want, strings.TrimSpace("news note "+body))
		}
		if a := s.send(request{method: http.MethodPut, path: "/events/news", body: "put"}); a.status != http.StatusOK {
			s.Errorf("PUT: %+v", a)
		}
		wantEvents(s.T, s.log, append(want, "news put")...)
	})
}

// TestBytesAreDeliveredAsBase64: the envelope names the encoding.
func TestBytesAreDeliveredAsBase64(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		const bytes = "\x00\xff\r\n\x80"
		encoded := base64.StdEncoding.EncodeToString([]byte(bytes))
		plain, enveloped := s.follow("/events/b", nil), s.follow("/events/b?format=envelope", nil)
		for _, r := range []request{
			{body: bytes, header: map[string]string{"Content-Type": "image/png"}, path: "/events/b"},
			{body: encoded + "\n", path: "/events/b?encoding=base64"},
			{body: `{"data":"` + encoded + `","encoding":"base64"}`, header: map[string]string{"Content-Type": "application/x-ndjson"}, path: "/events/b"},
		} {
			if a := s.send(r); a.status != http.StatusOK {
				s.Fatalf("%+v: %+v", r, a)
			}
			plain.want(encoded)
			e := enveloped.next()
			for e.Type == "tidings.checkpoint" {
				e = enveloped.next()
			}
			var got wire.Envelope
			if err := json.Unmarshal([]byte(e.Data), &got); err != nil || got.Data != encoded || got.Encoding != "base64" || got.ID != e.ID {
				s.Errorf("the envelope is %s (%v)", e.Data, err)
			}
		}
	})
}

// TestEnvelopeHasAllMembers in an event stream and in NDJSON.
func TestEnvelopeHasAllMembers(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		if a := s.send(request{path: "/events?topic=a&topic=b&type=note", body: "<x>\n\"y\"", method: http.MethodPost}); a.status != http.StatusOK {
			s.Fatal(a)
		}
		id := s.log.Head().String()
		check := func(text string) {
			s.Helper()
			var got wire.Envelope
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				s.Fatal(err)
			}
			if got.ID != id || got.Topic != "a" || fmt.Sprint(got.Topics) != "[a b]" || got.Type != "note" || got.Data != "<x>\n\"y\"" ||
				got.Encoding != "utf-8" || got.Time.IsZero() {
				s.Errorf("the envelope is %s", text)
			}
		}
		e := s.follow("/events/a?format=envelope&last=1", nil)
		got := e.next()
		for got.Type == "tidings.checkpoint" {
			got = e.next()
		}
		if check(got.Data); got.Type != "note" || got.ID != id {
			s.Errorf("the event is %+v", got)
		}
		a := s.send(request{path: "/events/a?poll=1", header: map[string]string{"Accept": "text/html, application/x-ndjson;q=1"}})
		lines := strings.Split(strings.TrimSpace(a.body), "\n")
		if len(lines) != 2 || a.header.Get("Content-Type") != "application/x-ndjson" {
			s.Fatalf("the poll gives %+v", a)
		}
		check(lines[1])
		if !strings.Contains(lines[0], `"type":"tidings.checkpoint"`) {
			s.Errorf("the first line is %s", lines[0])
		}
	})
}

// TestNDJSONFromAPollCanBePublishedAgain after removing control events.
func TestNDJSONFromAPollCanBePublishedAgain(t *testing.T) {
	t.Parallel()
	from := serve(t, mustMemory(t, nil), nil, transports[0])
	to := serve(t, mustMemory(t, nil), nil, transports[0])
	from.hubPublish(
		hub.Event{Topics: []string{"a", "b"}, Type: "note", Data: "1\n2"},
		hub.Event{Topics: []string{"c"}, Data: "\xff\x00", Binary: true})
	a := from.send(request{path: "/events?poll=1", header: map[string]string{"Accept": "application/x-ndjson"}})
	_, body, _ := strings.Cut(a.body, "\n") // the checkpoint
	ndjson := map[string]string{"Content-Type": "application/x-ndjson"}
	if a := to.send(request{path: "/events", body: body, header: ndjson}); a.status != http.StatusOK {
		t.Fatal(a)
	}
	wantEvents(t, to.log, events(t, from.log)...)
}

func TestEachLineOfNDJSONIsAnEvent(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		body := `{"data":"plain"}
{"data":{"a": [1, "ü"]},"type":"json"}

{"topic":"other","data":null}
{"topics":["x","y"],"data":"two","id":"ignored-1","time":"2026-01-01T00:00:00Z"}
{"topic":"y","topics":["x","y"],"data":1.50}
  {"data":"last line has no end","end":true}`
		a := s.send(request{path: "/events/news?type=std", body: body, header: map[string]string{"Content-Type": "application/x-ndjson"}})
		var got struct {
			First, Last string
			Count       int
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || got.Count != 6 || got.Last != s.log.Head().String() {
			s.Fatalf("%+v", a)
		}
		wantEvents(s.T, s.log, "news std plain", `news json {"a": [1, "ü"]}`, "other std null", "x,y std two", "y,x std 1.50",
			"news std last line has no end (end)")
	})
}

// TestStreamedBodyIsPublishedAsItArrives: each event is delivered before the next is sent.
func TestStreamedBodyIsPublishedAsItArrives(t *testing.T) {
	t.Parallel()
	for kind, format := range map[string]string{
		"text/event-stream":    "id: 7\nretry: 1\nevent: token\ndata: %d\n\n",
		"application/x-ndjson": "{\"type\":\"token\",\"data\":\"%d\"}\n",
	} {
		each(t, nil, func(s *site) {
			f := s.follow("/events/reply", nil)
			r, w := io.Pipe()
			answered := s.sending(request{path: "/events/reply?end=1", reader: r, header: map[string]string{"Content-Type": kind}})
			for i := range 5 {
				if _, err := fmt.Fprintf(w, format, i); err != nil {
					s.Fatal(err)
				}
				f.want(fmt.Sprintf("token:%d", i))
			}
			if err := w.Close(); err != nil {
				s.Fatal(err)
			}
			if a := <-answered; a.status != http.StatusOK || !strings.Contains(a.body, `"count":6`) {
				s.Errorf("%+v", a)
			}
			f.want(`tidings.end:{"topic":"reply","topics":["reply"]}`)
			f.end()
		})
	}
}

// TestEventsBeforeABadEventStayStored: the problem says how many. Sending the body again with the same key stores the rest.
func TestEventsBeforeABadEventStayStored(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		header := map[string]string{"Content-Type": "application/x-ndjson", "Idempotency-Key": "k"}
		send := func(third string) answer {
			return s.send(request{path: "/events/news?end=1", body: "{\"data\":\"1\"}\n{\"data\":\"2\"}\n" + third + "\n{\"data\":\"4\"}\n", header: header})
		}
		a := send("nonsense")
		var got struct {
			Type, Detail, Last string
			Stored             int
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusBadRequest || got.Stored != 2 ||
			got.Last != s.log.Head().String() || got.Type != "urn:tidings:problem:invalid-event" {
			s.Errorf("%+v", a)
		}
		wantEvents(s.T, s.log, "news 1", "news 2")
		if a := send(`{"data":"3"}`); a.status != http.StatusOK || !strings.Contains(a.body, `"count":5,"duplicates":2`) {
			s.Errorf("%+v", a)
		}
		wantEvents(s.T, s.log, "news 1", "news 2", "news 3", "news 4", "news (end)")
		// An event that the log refuses stops the body, too.
		if a := s.send(request{path: "/events/b", body: "{\"data\":\"1\"}\n{\"topic\":\"news\",\"data\":\"2\"}\n", header: map[string]string{"Content-Type": "application/x-ndjson"}}); a.status != http.StatusConflict || !strings.Contains(a.body, `"stored":1`) {
			s.Errorf("%+v", a)
		}
	})
}

// TestARetryIsStoredOnce: a retry has the same key and the same content. Other content with that key is refused.
func TestARetryIsStoredOnce(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		send := func(topic, data string) answer {
			return s.send(request{method: http.MethodPost, path: "/events/" + topic, body: data, header: map[string]string{"Idempotency-Key": "k1"}})
		}
		first := send("news", "hello")
		second := send("news", "hello")
		if second.status != http.StatusOK || second.body != strings.TrimSuffix(first.body, "}\n")+`,"duplicate":true}`+"\n" {
			s.Errorf("first %q, then %q", first.body, second.body)
		}
		if a := send("news", "other"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "key-reused") {
			s.Errorf("%+v", a)
		}
		if a := send("other", "hello"); a.status != http.StatusOK || strings.Contains(a.body, "duplicate") {
			s.Errorf("the key of another topic: %+v", a)
		}
		wantEvents(s.T, s.log, "news hello", "other hello")
	})
}

func TestConcurrentRetriesGetTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, mustDisk(t, nil), nil, transports[0])
	var sending sync.WaitGroup
	ids := make([]string, 20)
	for i := range ids {
		sending.Go(func() {
			a := s.send(request{path: "/events/news", body: "hello", header: map[string]string{"Idempotency-Key": "k1"}})
			var got struct{ ID string }
			if err := json.Unmarshal([]byte(a.body), &got); err != nil {
				t.Errorf("%+v", a)
			}
			ids[i] = got.ID
		})
	}
	sending.Wait()
	for _, id := range ids {
		if id != s.log.Head().String() || s.log.Head().Seq != 1 {
			t.Fatalf("the answers are %q, and the head is %v", ids, s.log.Head())
		}
	}
}

// TestTheLastEventOfACleanBodyNeedsNoBlankLine: programs that write to a pipe may end without one. With end=1 the topic ends after the last
// event.
func TestTheLastEventOfACleanBodyNeedsNoBlankLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, body, last string }{
		{"text/event-stream", "data: 1\n\ndata: 2\n", "news 2"},
		{"text/event-stream", "data: 1\n\ndata: 2", "news 2"},
		{"text/event-stream", "data: 1\r\rdata: 2\r", "news 2"},
		{"text/event-stream", "data: 1\r\n\r\ndata: 2\r\n: bye\r\n", "news 2"},
		{"text/event-stream", "data: 1\n\nevent: t\ndata: 2\ndata: 3\nid: 7", "news t 2 3"},
		{"application/x-ndjson", "{\"data\":\"1\"}\n{\"data\":\"2\"}", "news 2"},
		{"application/x-ndjson", "{\"data\":\"1\"}\n{\"data\":\"2\"}\r", "news 2"},
	} {
		each(t, nil, func(s *site) {
			a := s.send(request{path: "/events/news?end=1", body: test.body, header: map[string]string{"Content-Type": test.kind, "Idempotency-Key": "k"}})
			var got struct{ Count int }
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || got.Count != 3 {
				t.Errorf("%q: got %d %s", test.body, a.status, a.body)
			}
			wantEvents(s.T, s.log, "news 1", test.last, "news (end)")
		})
	}
}

// TestBrokenBodyKeepsCompleteEvents: an incomplete event is not stored.
func TestBrokenBodyKeepsCompleteEvents(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"application/x-ndjson", "text/event-stream", "text/plain"} {
		each(t, nil, func(s *site) {
			f := s.follow("/events/news", nil)
			r, w := io.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				resp, err := s.do(s.Context(), request{method: http.MethodPost, path: "/events/news?end=1", reader: r, header: map[string]string{"Content-Type": kind}})
				if err == nil {
					_ = resp.Body.Close()
				}
			}()
			bodies := map[string]string{"application/x-ndjson": "{\"data\":\"1\"}\n{\"da", "text/event-stream": "data: 1\n\ndata: 2", "text/plain": "1"}
			if _, err := io.WriteString(w, bodies[kind]); err != nil {
				s.Fatal(err)
			}
			var want []string
			if kind != "text/plain" {
				f.want("1")
				want = []string{"news 1"}
			}
			_ = w.CloseWithError(io.ErrClosedPipe) // never fails; the body breaks off
			<-done
			s.post("other", "after") // the hub still works
			wantEvents(s.T, s.log, append(want, "other after")...)
		})
	}
}

// TestPublishChecksEvents: Publish and requests refuse the same events.
func TestPublishChecksEvents(t *testing.T) {
	t.Parallel()
	log := mustMemory(t, nil)
	h := mustHub(t, log, nil)
	defer func() { _ = h.Shutdown(t.Context()) }()
	for _, e := range []hub.Event{
		{},
		{Topics: []string{""}},
		{Topics: []string{"a/*"}},
		{Topics: []string{"$own"}},
		{Topics: []string{"a", "a"}},
		{Topics: []string{"a"}, Type: "tidings.end"},
		{Topics: []string{"a"}, Type: "a\nb"},
		{Topics: []string{"a"}, Data: "\xff"},
		{Topics: []string{"a"}, Data: strings.Repeat("x", 1<<20+1)},
		{Topics: []string{"a"}, Key: "a b"},
	} {
		if _, err := h.Publish(t.Context(), e); err == nil {
			t.Errorf("%.100v was published", e)
		}
	}
	wantEvents(t, log)
	receipts, err := h.Publish(t.Context(), hub.Event{Topics: []string{"a"}, Data: "1"}, hub.Event{Topics: []string{"b"}, Data: "2\r"})
	if err != nil || len(receipts) != 2 || receipts[1].Position != log.Head() {
		t.Errorf("%v, %v", receipts, err)
	}
	wantEvents(t, log, "a 1", "b 2")
}
