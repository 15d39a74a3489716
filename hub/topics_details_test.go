package hub_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// listedTopic is a topic in the answer of a hub.
type listedTopic struct {
	Topic string
	Last  string
	Time  time.Time
	Bytes *int64
	Keep  map[string]any
}

// listTopics returns a page of topics.
func (s *site) listTopics(query string) (topics []listedTopic, next string) {
	s.Helper()
	a := s.send(request{path: "/api/v1/topics?" + query})
	var page struct {
		Topics []listedTopic
		Next   string
	}
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != http.StatusOK {
		s.Fatalf("%s: %+v: %v", query, a, err)
	}
	return page.Topics, page.Next
}

// TestListedTopicsHaveTimeSizeAndRetention: the time is that of the newest event, and the rule is the first that matches.
func TestListedTopicsHaveTimeSizeAndRetention(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	var passed atomic.Int64 // seconds; the log reads the clock in other goroutines, too
	clock := func() time.Time { return start.Add(time.Duration(passed.Load()) * time.Second) }
	log := mustMemory(t, &eventlog.MemoryOptions{Now: clock, Retention: &eventlog.Retention{Rules: []eventlog.Rule{
		{Pattern: eventlog.MustPattern("state/*"), Latest: 1},
		{Pattern: eventlog.MustPattern("short"), Age: 90 * time.Minute, Count: 2},
		{Pattern: eventlog.MustPattern("state/**"), Age: 10 * time.Second},
	}}})
	s := serve(t, log, &hub.Options{}, transports[0])
	size := map[string]int64{}
	for i, topic := range []string{"state/a", "state/a", "short", "short", "short", "state/a/b", "other"} {
		passed.Add(1)
		r := eventlog.Record{Topics: []string{topic}, Data: strings.Repeat("x", 10*i)}
		s.post(topic, r.Data)
		size[topic] += int64(r.Size())
		if i == 1 {
			size[topic] = int64(r.Size()) // it supersedes the first
		}
		if i == 2 {
			size[topic] = 0 // trimmed by the fifth
		}
	}
	rules := map[string]string{
		"state/a":   `{"latest":1,"pattern":"state/*"}`,
		"short":     `{"age":"1h30m","count":2,"pattern":"short"}`,
		"state/a/b": `{"age":"10s","pattern":"state/**"}`,
		"other":     `{"age":"168h"}`,
	}
	seconds := map[string]int{"state/a": 2, "short": 5, "state/a/b": 6, "other": 7}
	topics, _ := s.listTopics("sizes=1")
	if len(topics) != len(rules) {
		t.Errorf("%+v", topics)
	}
	for _, one := range topics {
		rule, err := json.Marshal(one.Keep)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 11, 29, 12, 0, seconds[one.Topic], 0, time.UTC)
		if one.Bytes == nil || *one.Bytes != size[one.Topic] || string(rule) != rules[one.Topic] || !one.Time.Equal(at) {
			t.Errorf("%+v, %v bytes, want %d, %s, %v", one, one.Bytes, size[one.Topic], rules[one.Topic], at)
		}
	}
	if topics, _ = s.listTopics("pattern=other"); len(topics) != 1 || topics[0].Bytes != nil {
		t.Errorf("bytes without sizes=1: %+v", topics)
	}
}

// TestTopicsAreListedInBothDirections: also in pages.
func TestTopicsAreListedInBothDirections(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{}, transports[0])
	var all []string
	for i := range 7 {
		all = append(all, fmt.Sprint("t/", i))
		s.post(all[i], "x")
	}
	s.post("u", "x")
	for _, descending := range []string{"0", "1"} {
		for _, limit := range []int{1, 3, 7, 100} {
			var got []string
			for after, more := "", true; more; more = after != "" {
				topics, next := s.listTopics(fmt.Sprintf("pattern=t/*&descending=%s&limit=%d&after=%s", descending, limit, url.QueryEscape(after)))
				for _, one := range topics {
					got = append(got, one.Topic)
				}
				after = next
			}
			if !slices.Equal(got, all) {
				t.Errorf("descending=%s, limit=%d: %q", descending, limit, got)
			}
		}
		slices.Reverse(all)
	}
}
