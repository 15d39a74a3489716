package hub_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// cutBody is a body of three events, and a function that counts the complete events in a part of it.
type cutBody struct {
	kind, text string
	complete   func(part string) int
}

var cutBodies = []cutBody{
	{
		"application/x-ndjson", "{\"data\":\"1\"}\n\n{\"data\":\"ü2\",\"type\":\"t\"}\r\n{\"data\":3}",
		func(part string) int {
			n := 0
			for line := range strings.Lines(part) {
				if strings.HasSuffix(line, "\n") && strings.TrimSpace(line) != "" {
					n++
				}
			}
			return n
		},
	},
	{
		"text/event-stream", ": hello\n\ndata: 1\nid: 7\n\nevent: t\r\ndata: ü2\r\n\r\ndata:3\r\r",
		func(part string) int {
			n := 0
			for d := sse.NewDecoder(strings.NewReader(part), nil); d.Next(); {
				n++
			}
			return n
		},
	},
}

// framings are the framings of HTTP/1.1: Content-Length, and chunks.
var framings = map[string]func(body string) (field, framed string, payload func(part string) string){
	"length": func(body string) (string, string, func(string) string) {
		return fmt.Sprintf("Content-Length: %d", len(body)), body, func(part string) string { return part }
	},
	"chunks": func(body string) (string, string, func(string) string) {
		first := fmt.Sprintf("%x\r\n", len(body))
		return "Transfer-Encoding: chunked", first + body + "\r\n0\r\n\r\n", func(part string) string {
			return part[min(len(first), len(part)):min(len(first)+len(body), len(part))]
		}
	},
}

// TestPublisherResumesBodyCutAtAnyByte: complete events are stored, the problem says how many, and the topic does not end. When the publisher
// sends the whole body again with the same key, each event is stored once.
func TestPublisherResumesBodyCutAtAnyByte(t *testing.T) {
	t.Parallel()
	for _, body := range cutBodies {
		for framing, frame := range framings {
			t.Run(body.kind+"/"+framing, func(t *testing.T) {
				t.Parallel()
				s := serve(t, mustMemory(t, nil), nil, transports[0])
				field, framed, payload := frame(body.text)
				says := []string{"nothing is stored", "the event before it is stored", "before it are stored"}
				for at := range len(framed) {
					topic := fmt.Sprint("cut", at)
					head := fmt.Sprintf("POST /events/%s?end=1 HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nIdempotency-Key: k\r\n%s\r\n\r\n", topic, body.kind, field)
					c := s.dial()
					c.write(head + framed[:at])
					c.closeWrite()
					part := payload(framed[:at])
					want := body.complete(part)
					what := fmt.Sprintf("cut at %d, after %q", at, part)
					p := refused(t, what, c.readAnswer(), http.StatusRequestTimeout, "broken-body", says[min(want, 2)])
					if p.Stored == nil || *p.Stored != want || (p.Last != "") != (want > 0) || want > 0 && p.Last != s.log.Head().String() {
						t.Errorf("%s: %+v, want %d stored up to %v", what, p, want, s.log.Head())
					}
					if got := len(s.eventsOf(topic)); got != want {
						t.Errorf("%s: %d events are stored, want %d", what, got, want)
					}
					s.resend(what, head+framed, topic, want)
					s.resend(what, head+framed, topic, 4)
				}
			})
		}
	}
}

// resend sends a whole body again. The log already has some of its events; resend checks that each event is stored once.
func (s *site) resend(what, request, topic string, before int) {
	s.Helper()
	c := s.dial()
	c.write(request)
	a := c.readAnswer()
	var got struct{ Count, Duplicates int }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || got.Count != 4 || got.Duplicates != before {
		s.Errorf("%s, then sent again: %+v, want 4 events, %d of them known", what, a, before)
	}
	want := []string{topic + " 1", topic + " t ü2", topic + " 3", topic + " (end)"}
	if got := s.eventsOf(topic); !slices.Equal(got, want) {
		s.Errorf("%s, then sent again: the log has %q, want %q", what, got, want)
	}
}

// eventsOf returns the events of a topic in the log.
func (s *site) eventsOf(topic string) (of []string) {
	for _, e := range events(s.T, s.log) {
		if name, _, _ := strings.Cut(e, " "); name == topic {
			of = append(of, e)
		}
	}
	return of
}

// TestRetryMayArriveBeforeTheFirstAttemptEnds: the client's connection breaks unnoticed. The client sends the body again while the hub still
// reads the first attempt.
func TestRetryMayArriveBeforeTheFirstAttemptEnds(t *testing.T) {
	t.Parallel()
	for _, body := range cutBodies {
		for _, how := range transports {
			t.Run(body.kind+"/"+how.name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, mustDisk(t, nil), nil, how)
				for at := 0; at <= len(body.text); at += 3 {
					topic := fmt.Sprint("cut", at)
					r := request{path: "/events/" + topic + "?end=1", header: map[string]string{"Content-Type": body.kind, "Idempotency-Key": "k"}}
					first := r
					first.reader = ssetest.ThenFail(strings.NewReader(body.text[:at]), io.ErrClosedPipe)
					if resp, err := s.do(s.Context(), first); err == nil {
						_ = resp.Body.Close()
					}
					r.body = body.text
					if a := s.send(r); a.status != http.StatusOK || !strings.Contains(a.body, `"count":4`) {
						t.Errorf("cut at %d, then sent again: %+v", at, a)
					}
					if got := s.eventsOf(topic); len(got) != 4 {
						t.Errorf("cut at %d, then sent again: the log has %q", at, got)
					}
				}
			})
		}
	}
}
