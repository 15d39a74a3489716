package hub_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

// TestANewGenerationAtTheSameNumberHasACheckpoint: the first checkpoint of the new generation may have the sequence number of the last id.
// The hub sends it all the same, because the generations differ.
func TestANewGenerationAtTheSameNumberHasACheckpoint(t *testing.T) {
	each(t, &hub.Options{Heartbeat: 50 * time.Millisecond}, func(s *site) {
		s.post("news", "1")
		s.hub.AwaitSettled(s.log.Head())
		f := s.follow("/events/news", nil)
		f.next() // a checkpoint at 1
		await(s.T, "the stream is open", func() bool { return s.hub.Streams() == 1 })
		if err := s.log.(eventlog.Mirror).SetGeneration(s.Context(), "newgn", 1); err != nil {
			s.Fatal(err)
		}
		if got := f.gap(); got.Reason != "reset" || got.To != "newgn-1" {
			s.Errorf("the live subscriber gets %+v, want a gap", got)
		}
		if e := f.next(); e.ID != "newgn-1" { // otherwise the client keeps a position of the old generation
			s.Errorf("%+v", e)
		}
	})
}

// late is a log that notifies watchers only after it is released.
type late struct {
	eventlog.Log
	watch chan struct{}
}

func (l *late) Watch() <-chan struct{} { return l.watch }

// TestTopicEndReadFromTheLogEndsTheStream: a replay may read the end of a topic from the log before the window has it.
func TestTopicEndReadFromTheLogEndsTheStream(t *testing.T) {
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			log := &late{mustMemory(t, nil), make(chan struct{}, 1)}
			for i := range 3 {
				mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint(i)})
			}
			s := serve(t, log, &hub.Options{Window: 1}, how)
			mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Flags: eventlog.End})
			f := s.follow("/events/news?since=earliest", nil)
			f.want("0", "1", "2", `tidings.end:{"topic":"news","topics":["news"]}`)
			log.watch <- struct{}{}
			f.end()
		})
	}
}

// TestTopicCanBeReusedAfterItsEndIsTrimmed: the window may still have the end, but the log decides. A 204 would make EventSource give up.
func TestTopicCanBeReusedAfterItsEndIsTrimmed(t *testing.T) {
	begin := time.Now()
	var later atomic.Int64
	log := mustMemory(t, &eventlog.MemoryOptions{
		Now:       func() time.Time { return begin.Add(time.Duration(later.Load())) },
		Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**"), Age: time.Minute}}},
	})
	s := serve(t, log, nil, transports[0])
	s.send(request{method: http.MethodPost, path: "/events/job?end=1"})
	later.Store(int64(time.Hour))
	s.post("other", "1") // makes retention trim the end
	s.hub.AwaitSettled(log.Head())
	a := s.send(request{path: "/events/job?poll=1"})
	if a.status == http.StatusNoContent {
		t.Error("204")
	}
	resp, err := s.do(t.Context(), request{path: "/events/job"})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if a := s.send(request{path: "/events/job", body: "new"}); a.status == 200 && resp.StatusCode == http.StatusNoContent {
		t.Errorf("publishing to the topic gives %d, subscribing to it gave %d", a.status, resp.StatusCode)
	}
}

// TestLastCountsRetainedEvents: superseded events that the window still has do not count and are not sent.
func TestLastCountsRetainedEvents(t *testing.T) {
	log := mustMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("state"), Latest: 1}}}})
	s := serve(t, log, nil, transports[0])
	s.post("b", "b1")
	for i := range 10 {
		s.post("state", fmt.Sprint("s", i))
	}
	s.post("b", "b2")
	s.hub.AwaitSettled(log.Head())
	a := s.send(request{path: "/events?poll=1&last=3"})
	if n := strings.Count(a.body, "data: ") - strings.Count(a.body, "data: {}"); n != 3 {
		t.Errorf("last=3 gives %d events:\n%s", n, a.body)
	}
}

// TestEventsInTheWindowAreNotMissing: on_gap=fail accepts a position that the log has trimmed if the window still covers it.
func TestEventsInTheWindowAreNotMissing(t *testing.T) {
	log := mustMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**"), Count: 3}}}})
	s := serve(t, log, nil, transports[0])
	begin := log.Head()
	for i := range 10 {
		s.post("news", fmt.Sprint(i))
		s.hub.AwaitSettled(log.Head())
	}
	tell := s.send(request{path: "/events/news?poll=1", header: lastID(begin)})
	fail := s.send(request{path: "/events/news?poll=1&on_gap=fail", header: lastID(begin)})
	if !strings.Contains(tell.body, "tidings.gap") && fail.status == http.StatusGone {
		t.Errorf("without on_gap=fail %d events come and no gap; with it the answer is %d %s", strings.Count(tell.body, "data: "), fail.status, fail.body)
	}
}

// TestAnyOriginExcludesCookies: AllowOrigins "*" lets every origin use the hub without cookies.
func TestAnyOriginExcludesCookies(t *testing.T) {
	s := serve(t, mustMemory(t, nil), &hub.Options{AllowOrigins: []string{"*"}, Authorize: func(r *http.Request) (access.Grant, error) {
		if session, _ := r.Cookie("session"); session != nil {
			return access.Everything(), nil
		}
		return access.Grant{}, nil
	}}, transports[0])
	a := s.send(request{path: "/events/news", body: "forged", header: map[string]string{
		"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Cookie": "session=alice", "Content-Type": "text/plain",
	}})
	if a.status == 200 {
		t.Errorf("a page of any site publishes with the cookies of its visitor: %+v", a)
	}
}

