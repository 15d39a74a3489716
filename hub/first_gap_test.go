package hub_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// TestAStreamBeginsWithItsGap for every reason of a gap: a client that has read the first checkpoint knows what it misses.
func TestAStreamBeginsWithItsGap(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			log := mustMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{Rules: []eventlog.Rule{
				{Pattern: eventlog.MustPattern("news"), Count: 3},
			}}})
			begin := log.Head()
			for i := range 10 {
				mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint(i)})
			}
			s := serve(t, log, &hub.Options{Window: 1}, how)
			lost := log.Head()
			live := s.follow("/events/news", nil)
			live.next() // its checkpoint
			if err := log.Skip(t.Context(), lost.Seq+10, eventlog.Rollback); err != nil {
				t.Fatal(err)
			}
			s.post("news", "10")
			if e := live.next(); e.Type != "tidings.gap" {
				t.Errorf("an open stream gets %+v", e)
			}
			live.want("10") // so the hub has seen the gap
			live.close()
			unknown := eventlog.Position{Gen: "zzzzz", Seq: 3}
			beyond := eventlog.Position{Gen: lost.Gen, Seq: lost.Seq + 1000}
			for reason, from := range map[string]eventlog.Position{"trimmed": begin, "rollback": lost, "reset": unknown, "beyond": beyond} {
				f := s.follow("/events/news", lastID(from))
				first := f.next()
				if first.Type != "tidings.gap" || first.ID != "" {
					t.Errorf("%s: the stream begins with %+v", reason, first)
				}
				if e := f.next(); e.Type != "tidings.checkpoint" || e.ID == "" {
					t.Errorf("%s: after the gap comes %+v", reason, e)
				}
				if reason == "trimmed" {
					f.want("8", "9") // each event once, and no second gap before the lost range
				}
				f.close()
			}
		})
	}
}

// TestGapOfAnEndedTopicIsReported: a client of an ended topic resumes with a position of another log. The stream reports the gap and closes;
// only the next request gets 204. A 204 at once would hide the loss.
func TestGapOfAnEndedTopicIsReported(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		s.post("news", "1")
		if a := s.send(request{method: http.MethodPost, path: "/events/news?end=1"}); a.status != http.StatusOK {
			s.Fatalf("%+v", a)
		}
		head := s.log.Head()
		for reason, from := range map[string]eventlog.Position{
			"rollback": {Gen: head.Gen, Seq: head.Seq + 100}, "reset": {Gen: "zzzzz", Seq: 1},
		} {
			f := s.follow("/events/news", lastID(from))
			if got, want := f.gap(), (gap{reason, from.String(), head.String()}); got != want {
				s.Errorf("the gap is %+v, want %+v", got, want)
			}
			f.end()
		}
		if a := s.send(request{path: "/events/news", header: lastID(head)}); a.status != http.StatusNoContent {
			s.Errorf("a reconnection from the head: %+v", a)
		}
	})
}

// TestAnEndHoldsWithoutItsRecord: the log has trimmed the record that ended the topic. Subscribers get the gap, or nothing, and a stream that is
// complete; publishers get the same refusal as before.
func TestAnEndHoldsWithoutItsRecord(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			log := mustMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{Events: 3}})
			begin := log.Head()
			mustAppend(t, log, eventlog.Record{Topics: []string{"job"}, Data: "1"})
			end := mustAppend(t, log, eventlog.Record{Topics: []string{"job"}, Flags: eventlog.End})[0].Position
			for range 5 {
				mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})
			}
			s := serve(t, log, &hub.Options{Window: 1}, how)
			f := s.follow("/events/job", lastID(begin))
			if got, want := f.gap(), (gap{"trimmed", begin.String(), end.String()}); got != want {
				t.Errorf("the gap is %+v, want %+v", got, want)
			}
			f.end()
			s.follow("/events/job?since=earliest", nil).end()
			for name, header := range map[string]map[string]string{"from its end": lastID(end), "from the head": lastID(log.Head()), "new": nil} {
				if a := s.send(request{path: "/events/job", header: header}); a.status != http.StatusNoContent {
					t.Errorf("a subscriber %s: %+v", name, a)
				}
			}
			if a := s.send(request{method: http.MethodPost, path: "/events/job", body: "2"}); a.status != http.StatusConflict {
				t.Errorf("a publisher: %+v", a)
			}
			f = s.follow("/events?topic=job&topic=news", lastID(begin)) // one of two topics has ended
			f.gap()
			f.want("", "", "")
			s.post("news", "2")
			f.want("2")
			f.close()
		})
	}
}
