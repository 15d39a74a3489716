package hub_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

// quick allows heartbeats at intervals that a test can wait for. The hub's own interval is long, so every heartbeat is a requested one.
var quick = hub.Options{Heartbeat: time.Hour, HeartbeatMin: 5 * time.Millisecond}

// TestPageGetsCheckpointsAsHeartbeats: a browser hides comments from the page, which could then not distinguish a quiet topic from a dead
// connection. All formats get checkpoints instead, also if the position has not changed.
func TestPageGetsCheckpointsAsHeartbeats(t *testing.T) {
	t.Parallel()
	each(t, &quick, func(s *site) {
		for name, open := range map[string]func() *follower{
			"plain":    func() *follower { return s.follow("/events/news?heartbeat=20ms", nil) },
			"envelope": func() *follower { return s.follow("/events/news?heartbeat=20ms&format=envelope", nil) },
			"form": func() *follower {
				return s.open(request{method: "QUERY", path: "/events/news", body: "heartbeat=20ms", header: map[string]string{
					"Content-Type": "application/x-www-form-urlencoded",
				}})
			},
		} {
			f := open()
			at := s.log.Head().String()
			for range 4 { // the first is the checkpoint at the start
				if e := f.next(); e.Type != "tidings.checkpoint" || e.ID != at || e.Data != "{}" {
					s.Errorf("%s: %+v, want a checkpoint at %s", name, e, at)
				}
			}
			id := s.post("news", "hello")
			for e := f.next(); e.ID != id; e = f.next() {
				if e.Type != "tidings.checkpoint" || e.ID != at {
					s.Errorf("%s: before the event comes %+v", name, e)
				}
			}
			other := s.post("other", "not for it")
			for e := f.next(); e.ID != other; e = f.next() {
				if e.Type != "tidings.checkpoint" || e.ID != id {
					s.Errorf("%s: after the event comes %+v", name, e)
				}
			}
			f.close()
		}
		resp := s.openUnread("/events/news?heartbeat=20ms", map[string]string{"Accept": "application/x-ndjson"})
		buf, text := make([]byte, 1000), ""
		for strings.Count(text, `"type":"tidings.checkpoint"`) < 4 {
			n, err := resp.Body.Read(buf)
			if err != nil {
				s.Fatal(err)
			}
			text += string(buf[:n])
		}
		if strings.Contains(text, "\n\n") {
			s.Errorf("NDJSON has empty lines:\n%s", text)
		}
	})
}

// TestSubscribersHaveTheirOwnHeartbeats: subscribers of one topic may choose different intervals.
func TestSubscribersHaveTheirOwnHeartbeats(t *testing.T) {
	t.Parallel()
	each(t, &quick, func(s *site) {
		silent := s.follow("/events/news", nil)
		silent.want("tidings.checkpoint:{}")
		lively := s.follow("/events/news?heartbeat=10ms", nil)
		for range 5 {
			lively.want("tidings.checkpoint:{}")
		}
		id := s.post("news", "hello")
		if e := silent.next(); e.ID != id {
			s.Errorf("a subscriber without requested heartbeats gets %+v", e)
		}
		lively.want("hello")
	})
}

// TestHeartbeatHasAMinimum: an invalid duration is refused, and an interval longer than the hub's becomes the hub's.
func TestHeartbeatHasAMinimum(t *testing.T) {
	t.Parallel()
	standard := serve(t, mustMemory(t, nil), nil, transports[0])
	for _, text := range []string{"", "0", "0s", "-5s", "4999ms", "5", "5x", "NaN", "1e3s", "9999999h"} {
		refused(t, text, standard.send(request{path: "/events/news?heartbeat=" + text}), http.StatusBadRequest, "invalid-request", "at least 5s")
	}
	refused(t, "twice", standard.send(request{path: "/events/news?heartbeat=5s&heartbeat=5s"}), http.StatusBadRequest, "invalid-request", "2 times")
	refused(t, "publishing", standard.send(request{path: "/events/news?heartbeat=5s", body: "x"}), http.StatusBadRequest, "invalid-request", "heartbeat")
	s := serve(t, mustMemory(t, nil), &hub.Options{Heartbeat: 20 * time.Millisecond}, transports[0])
	for _, text := range []string{"5s", "1h", "2000h", "1m30s"} {
		f := s.follow("/events/news?heartbeat="+text, nil)
		f.want("tidings.checkpoint:{}", "tidings.checkpoint:{}", "tidings.checkpoint:{}")
		f.close()
	}
	if a := s.send(request{path: "/events/news?poll=1&heartbeat=5s"}); a.status != http.StatusOK {
		t.Errorf("a poll: %d %s", a.status, a.body)
	}
}

// TestSubscriberMissesNothingAtMaxAge: each stream ends at its maximum age with a checkpoint and a reconnection time. A client that resumes
// gets every event once.
func TestSubscriberMissesNothingAtMaxAge(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{MaxAge: 40 * time.Millisecond}, func(s *site) {
		const connections = 5
		published, next := 0, 0
		publish := func() {
			s.hubPublish(hub.Event{Topics: []string{"news"}, Data: fmt.Sprint(published)}, hub.Event{Topics: []string{"other"}, Data: "x"})
			published++
		}
		publish()
		header := map[string]string{"Last-Event-ID": s.log.Head().Gen + "-0"}
		ended := 0
		for ; ended < connections || next < published && ended < 10*connections; ended++ { // one more connection if the last event came just before an end
			if ended < connections {
				publish() // while no stream is open
			}
			resp := s.openUnread("/events/news", header)
			var text bytes.Buffer
			for d := sse.NewDecoder(io.TeeReader(resp.Body, &text), nil); d.Next(); {
				if string(d.Type()) != sse.DefaultType {
					continue
				}
				if got := string(d.Data()); got != fmt.Sprint(next) {
					s.Fatalf("the next event is %q, want %d", got, next)
				}
				if next++; next == published && next%3 != 0 && ended < connections { // publish while the stream is open; then the stream is silent until its end
					publish()
				}
			}
			last := endsWithRetry.FindStringSubmatch(text.String())
			if last == nil {
				s.Fatalf("the stream ends without a checkpoint that has a reconnection time:\n%s", text.String())
			}
			header["Last-Event-ID"] = last[1]
		}
		if next != published {
			s.Errorf("%d events were published, and %d came", published, next)
		}
		await(s.T, "the reason is counted", func() bool { return s.hub.Closed("aged") == uint64(ended) })
	})
}

// endsWithRetry matches the end of a stream whose client should reconnect.
var endsWithRetry = regexp.MustCompile(`\n\nevent: tidings\.checkpoint\n` + retry1to5s + `\ndata: \{\}\nid: ([0-9a-z]+-[0-9]+)\n\n$`)
