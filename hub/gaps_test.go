package hub_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// gap is the data of a tidings.gap.
type gap struct{ Reason, From, To string }

func (f *follower) gap() (g gap) {
	f.t.Helper()
	e := f.next()
	for e.Type == "tidings.checkpoint" {
		e = f.next()
	}
	if e.Type != "tidings.gap" {
		f.t.Fatalf("%+v is no gap", e)
	}
	if err := json.Unmarshal([]byte(e.Data), &g); err != nil {
		f.t.Fatal(err)
	}
	return g
}

// TestSubscriberGetsAGapForTrimmedEvents: the gap comes first, then the retained events.
func TestSubscriberGetsAGapForTrimmedEvents(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			log := mustMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{Rules: []eventlog.Rule{
				{Pattern: eventlog.MustPattern("counted"), Count: 3}, {Pattern: eventlog.MustPattern("latest"), Latest: 1},
			}}})
			begin := log.Head()
			for i := range 10 {
				mustAppend(t, log, eventlog.Record{Topics: []string{"counted"}, Data: fmt.Sprint(i)})
				mustAppend(t, log, eventlog.Record{Topics: []string{"latest"}, Data: fmt.Sprint(i)})
			}
			s := serve(t, log, &hub.Options{Window: 1}, how)
			f := s.follow("/events/counted", lastID(begin))
			if got, want := f.gap(), (gap{"trimmed", begin.String(), fmt.Sprintf("%s-13", begin.Gen)}); got != want {
				t.Errorf("the gap is %+v, want %+v", got, want)
			}
			f.want("7", "8", "9")
			if e := f.want("tidings.checkpoint:{}"); e.ID != log.Head().String() {
				t.Errorf("the checkpoint is %+v, want one at the head", e)
			}
			// A superseded event is not missing.
			s.follow("/events/latest", lastID(begin)).want("9")
			// A request for the retained events gets no gap for the others.
			s.follow("/events/counted?since=earliest", nil).want("7", "8", "9")
			s.follow("/events/counted?last=2", nil).want("8", "9")
			// With on_gap=fail the request is refused instead.
			a := s.send(request{path: "/events/counted?on_gap=fail", header: lastID(begin)})
			if a.status != http.StatusGone || !strings.Contains(a.body, `"reason":"trimmed"`) {
				t.Errorf("on_gap=fail: %+v", a)
			}
		})
	}
}

// TestPositionOfAnotherGenerationGivesAGap: its sequence number means nothing in this generation.
func TestPositionOfAnotherGenerationGivesAGap(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		for i := range 5 {
			s.post("news", fmt.Sprint(i))
		}
		for _, id := range []string{"zzzzz-3", "42", "garbage\tand more"} {
			header := map[string]string{"Last-Event-ID": id}
			f := s.follow("/events/news", header)
			if got, want := f.gap(), (gap{"reset", id, s.log.Head().String()}); got != want {
				s.Errorf("the gap is %+v, want %+v", got, want)
			}
			if e := f.next(); e.Type != "tidings.checkpoint" || e.ID != s.log.Head().String() {
				s.Errorf("after the gap comes %+v, want a checkpoint at the head", e)
			}
			f.close()
			// With last= the request says where the stream continues.
			f = s.follow("/events/news?last=2", header)
			f.gap()
			f.want("3", "4")
			f.close()
		}
	})
}

// TestPositionBeyondTheHeadGivesAGap: the log has lost events that the client has seen.
func TestPositionBeyondTheHeadGivesAGap(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		s.post("news", "1")
		head := s.log.Head()
		beyond := eventlog.Position{Gen: head.Gen, Seq: head.Seq + 100}
		f := s.follow("/events/news", lastID(beyond))
		if got, want := f.gap(), (gap{"rollback", beyond.String(), head.String()}); got != want {
			s.Errorf("the gap is %+v, want %+v", got, want)
		}
		s.post("news", "2")
		f.want("2")
	})
}

// TestSubscribersGetAGapForEventsLostInACrash: all subscribers of that time get the gap, for any topics.
func TestSubscribersGetAGapForEventsLostInACrash(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		live := s.follow("/events/news", nil)
		live.next()
		first := s.post("news", "1")
		live.want("1")
		if err := s.log.(eventlog.Mirror).Skip(s.Context(), s.log.Head().Seq+10, eventlog.Rollback); err != nil {
			s.Fatal(err)
		}
		s.post("news", "2")
		if got := live.gap(); got.Reason != "rollback" || got.From != first {
			s.Errorf("a live subscriber gets %+v", got)
		}
		live.want("2")
		f := s.follow("/events/news", map[string]string{"Last-Event-ID": first})
		if got := f.gap(); got.Reason != "rollback" || got.From != first {
			s.Errorf("a returning subscriber gets %+v", got)
		}
		f.want("2")
	})
}

// TestLiveSubscribersLearnOfANewGeneration: they get a gap, then the events of the new generation.
func TestLiveSubscribersLearnOfANewGeneration(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		f := s.follow("/events/news", nil)
		f.next()
		s.post("news", "1")
		f.want("1")
		if err := s.log.(eventlog.Mirror).SetGeneration(s.Context(), "newgn", 0); err != nil {
			s.Fatal(err)
		}
		s.post("news", "2")
		if got := f.gap(); got.Reason != "reset" {
			s.Errorf("the live subscriber gets %+v, want a gap", got)
		}
	})
}
