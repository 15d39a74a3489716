package hub_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// polled is the answer to a poll.
type polled struct {
	data  []string // of the events
	ids   []string // of the events
	ended []string // topics
	last  string   // the last id
	more  bool     // it says that there may be more
}

// poll polls in one of the formats.
func (s *site) poll(format, query string) (p polled) {
	s.Helper()
	accept := "text/event-stream"
	if format == "ndjson" {
		accept = "application/x-ndjson"
	} else {
		query += "&format=" + format
	}
	a := s.send(request{path: "/events?poll=1&" + query, header: map[string]string{"Accept": accept}})
	if a.status != http.StatusOK {
		s.Fatalf("%s: %+v", query, a)
	}
	take := func(id, typ, data string) {
		if id != "" {
			p.last = id
		}
		p.more = false
		switch typ {
		case wire.TypeCheckpoint:
			var c wire.Checkpoint
			if err := json.Unmarshal([]byte(data), &c); err != nil {
				s.Error(err)
			}
			p.more = c.More
		case wire.TypeEnd:
			end, err := wire.ParseEnd(data)
			if err != nil {
				s.Error(err)
			}
			p.ended = append(p.ended, end.Topics...)
		case wire.TypeGap:
			s.Errorf("%s: gap %s", query, data)
		default:
			p.data, p.ids = append(p.data, data), append(p.ids, id)
		}
	}
	if format == "ndjson" {
		for line := range strings.Lines(a.body) {
			var e wire.Envelope
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				s.Fatal(err)
			}
			take(e.ID, e.Type, e.Data)
		}
		return p
	}
	d := sse.NewDecoder(strings.NewReader(a.body), nil)
	for d.Next() {
		e := d.Event()
		data := e.Data
		if format == "envelope" && !wire.IsControl(e.Type) {
			envelope, err := wire.ParseEnvelope(data)
			if err != nil {
				s.Fatal(err)
			}
			data = envelope.Data
		}
		take(e.ID, e.Type, data)
	}
	return p
}

// eachWindow runs a test with hubs that answer from the window, and with hubs that answer from the log.
func eachWindow(t *testing.T, test func(s *site)) {
	for name, window := range map[string]int64{"window": 0, "log": 1} {
		for _, how := range []transport{transports[0], transports[3]} {
			t.Run(name+" "+how.name, func(t *testing.T) {
				t.Parallel()
				test(serve(t, mustMemory(t, nil), &hub.Options{Window: window}, how))
			})
		}
	}
}

// postMixed publishes 40 events to a, b/1 and other, and returns the data of those that topic=a&topic=b/* selects.
func (s *site) postMixed() (selected []string) {
	for i := range 40 {
		topic := []string{"a", "b/1", "other"}[i%3]
		s.post(topic, fmt.Sprint(i))
		if topic != "other" {
			selected = append(selected, fmt.Sprint(i))
		}
	}
	return selected
}

// TestLimitedPollsTogetherHaveEveryEventOnce: each continues from the last id of the one before.
func TestLimitedPollsTogetherHaveEveryEventOnce(t *testing.T) {
	t.Parallel()
	eachWindow(t, func(s *site) {
		want := s.postMixed()
		for _, limit := range []int{1, 2, 7, len(want) - 1, len(want), len(want) + 1, eventlog.MaxLast} {
			for _, format := range []string{"plain", "envelope", "ndjson"} {
				var got []string
				from := "since=earliest"
				for more := true; more; {
					p := s.poll(format, fmt.Sprintf("topic=a&topic=b/*&limit=%d&%s", limit, from))
					if len(p.data) > limit || p.more && len(p.data) < limit {
						s.Fatalf("limit %d: %d events, more: %t", limit, len(p.data), p.more)
					}
					if p.more && p.last != p.ids[len(p.ids)-1] {
						s.Fatalf("limit %d: the last event is %s, and the answer ends at %s", limit, p.ids[len(p.ids)-1], p.last)
					}
					got, more = append(got, p.data...), p.more
					from = "last_event_id=" + p.last
				}
				if !slices.Equal(got, want) {
					s.Errorf("limit %d, %s: %q", limit, format, got)
				}
				if head := s.log.Head().String(); strings.TrimPrefix(from, "last_event_id=") != head {
					s.Errorf("limit %d: the last answer ends at %s, not at the head %s", limit, from, head)
				}
			}
		}
	})
}

// TestPollsPageBackwards: before and last give the history in pages, the newest first.
func TestPollsPageBackwards(t *testing.T) {
	t.Parallel()
	eachWindow(t, func(s *site) {
		want := s.postMixed()
		for _, size := range []int{1, 5, len(want), 1000} {
			var got []string
			before := ""
			for {
				p := s.poll("ndjson", fmt.Sprintf("topic=a&topic=b/*&last=%d%s", size, before))
				if p.more {
					s.Error("an answer without a limit says that there is more")
				}
				got = append(slices.Clone(p.data), got...)
				if len(p.data) < size {
					break
				}
				before = "&before=" + p.ids[0]
			}
			if !slices.Equal(got, want) {
				s.Errorf("size %d: %q", size, got)
			}
		}
	})
}