// TestShutdownCutsOffStalledRunners: when its context ends, Shutdown has disconnected stalled streams before it returns.
func TestShutdownCutsOffStalledRunners(t *testing.T) {
	each(t, &hub.Options{WriteTimeout: 10 * patience}, func(s *site) {
		resp := s.openUnread("/events/news", nil)
		await(s.T, "the stream is open", func() bool { return s.hub.Streams() == 1 })
		s.publishBacklog()
		ctx, cancel := context.WithTimeout(s.Context(), 300*time.Millisecond)
		defer cancel()
		if err := s.hub.Shutdown(ctx); err == nil {
			s.Error("Shutdown returns no error although the stream is stalled")
		}
		await(s.T, "the stream has ended", func() bool { return s.hub.Streams() == 0 })
		_ = resp.Body.Close()
	})
}

// TestSkippingSubscriberGetsTheEnd: a slow consumer that skips events still gets the end of its only topic, and its stream closes.
func TestSkippingSubscriberGetsTheEnd(t *testing.T) {
	s := serve(t, mustMemory(t, nil), &hub.Options{WriteTimeout: patience, MaxLag: 1_000_000, SkipSlow: true, Heartbeat: 100 * time.Millisecond}, transports[0])
	resp := s.openUnread("/events/news", nil)
	await(t, "the stream is open", func() bool { return s.hub.Streams() == 1 })
	s.publishBacklog()
	s.send(request{method: http.MethodPost, path: "/events/news?end=1"})
	done := make(chan string)
	go func() {
		d, log := sse.NewDecoder(resp.Body, nil), ""
		for d.Next() {
			if e := d.Event(); e.Type != sse.DefaultType {
				log += e.Type + " " + e.ID + " " + e.Data + "\n"
			}
			if len(log) > 3000 {
				break
			}
		}
		done <- log
	}()
	select {
	case <-done:
	case <-time.After(patience):
		_ = resp.Body.Close()
		t.Errorf("the topic has ended, and the stream stays open with:\n%.600s", <-done)
	}
}

// TestLiveSubscriberHasNoGapAtShutdown: a live runner's cursor stays at its last heartbeat. Its lag does not count from there when shutdown
// wakes it.
func TestLiveSubscriberHasNoGapAtShutdown(t *testing.T) {
	each(t, &hub.Options{MaxLag: 10_000, SkipSlow: true}, func(s *site) {
		f := s.follow("/events/quiet", nil)
		f.next()
		await(s.T, "the stream is open", func() bool { return s.hub.Streams() == 1 })
		for range 50 {
			s.hubPublish(hub.Event{Topics: []string{"other"}, Data: strings.Repeat("x", 1000)})
		}
		s.hub.AwaitSettled(s.log.Head())
		ctx, cancel := context.WithTimeout(s.Context(), patience)
		defer cancel()
		var stopping sync.WaitGroup
		defer stopping.Wait()
		stopping.Go(func() {
			if err := s.hub.Shutdown(ctx); err != nil {
				s.Error(err)
			}
		})
		for {
			select {
			case e := <-f.events:
				if e.Type == "tidings.gap" {
					s.Errorf("a live subscriber that has missed nothing gets %+v", e)
				}
				continue
			case err := <-f.ended:
				if err != nil {
					s.Error(err)
				}
			case <-time.After(patience):
				s.Error("no end")
			}
			return
		}
	})
}

// TestLiveSubscribersAreNotSlowWhenRetentionOvertakesTheTail: one topic loses records by its own retention before the window has them. Live
// subscribers of other topics miss nothing, so the hub neither disconnects them as slow nor skips their events.
func TestLiveSubscribersAreNotSlowWhenRetentionOvertakesTheTail(t *testing.T) {
	for _, skip := range []bool{false, true} {
		for _, how := range transports[:4] {
			t.Run(fmt.Sprint(how.name, " skip=", skip), func(t *testing.T) {
				log := mustMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("x"), Count: 3}}}})
				s := serve(t, log, &hub.Options{MaxLag: 1 << 30, SkipSlow: skip}, how)
				f := s.follow("/events/news", nil)
				f.next()
				s.post("news", "1")
				f.want("1")
				batch := []eventlog.Record{{Topics: []string{"news"}, Data: "2"}}
				for range 10 {
					batch = append(batch, eventlog.Record{Topics: []string{"x"}, Data: "x"})
				}
				mustAppend(t, log, append(batch, eventlog.Record{Topics: []string{"news"}, Data: "3"})...)
				for _, want := range []string{"2", "3"} {
					select {
					case e := <-f.events:
						if e.Data != want {
							t.Fatalf("MaxLag is 1 GiB, nothing of its topic is gone, and it gets %+v", e)
						}
					case err := <-f.ended:
						t.Fatalf("MaxLag is 1 GiB, it is live, and it is disconnected (%v)", err)
					}
				}
			})
		}
	}
}
