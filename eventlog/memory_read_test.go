package eventlog_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
)

// TestFilterMayCallTheLog: filters are called without the log's lock; with it, this test would deadlock.
func TestFilterMayCallTheLog(t *testing.T) {
	m := newMemory(t, nil)
	appendTo(t, m, event("a", "t"), event("b", "t"))
	s := eventlog.Topics("t").Filter(func(r *eventlog.Record) bool {
		appendTo(t, m, event("c", "u"))
		return m.Bounds().Events > 2 && r.Data == "b"
	})
	answer, err := m.Read(t.Context(), eventlog.Query{Selector: s})
	if err != nil || len(answer.Records) != 1 || answer.Complete.Seq < 2 {
		t.Errorf("read: %+v, %v", answer, err)
	}
	if q, err := m.Seek(t.Context(), s, eventlog.Start{Last: 1}); err != nil || q.After.Seq != 1 {
		t.Errorf("seek: %+v, %v", q, err)
	}
}

// TestReadEndsBeforeRecordsTrimmedMeanwhile: while a slow filter runs, records that it has not seen may be trimmed. The answer then ends
// before them, and the next Read returns the gap.
func TestReadEndsBeforeRecordsTrimmedMeanwhile(t *testing.T) {
	m := newMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{Events: 1000}})
	for range 1000 {
		appendTo(t, m, event("", "t"))
	}
	seen := uint64(0)
	q := eventlog.Query{Limit: 1, Selector: eventlog.Topics("t").Filter(func(r *eventlog.Record) bool {
		if seen = r.Seq; r.Seq == 100 {
			for range 500 {
				appendTo(t, m, event("", "u"))
			}
		}
		return false
	})}
	answer, err := m.Read(t.Context(), q)
	if err != nil || len(answer.Records) > 0 || answer.Complete.Seq != seen || seen >= 500 {
		t.Fatalf("%+v after record %d, %v", answer, seen, err)
	}
	q.After = answer.Complete
	_, err = m.Read(t.Context(), q)
	if gap, ok := errors.AsType[*eventlog.GapError](err); !ok || gap.To.Seq != 500 {
		t.Errorf("the next: %v", err)
	}
}

// TestPatternsOfManyTopicsReportEveryLoss: with many topics the log does not check each of them: a loss in any topic counts. The records in
// the answer are still exactly those that match.
func TestPatternsOfManyTopicsReportEveryLoss(t *testing.T) {
	m := newMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{
		Rules:  []eventlog.Rule{{Pattern: glob("one"), Count: 1}},
		Events: -1, Bytes: -1,
	}})
	batch := []eventlog.Record{event("lost", "one"), event("kept", "one"), event("oldest", "many/0/x")}
	for i := range 100_000 {
		batch = append(batch, event(fmt.Sprint(i), fmt.Sprint("many/", i)))
	}
	appendTo(t, m, append(batch, event("newest", "many/0/y"))...)
	for pattern, want := range map[string]string{
		"many/*":     "trimmed gap to 1",
		"*":          "trimmed gap to 1",
		"many/777/*": "",
		"many/777":   "777",
		"many/0/*":   "oldest newest",
	} {
		if got := dataAfter(t, m, eventlog.Select(nil, glob(pattern)), 0); got != want {
			t.Errorf("%s: %.100s, want %s", pattern, got, want)
		}
	}
	s := eventlog.Select([]string{"many/99999"}, glob("*/0/*"))
	if got := dataAfter(t, m, s, 1); got != "oldest 99999 newest" {
		t.Errorf("through the whole log: %q", got)
	}
	for n, after := range []uint64{0: 0, 1: 100_003, 2: 100_002, 3: 2, 4: 0} {
		if q, err := m.Seek(t.Context(), s, eventlog.Start{Last: n}); q.After.Seq != after || err != nil {
			t.Errorf("seek the last %d: %v, %v, want %d", n, q.After, err, after)
		}
	}
}

