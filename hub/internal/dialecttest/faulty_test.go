package dialecttest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// faulty is a dialect whose functions are those of a test. It has the path /faulty.
type faulty struct {
	lines

	serve  func(h *hub.Hub, w http.ResponseWriter, r *http.Request) error
	refuse func()
}

func (d *faulty) Routes() []hub.Route {
	return []hub.Route{{Path: "/faulty", Methods: []string{http.MethodPost}, Serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request, _ string) error {
		return d.serve(h, w, r)
	}}}
}

func (d *faulty) Refuse(w http.ResponseWriter, r *http.Request, p *hub.Problem) {
	if d.refuse != nil {
		d.refuse()
	}
	d.lines.Refuse(w, r, p)
}

// open returns a hub with the dialect, where the topic ended has ended.
func (d *faulty) open(t *testing.T, o hub.Options) *site {
	t.Helper()
	o.Dialects = []hub.Dialect{d}
	s := open(t, o, "http1")
	if _, err := s.hub.Publish(t.Context(), hub.Event{Topics: []string{"ended"}, End: true}); err != nil {
		t.Fatal(err)
	}
	return s
}

// topicLines parses a body of lines, each of which is an event of the topic that it names.
func topicLines(body *hub.Body) iter.Seq2[hub.Event, error] {
	return func(yield func(hub.Event, error) bool) {
		topics := make([]string, 1)
		for line, err := range body.Lines(1 << 20) {
			topics[0] = strings.TrimSuffix(string(line), "\n")
			if !yield(hub.Event{Topics: topics, Data: "x"}, err) {
				return
			}
		}
	}
}

// beginBody sends a request with the beginning of a body, and leaves the body open.
func (s *site) beginBody(body string) net.Conn {
	s.Helper()
	conn, err := new(net.Dialer).DialContext(s.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST /faulty HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body), body); err != nil {
		s.Fatal(err)
	}
	return conn
}

// status reads the status of an answer, while the client may still be sending.
func status(conn net.Conn) (string, error) {
	line, err := bufio.NewReader(conn).ReadString('\n')
	_, code, _ := strings.Cut(strings.TrimSpace(line), " ")
	return code, err
}

// awaitMemory waits until no memory of the budget for bodies is reserved.
func (s *site) awaitMemory() {
	s.Helper()
	var held int64
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		stats, err := s.hub.Stats(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		if held = stats.Bodies.Bytes; held == 0 {
			return
		}
	}
	s.Errorf("%d bytes are reserved for bodies that are gone", held)
}

// TestMemoryOfABodyComesBackFromAFaultyDialect: it was lost for good if the dialect did not return the error of Receive, or if its Refuse
// panicked, until no publisher got any. A client that was still sending got no answer.
func TestMemoryOfABodyComesBackFromAFaultyDialect(t *testing.T) {
	t.Parallel()
	body := "news\nended\n" + strings.Repeat("x", 200<<10)
	receive := func(h *hub.Hub, w http.ResponseWriter, r *http.Request) error {
		return h.Receive(w, r, access.Everything(), func(p *hub.Publication) error {
			_, err := p.AppendStream(topicLines)
			return err
		})
	}
	for name, test := range map[string]struct {
		faulty
		status int // 0: no answer
	}{
		"answers itself": {faulty{serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request) error {
			if receive(h, w, r) != nil {
				w.WriteHeader(http.StatusTeapot)
			}
			return nil
		}}, http.StatusTeapot},
		"returns another error": {faulty{serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request) error {
			if receive(h, w, r) != nil {
				return hub.NewProblem(http.StatusTeapot, "other", "another error")
			}
			return nil
		}}, http.StatusTeapot},
		"answers in Receive": {faulty{serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request) error {
			return h.Receive(w, r, access.Everything(), func(p *hub.Publication) error {
				if _, err := p.AppendStream(topicLines); err != nil {
					w.WriteHeader(http.StatusTeapot)
				}
				return nil
			})
		}}, http.StatusTeapot},
		"reads again": {faulty{serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request) error {
			return h.Receive(w, r, access.Everything(), func(p *hub.Publication) error {
				_, first := p.AppendStream(topicLines)
				_, second := p.ReadBody(0)
				_, third := p.AppendStream(topicLines)
				if first == nil || !errors.Is(second, first) || !errors.Is(third, first) {
					return fmt.Errorf("the errors are %w, %w and %w", first, second, third)
				}
				return first
			})
		}}, http.StatusConflict},
		"reserves after an error": {faulty{serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request) error {
			return h.Receive(w, r, access.Everything(), func(p *hub.Publication) error {
				_, err := p.ReadBody(10)
				return errors.Join(err, p.Reserve(1<<20))
			})
		}}, http.StatusRequestEntityTooLarge},
		"reserves after Receive": {faulty{serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request) error {
			var kept *hub.Publication
			if err := h.Receive(w, r, access.Everything(), func(p *hub.Publication) error { kept = p; return nil }); err != nil {
				return err
			}
			if kept.Reserve(1<<20) == nil {
				return errors.New("memory is reserved for a request that is over")
			}
			return hub.NewProblem(http.StatusTeapot, "other", "no memory is reserved")
		}}, http.StatusTeapot},
		"panics in Refuse": {faulty{serve: receive, refuse: func() { panic("a fault of Refuse") }}, 0},
		"panics": {faulty{serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request) error {
			return h.Receive(w, r, access.Everything(), func(p *hub.Publication) error {
				_, err := p.AppendStream(topicLines)
				panic(err)
			})
		}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := test.open(t, hub.Options{MaxEvent: 1 << 20})
			for range 3 {
				conn := s.beginBody(body)
				if test.status != 0 {
					if got, err := status(conn); !strings.HasPrefix(got, fmt.Sprint(test.status)) {
						t.Errorf("the answer is %q, %v, want %d", got, err, test.status)
					}
				}
				_ = conn.Close()
			}
			s.awaitMemory()
		})
	}
}

