package eventlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
)

// One hub may get the records of a shared log one by one, another one all at once. Both must keep the same records. Trimming by
// bytes frees topic names, so it must not wait for the end of a batch.
func TestMirrorDecisionsDoNotDependOnBatches(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if flagged := *seedFlag; flagged != 0 {
		seed = flagged
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	options := &eventlog.MemoryOptions{Generation: "mirro", Retention: &eventlog.Retention{
		Events: 7, Keys: 3, Topics: 2,
		Rules: []eventlog.Rule{{Pattern: glob("a"), Count: 2}, {Pattern: glob("b"), Latest: 2}},
	}}
	now := time.Now()
	var records []eventlog.Record
	for i := range 400 {
		r := event(fmt.Sprint(i%2), string(rune('a'+rng.IntN(6))))
		r.Seq, r.Time = uint64(i+1), now
		if rng.IntN(4) == 0 {
			r.Flags = eventlog.End
		}
		if rng.IntN(3) == 0 {
			r.Key = string(rune('k' + rng.IntN(3)))
		}
		records = append(records, r)
	}
	one, all := newMemory(t, options), newMemory(t, options)
	var singly []eventlog.Receipt
	for i := range records {
		singly = append(singly, appendAt(t, one, records[i])...)
	}
	again := fmt.Sprintf("again: go test ./eventlog -run %s -memory.seed=%d", t.Name(), seed)
	if diff := cmp.Diff(singly, appendAt(t, all, records...)); diff != "" {
		t.Errorf("receipts: %s\n%s", diff, again)
	}
	if diff := cmp.Diff(one.Bounds(), all.Bounds()); diff != "" {
		t.Errorf("bounds: %s\n%s", diff, again)
	}
}

func appendAt(t *testing.T, m *eventlog.Memory, records ...eventlog.Record) []eventlog.Receipt {
	t.Helper()
	receipts, err := m.AppendAt(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	return receipts
}

// at returns a record with a number and the current time.
func at(seq uint64, r eventlog.Record) eventlog.Record {
	r.Seq, r.Time = seq, time.Date(2100, 1, 1, 0, 0, 0, int(seq)*int(time.Millisecond), time.UTC)
	return r
}

func TestRefusedMirrorCallStoresNothing(t *testing.T) {
	m := newMemory(t, nil)
	appendAt(t, m, at(10, event("", "t")))
	tests := map[string]struct {
		records []eventlog.Record
		index   int
	}{
		"at the head":     {[]eventlog.Record{at(10, event("", "t"))}, 0},
		"not rising":      {[]eventlog.Record{at(11, event("", "t")), at(12, event("", "t")), at(12, event("", "t"))}, 2},
		"no topic":        {[]eventlog.Record{at(11, event("", "t")), at(12, event(""))}, 1},
		"without numbers": {[]eventlog.Record{event("", "t")}, 0},
	}
	for name, test := range tests {
		_, err := m.AppendAt(t.Context(), test.records)
		refused, ok := errors.AsType[*eventlog.RecordError](err)
		if !ok || refused.Index != test.index || !errors.Is(err, eventlog.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	errs := map[string]error{
		"skip to the head":        m.Skip(t.Context(), 10, eventlog.Rollback),
		"skip without reason":     m.Skip(t.Context(), 11, ""),
		"generation":              m.SetGeneration(t.Context(), "?", 10),
		"generation in the air":   m.SetGeneration(t.Context(), "other", 11),
		"generation of the log's": m.SetGeneration(t.Context(), m.Head().Gen, 9),
	}
	for name, err := range errs {
		if !errors.Is(err, eventlog.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b := m.Bounds(); b.Events != 1 || b.Head.Seq != 10 {
		t.Errorf("%+v", b)
	}
}

// The test compares a log that was cut with one that never had more records. Everything that the latter returns, the cut log
// returns too, or it reports a gap. Records that were dropped must not have superseded others.
func TestNewGenerationLosesNothingSilently(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if flagged := *seedFlag; flagged != 0 {
		seed = flagged
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	options := &eventlog.MemoryOptions{
		Generation: "first", Now: func() time.Time { return time.UnixMilli(0) },
		Retention: &eventlog.Retention{Events: 20, Topics: 3, Rules: []eventlog.Rule{
			{Pattern: glob("a"), Latest: 2}, {Pattern: glob("b"), Count: 3}, {Pattern: glob("c"), Latest: 1},
		}},
	}
	for range 300 {
		cut, never := newMemory(t, options), newMemory(t, options)
		after := rng.Uint64N(30)
		for seq := uint64(1); seq <= 30; seq++ {
			r := event(fmt.Sprint(seq), "abcdefgh"[rng.IntN(4):][:1], "abcdefgh"[4+rng.IntN(4):][:1])
			if rng.IntN(10) == 0 {
				r.Flags = eventlog.End
			}
			appendAt(t, cut, at(seq, r))
			if seq <= after {
				appendAt(t, never, at(seq, r))
			}
		}
		for _, m := range []*eventlog.Memory{cut, never} {
			if err := m.SetGeneration(t.Context(), "other", after); err != nil {
				t.Fatal(err)
			}
		}
		if h := cut.Head(); h != never.Head() || h.Seq != after {
			t.Errorf("the head is %v", h)
		}
		for _, s := range []eventlog.Selector{
			eventlog.Everything(), eventlog.Select(nil, glob("*")), eventlog.Topics("z"),
			eventlog.Topics("a"), eventlog.Topics("b"),
			eventlog.Topics("a", "e"), eventlog.Topics("c", "f"), eventlog.Topics("d", "g"),
		} {
			from := rng.Uint64N(after + 1)
			got, want := dataAfter(t, cut, s, from), dataAfter(t, never, s, from)
			if got != want && !strings.Contains(got, "gap") {
				t.Errorf("%q, after %d of %d: got %q, without the cut %q\nagain: go test ./eventlog -run %s -memory.seed=%d",
					s.Names(), from, after, got, want, t.Name(), seed)
			}
		}
	}
}

func TestNewGenerationUndoesDroppedRecords(t *testing.T) {
	m := newMemory(t, &eventlog.MemoryOptions{Generation: "first"})
	keyed := func(key string) eventlog.Record {
		return eventlog.Record{Topics: []string{"keyed"}, Key: key, ID: "id"}
	}
	end := eventlog.Record{Topics: []string{"ended"}, Flags: eventlog.End}
	appendAt(t, m, at(1, keyed("old")), at(5, keyed("new")), at(6, end))
	if err := m.Skip(t.Context(), 10, eventlog.Corrupt); err != nil {
		t.Fatal(err)
	}
	<-m.Watch()
	if err := m.SetGeneration(t.Context(), "other", 2); err != nil {
		t.Fatal(err)
	}
	<-m.Watch()
	if b, want := m.Bounds().Head.String(), "other-2"; b != want {
		t.Errorf("the head is %s", b)
	}
	if got := dataAfter(t, m, eventlog.Everything(), 1); got != "" {
		t.Errorf("after the cut: %q", got)
	}
	if p, _, _ := m.Lookup(t.Context(), "id"); p.String() != "other-1" {
		t.Errorf("the publisher's id is at %v", p)
	}
	receipts := appendAt(t, m, at(3, keyed("old")), at(4, keyed("new")), at(5, event("again", "ended")))
	got := slices.Collect(func(yield func(string) bool) {
		for _, r := range receipts {
			if !yield(fmt.Sprint(r.Position, r.Duplicate, r.Refused, r.Time.Nanosecond())) {
				return
			}
		}
	})
	want := []string{"other-1 true <nil> 1000000", "other-4 false <nil> 4000000", "other-5 false <nil> 5000000"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	old := eventlog.Query{Selector: eventlog.Everything(), After: eventlog.Position{Gen: "first", Seq: 1}}
	_, err := m.Read(t.Context(), old)
	if gap, ok := errors.AsType[*eventlog.GapError](err); !ok || gap.Reason != eventlog.Reset || gap.To.String() != "other-5" {
		t.Errorf("a position of the first generation: %v", err)
	}
}

// After a cut, sequence numbers to which an age was already applied come again with other records.
func TestAgesApplyAfterACut(t *testing.T) {
	now := at(0, eventlog.Record{}).Time
	m := newMemory(t, &eventlog.MemoryOptions{
		Generation: "first", Now: func() time.Time { return now },
		Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: glob("t"), Age: 10 * time.Millisecond}}},
	})
	appendAt(t, m, at(1, event("1", "t")), at(2, event("2", "t", "u")), at(3, event("3", "t")))
	now = now.Add(time.Second)
	if got := dataAfter(t, m, eventlog.Topics("u"), 0); got != "2" || m.Bounds().Trimmed != 3 {
		t.Errorf("too old: %q, %+v", got, m.Bounds())
	}
	if err := m.SetGeneration(t.Context(), "other", 2); err != nil {
		t.Fatal(err)
	}
	appendAt(t, m, at(3, event("3", "t")))
	if got := m.Bounds(); got.Events != 1 || got.Trimmed != 3 {
		t.Errorf("after the cut: %+v", got)
	}
	if got := dataAfter(t, m, eventlog.Topics("t", "u"), 2); got != "trimmed gap to 3" {
		t.Errorf("after the cut: %q", got)
	}
}

// A hole that reaches beyond the cut keeps its part before the cut.
func TestCutShortensAHole(t *testing.T) {
	m := newMemory(t, &eventlog.MemoryOptions{Generation: "first"})
	for to, reason := range []eventlog.Reason{0: "", 4: eventlog.Rollback, 8: eventlog.Rollback, 12: eventlog.Corrupt} {
		if reason != "" {
			if err := m.Skip(t.Context(), uint64(to), reason); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := map[int]string{
		12: "corrupt gap to 12", 10: "corrupt gap to 10", 8: "rollback gap to 8", 5: "rollback gap to 5", 0: "",
	}
	for _, after := range []int{12, 10, 8, 5, 0} {
		if err := m.SetGeneration(t.Context(), eventlog.NewGeneration(), uint64(after)); err != nil {
			t.Fatal(err)
		}
		if got := dataAfter(t, m, eventlog.Topics("t"), 0); got != want[after] {
			t.Errorf("cut at %d: %s, want %s", after, got, want[after])
		}
		if b := m.Bounds(); b.Trimmed != uint64(after) {
			t.Errorf("cut at %d: trimmed up to %d", after, b.Trimmed)
		}
	}
}