// TestScanAndMergeFindTheSame: in a long log, a read by pattern chooses between scanning and merging.
func TestScanAndMergeFindTheSame(t *testing.T) {
	m := newMemory(t, nil)
	var all []eventlog.Record
	for i := range 6000 {
		r := event(fmt.Sprint(i), fmt.Sprint("a/", i*i%31), fmt.Sprint("b/", i%1000, "/x"))
		all = append(all, r)
		all[i].Seq = appendTo(t, m, r)[0].Seq
	}
	for _, s := range []eventlog.Selector{
		eventlog.Select(nil, glob("a/*")),
		eventlog.Select(nil, glob("b/7/*"), glob("b/**")),
		eventlog.Select([]string{"a/4", "b/7/x"}, glob("b/7/*")),
		eventlog.Select([]string{"a/5"}, glob("*/6/*"), glob("b/600/*")),
		eventlog.Select([]string{"none"}, glob("none/*")),
		eventlog.Topics("a/1", "a/2", "b/999/x"),
		eventlog.Select(nil, glob("b/70/*")).Filter(func(r *eventlog.Record) bool { return r.Seq > 1500 }),
	} {
		want := []string{}
		for i := range all {
			if s.MatchRecord(&all[i]) {
				want = append(want, all[i].Data)
			}
		}
		if diff := cmp.Diff(strings.Join(want, " "), dataAfter(t, m, s, 0)); diff != "" {
			t.Errorf("%v: %s", s.Names(), diff)
		}
		for _, n := range []int{1, 2, 3, 50, 500, 5000} {
			q, err := m.Seek(t.Context(), s, eventlog.Start{Last: n})
			if err != nil {
				t.Fatal(err)
			}
			last := strings.Join(want[max(len(want)-n, 0):], " ")
			if diff := cmp.Diff(last, dataAfter(t, m, s, q.After.Seq)); diff != "" {
				t.Errorf("%v, the last %d: %s", s.Names(), n, diff)
			}
		}
	}
}

// BenchmarkMemoryRead measures a Read of ten records, by name and by pattern, in logs of several sizes. The cost should be the same.
func BenchmarkMemoryRead(b *testing.B) {
	m, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: &eventlog.Retention{
		Rules: []eventlog.Rule{{Pattern: glob("one"), Count: 1}},
	}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 90_000 {
		records := []eventlog.Record{event("some data", fmt.Sprint("a/", i/10, "/x")), event("", "one")}
		if _, err := m.Append(b.Context(), records); err != nil {
			b.Fatal(err)
		}
	}
	for name, s := range map[string]eventlog.Selector{
		"name":    eventlog.Topics("a/8000/x"),
		"pattern": eventlog.Select(nil, glob("a/8000/*")),
		"scan":    eventlog.Select(nil, glob("*/8000/*")),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				answer, err := m.Read(b.Context(), eventlog.Query{Selector: s})
				if err != nil || len(answer.Records) != 10 {
					b.Fatal(len(answer.Records), err)
				}
			}
		})
	}
}

// countingMatcher matches nothing and counts the calls of Match.
type countingMatcher struct{ asked *int }

func (countingMatcher) Prefix() string        { return "" }
func (m countingMatcher) Match(_ string) bool { *m.asked++; return false }

// TestManyMatchersDoNotDelayAppends: the work of a Read under the lock is limited. Each topic and record counts once for every matcher that
// is asked about it.
func TestManyMatchersDoNotDelayAppends(t *testing.T) {
	m := newMemory(t, nil)
	var all []eventlog.Record
	for i := range 60_000 {
		all = append(all, event("x", fmt.Sprint("t/", i%30_000)))
	}
	appendTo(t, m, all...)
	for _, n := range []int{1, 1000} {
		asked := 0
		q := eventlog.Query{Selector: eventlog.Select(nil, slices.Repeat([]eventlog.Matcher{countingMatcher{&asked}}, n)...)}
		most := 0
		for q.After != m.Head() {
			asked = 0
			complete, err := m.Page(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			q.After, most = complete, max(most, asked)
		}
		if most > 1_000_000 {
			t.Errorf("%d matchers are asked %d times under the lock", n, most)
		}
	}
}