// TestPollsFindAnEventWithItsNeighbours: the last id of what comes before an event is where the poll for what follows begins. No arithmetic
// with positions is needed.
func TestPollsFindAnEventWithItsNeighbours(t *testing.T) {
	t.Parallel()
	eachWindow(t, func(s *site) {
		var ids []string
		for i := range 30 {
			ids = append(ids, s.post([]string{"a", "other"}[i%2], fmt.Sprint(i)))
		}
		for i := 0; i < len(ids); i += 2 {
			before := s.poll("envelope", "topic=a&last=3&before="+ids[i])
			after := s.poll("envelope", "topic=a&limit=4&last_event_id="+before.last)
			var got []int
			for _, data := range append(before.data, after.data...) {
				n, err := strconv.Atoi(data)
				if err != nil {
					s.Fatal(err)
				}
				got = append(got, n)
			}
			var want []int
			for n := max(0, i-6); n <= min(len(ids)-2, i+6); n += 2 {
				want = append(want, n)
			}
			if !slices.Equal(got, want) || len(after.ids) == 0 || after.ids[0] != ids[i] {
				s.Errorf("event %d: %v, want %v", i, got, want)
			}
		}
	})
}

// TestBoundedPollsHaveOnlyWhatIsBetween: before works with every start, and with limit.
func TestBoundedPollsHaveOnlyWhatIsBetween(t *testing.T) {
	t.Parallel()
	eachWindow(t, func(s *site) {
		var ids []string
		for i := range 20 {
			ids = append(ids, s.post("a", fmt.Sprint(i)))
		}
		for _, test := range []struct{ query, want, last string }{
			{"before=" + ids[3], "0 1 2", ids[2]},
			{"before=" + ids[0], "", ""},
			{"since=earliest&before=" + ids[2], "0 1", ids[1]},
			{"since=1h&before=" + ids[2], "0 1", ids[1]},
			{"last_event_id=" + ids[4] + "&before=" + ids[8], "5 6 7", ids[7]},
			{"last_event_id=" + ids[4] + "&before=" + ids[8] + "&limit=2", "5 6", ids[6]},
			{"last_event_id=" + ids[4] + "&before=" + ids[8] + "&limit=3", "5 6 7", ids[7]},
			{"last_event_id=" + ids[4] + "&before=" + ids[8] + "&limit=9", "5 6 7", ids[7]},
			{"last_event_id=" + ids[7] + "&before=" + ids[8], "", ids[7]},
			{"last_event_id=" + ids[8] + "&before=" + ids[8], "", ids[8]},
			{"last_event_id=" + ids[15] + "&before=" + ids[8], "", ids[15]},
			{"last=3&before=" + ids[8] + "&limit=2", "5 6", ids[6]},
			{"last=3&limit=2", "17 18", ids[18]},
			{"last=0&limit=2", "0 1", ids[1]},
		} {
			p := s.poll("ndjson", "topic=a&"+test.query)
			if got := strings.Join(p.data, " "); got != test.want || test.last != "" && p.last != test.last {
				s.Errorf("%s: %q up to %s, want %q up to %s", test.query, got, p.last, test.want, test.last)
			}
		}
	})
}

// TestLimitCountsAnEndWithItsEvent: the end of a topic and its data are one event. A pure end is an event, too.
func TestLimitCountsAnEndWithItsEvent(t *testing.T) {
	t.Parallel()
	eachWindow(t, func(s *site) {
		s.post("a", "0")
		s.hubPublish(hub.Event{Topics: []string{"a"}, Data: "1", End: true}, hub.Event{Topics: []string{"b"}, End: true})
		s.post("c", "2")
		for _, format := range []string{"plain", "ndjson"} {
			var steps []string
			from := "since=earliest"
			for range 4 {
				p := s.poll(format, "topic=*&limit=1&"+from)
				steps = append(steps, fmt.Sprintf("%v %v %t", p.data, p.ended, p.more))
				from = "last_event_id=" + p.last
			}
			if got, want := strings.Join(steps, ", "), "[0] [] true, [1] [a] true, [] [b] true, [2] [] true"; got != want {
				s.Errorf("%s: %s, want %s", format, got, want)
			}
		}
	})
}

// TestBadBoundsOfPollsAreRefused: only polls have bounds, and a position that does not exist is not a bound.
func TestBadBoundsOfPollsAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	id := s.post("a", "0")
	gen, _, _ := strings.Cut(id, "-")
	for query, want := range map[string]struct {
		status int
		name   string
	}{
		"limit=5":                      {400, "invalid-request"},
		"before=" + id:                 {400, "invalid-request"},
		"poll=0&limit=5":               {400, "invalid-request"},
		"poll=1&limit=0":               {400, "invalid-request"},
		"poll=1&limit=-1":              {400, "invalid-request"},
		"poll=1&limit=100001":          {400, "invalid-request"},
		"poll=1&limit=5&limit=6":       {400, "invalid-request"},
		"poll=1&before=":               {400, "invalid-request"},
		"poll=1&before=x":              {400, "invalid-request"},
		"poll=1&before=1":              {400, "invalid-request"},
		"poll=1&before=" + gen + "-0":  {400, "invalid-request"},
		"poll=1&before=" + gen + "-01": {400, "invalid-request"},
		"poll=1&before=zzzzz-1":        {410, "gap"},
		"poll=1&before=" + gen + "-2":  {410, "gap"},
	} {
		refused(t, query, s.send(request{path: "/events/a?" + query}), want.status, want.name, "")
		form := request{method: "QUERY", path: "/events/a", body: query, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
		refused(t, query, s.send(form), want.status, want.name, "")
	}
	if a := s.send(request{path: "/events/a?poll=1&limit=1&before=" + url.QueryEscape(id)}); a.status != http.StatusOK {
		t.Errorf("%+v", a)
	}
}
