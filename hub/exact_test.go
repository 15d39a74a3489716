package hub_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
	"github.com/tidings-sse/tidings/hub"
)

func lastID(at fmt.Stringer) map[string]string {
	return map[string]string{"Last-Event-ID": at.String()}
}

// TestSubscriberMissesNothingDuringPublishing: it gets every event after its first checkpoint once, in order.
func TestSubscriberMissesNothingDuringPublishing(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		const n = 500
		begin := s.log.Head().Seq
		var publishing sync.WaitGroup
		publishing.Go(func() {
			for i := range n {
				mustAppend(s.T, s.log, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint(begin + uint64(i) + 1)})
			}
		})
		for i := range 8 {
			path := "/events/news"
			if i%2 == 1 {
				path = "/events/**"
			}
			f := s.follow(path, nil)
			at, err := eventlog.ParsePosition(f.next().ID)
			if err != nil {
				s.Fatal(err)
			}
			for seq := at.Seq + 1; seq <= begin+n; seq++ {
				e := f.next()
				for e.Type == "tidings.checkpoint" {
					e = f.next()
				}
				if e.Data != fmt.Sprint(seq) {
					s.Fatalf("subscriber %d, from %v: %q comes, want %d", i, at, e.Data, seq)
				}
			}
			f.close()
		}
		publishing.Wait()
	})
}

// TestReplayContinuesFromLogToWindow: events that are not in memory come from the log.
func TestReplayContinuesFromLogToWindow(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{Window: 10_000}, func(s *site) {
		begin := s.log.Head()
		for i := range 500 {
			s.hubPublish(hub.Event{Topics: []string{[]string{"news", "other"}[i%2]}, Data: fmt.Sprint(i)})
		}
		for _, path := range []string{"/events", "/events?topic=news&topic=other", "/events?topic=*"} {
			f := s.follow(path, lastID(begin))
			f.want(numbers(0, 499)...)
			s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "live"})
			f.want("live")
			f.close()
		}
	})
}

func (s *site) hubPublish(events ...hub.Event) []eventlog.Receipt {
	s.Helper()
	receipts, err := s.hub.Publish(s.Context(), events...)
	if err != nil {
		s.Fatal(err)
	}
	return receipts
}

// TestPositionsOnQuietTopicsAdvance: a subscriber that gets no events gets checkpoints, so retention does not overtake its position.
func TestPositionsOnQuietTopicsAdvance(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{Heartbeat: 20 * time.Millisecond}, func(s *site) {
		f := s.follow("/events/quiet", nil)
		f.want("tidings.checkpoint:{}")
		s.post("other", "1")
		head := s.post("other", "2")
		for e := f.next(); e.ID != head; e = f.next() {
			if e.Type != "tidings.checkpoint" || e.Data != "{}" {
				s.Fatalf("%+v", e)
			}
		}
		s.post("quiet", "3")
		f.want("3")
	})
}

// TestACheckpointEndsTheReplay: after catching up, the position of a subscriber is the head of the log, even if its last event was earlier.
func TestACheckpointEndsTheReplay(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{Window: 1}, func(s *site) {
		begin := s.log.Head()
		s.post("news", "1")
		head := s.post("other", "2")
		f := s.follow("/events/news", lastID(begin))
		f.want("tidings.checkpoint:{}", "1")
		if e := f.want("tidings.checkpoint:{}"); e.ID != head {
			s.Errorf("the checkpoint after the replay is at %s, want %s", e.ID, head)
		}
	})
}

// deaf is a log that never notifies watchers.
type deaf struct{ eventlog.Log }

func (deaf) Watch() <-chan struct{} { return nil }

// TestPollReturnsAcknowledgedEvents: a poll right after the answer to a POST has the event, even if the hub's tail has not read it yet.
func TestPollReturnsAcknowledgedEvents(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, deaf{mustMemory(t, nil)}, nil, how)
			id := s.post("news", "hello")
			a := s.send(request{path: "/events/news?poll=1&last=1&format=envelope"})
			if !strings.Contains(a.body, id) || !strings.Contains(a.body, "hello") {
				t.Errorf("a poll after %s was acknowledged: %s", id, a.body)
			}
			s.follow("/events/news?since=earliest", nil).want("hello")
		})
	}
}