// TestRefusedEventsOfAStreamDoNotCountTowardsTheRate: a batch of refused events took the whole rate, although nothing was stored.
func TestRefusedEventsOfAStreamDoNotCountTowardsTheRate(t *testing.T) {
	t.Parallel()
	d := &faulty{serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request) error {
		return h.Receive(w, r, access.Everything(), func(p *hub.Publication) error {
			_, err := p.AppendStream(topicLines)
			return err
		})
	}}
	s := d.open(t, hub.Options{PublishPerAddress: hub.Rate{PerSecond: 0.0001, Burst: 100}})
	for _, test := range []struct {
		body   string
		status int
	}{
		{strings.Repeat("news\n", 9) + strings.Repeat("ended\n", 80), http.StatusConflict}, // counts the stored ones, and the first refused one
		{strings.Repeat("news\n", 90), http.StatusOK},
		{"news\n", http.StatusTooManyRequests},
	} {
		if status, text := s.publish(sent{path: "/faulty", body: test.body}); status != test.status {
			t.Errorf("%d lines: %d %s, want %d", strings.Count(test.body, "\n"), status, text, test.status)
		}
	}
}

// TestAParserMayReuseItsTopics for the next event: events of one batch had the topics of the last one, which the grant may not allow.
func TestAParserMayReuseItsTopics(t *testing.T) {
	t.Parallel()
	d := &faulty{serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request) error {
		return h.Receive(w, r, access.Everything(), func(p *hub.Publication) error {
			_, err := p.AppendStream(topicLines)
			return err
		})
	}}
	s := d.open(t, hub.Options{})
	if status, text := s.publish(sent{path: "/faulty", body: "a\nb\nc\n"}); status != http.StatusOK {
		t.Fatal(status, text)
	}
	for _, topic := range []string{"a", "b", "c"} {
		answer, err := s.log.Read(t.Context(), eventlog.Query{Selector: eventlog.Topics(topic)})
		if err != nil || len(answer.Records) != 1 {
			t.Errorf("topic %s has %d events, %v", topic, len(answer.Records), err)
		}
	}
}

// TestErrorsOfAccessAreRefusals: a dialect that checks a token itself may return the error of the policy. It was an internal error.
func TestErrorsOfAccessAreRefusals(t *testing.T) {
	t.Parallel()
	for reason, want := range map[access.Reason]int{access.Expired: http.StatusUnauthorized, access.Unavailable: http.StatusServiceUnavailable} {
		d := &faulty{serve: func(*hub.Hub, http.ResponseWriter, *http.Request) error {
			return &access.Refusal{Reason: reason, Public: "this token does not work", Detail: "a secret"}
		}}
		resp := d.open(t, hub.Options{}).send(http.MethodPost, "/faulty", "", "")
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want || !strings.Contains(string(text), "this token does not work") || strings.Contains(string(text), "secret") {
			t.Errorf("%s: %d %s, %v; want %d", reason, resp.StatusCode, text, err, want)
		}
	}
}