// TestEndOfATopicEndsItsStreams: a subscriber gets the end, and its stream closes. When it reconnects it gets 204, at which EventSource
// stops.
func TestEndOfATopicEndsItsStreams(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		begin := s.log.Head()
		one, both := s.follow("/events/a", nil), s.follow("/events?topic=a&topic=b", nil)
		pattern := s.follow("/events?topic=*", nil)
		s.post("a", "1")
		end := s.send(request{method: http.MethodPost, path: "/events/a?end=1"})
		if end.status != http.StatusOK {
			s.Fatalf("ending: %+v", end)
		}
		data := `tidings.end:{"topic":"a","topics":["a"]}`
		last := one.want("1", data)
		if !strings.Contains(end.body, last.ID) {
			s.Errorf("the end has the ID %s, and was published as %s", last.ID, end.body)
		}
		one.end()
		both.want("1", data)
		pattern.want("1", data)
		if a := s.send(request{path: "/events/a", body: "2", method: http.MethodPost}); a.status != http.StatusConflict {
			s.Errorf("publishing to it: %+v", a)
		}
		s.post("b", "2")
		both.want("2")
		pattern.want("2")
		if a := s.send(request{path: "/events/b?end=1", body: "3", method: http.MethodPost}); a.status != http.StatusOK {
			s.Fatalf("ending with data: %+v", a)
		}
		both.want("3", `tidings.end:{"topic":"b","topics":["b"]}`)
		both.end()
		for path, header := range map[string]map[string]string{
			"/events/a":               {"Last-Event-ID": last.ID},
			"/events?topic=a&topic=b": lastID(s.log.Head()),
			"/events?topic=b":         nil,
			"/events/a?last_event_id=" + s.log.Head().String(): nil,
		} {
			if a := s.send(request{path: path, header: header}); a.status != http.StatusNoContent || a.header.Get("Cache-Control") != "no-store" {
				s.Errorf("%s with %v: %+v, want 204", path, header, a)
			}
		}
		// A subscriber that has not read to the end gets the rest.
		f := s.follow("/events?topic=a&topic=b", lastID(begin))
		f.want("1", data, "2", "3", `tidings.end:{"topic":"b","topics":["b"]}`)
		f.end()
	})
}

// TestEventOfSeveralTopicsArrivesOnce: also for a subscriber of several of its topics.
func TestEventOfSeveralTopicsArrivesOnce(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		begin := s.log.Head()
		paths := []string{"/events?topic=a&topic=b&topic=c", "/events?topic=a&topic=*", "/events?topic=**", "/events"}
		var live []*follower
		for _, path := range paths {
			live = append(live, s.follow(path, nil))
		}
		for _, data := range []string{"1", "2"} {
			if a := s.send(request{path: "/events?topic=a&topic=b", body: data}); a.status != http.StatusOK {
				s.Fatalf("%+v", a)
			}
		}
		for i, path := range paths {
			live[i].want("1", "2")
			s.follow(path, lastID(begin)).want("1", "2")
		}
	})
}

// TestPositionIsValidForOtherTopics: a position belongs to the log, not to the topics of a subscription.
func TestPositionIsValidForOtherTopics(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{Window: 1}, func(s *site) {
		f := s.follow("/events/a", nil)
		f.next()
		s.post("a", "1")
		at := f.want("1")
		s.post("b", "2")
		s.post("a", "3")
		s.post("c", "4")
		f.want("3")
		f.close()
		s.follow("/events?topic=b&topic=c", map[string]string{"Last-Event-ID": at.ID}).want("2", "4")
	})
}

// TestSubscriberResumesAfterRestart: a new hub opens the directory, and clients resume from their positions.
func TestSubscriberResumesAfterRestart(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "log")
			at := ""
			for round := range 3 {
				t.Run(fmt.Sprint(round), func(t *testing.T) {
					log, err := disklog.Open(dir, nil)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() {
						if err := log.Close(); err != nil {
							t.Error(err)
						}
					})
					s := serve(t, log, nil, how)
					header := map[string]string{}
					if at != "" {
						header["Last-Event-ID"] = at
					}
					f := s.follow("/events/news", header)
					if round > 0 {
						f.want("behind the back")
					}
					s.post("news", fmt.Sprint(round))
					at = f.want(fmt.Sprint(round)).ID
					f.close()
					s.post("news", "behind the back")
				})
			}
		})
	}
}

// TestEverySubscriberHasTheSameOrder: many publishers, a log on disk.
func TestEverySubscriberHasTheSameOrder(t *testing.T) {
	t.Parallel()
	s := serve(t, mustDisk(t, nil), nil, transports[0])
	const publishers, each = 8, 50
	var followers []*follower
	for _, path := range []string{"/events", "/events?topic=a&topic=b", "/events?topic=*", "/events?topic=a&topic=b&format=envelope"} {
		followers = append(followers, s.follow(path, nil))
	}
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				s.post([]string{"a", "b"}[i%2], fmt.Sprintf("%d-%d", p, i))
			}
		})
	}
	var orders [][]string
	for _, f := range followers {
		var ids []string
		for len(ids) < publishers*each {
			if e := f.next(); e.Type != "tidings.checkpoint" {
				ids = append(ids, e.ID)
			}
		}
		orders = append(orders, ids)
	}
	publishing.Wait()
	for i, ids := range orders {
		if !slices.Equal(ids, orders[0]) {
			t.Errorf("subscriber %d has another order than the first", i)
		}
	}
}
