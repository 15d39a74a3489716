package eventlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
)

// TestMirrorDecisionsDoNotDependOnCalls: one hub may get the batches of a shared log one by one, another all at once. Both must keep the same
// records.
func TestMirrorDecisionsDoNotDependOnCalls(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if flagged := *seedFlag; flagged != 0 {
		seed = flagged
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	options := &eventlog.MemoryOptions{Retention: &eventlog.Retention{
		Events: 7, Keys: 3, Topics: 2,
		Rules: []eventlog.Rule{{Pattern: glob("a"), Count: 2}, {Pattern: glob("b"), Latest: 2}, {Pattern: glob("c"), Age: 10 * time.Millisecond}},
	}}
	now := time.Now()
	var batches []eventlog.Batch
	for i := range 400 {
		r := event(fmt.Sprint(i%2), string(rune('a'+rng.IntN(6))))
		if rng.IntN(4) == 0 {
			r.Flags = eventlog.End
		}
		if rng.IntN(3) == 0 {
			r.Key = string(rune('k' + rng.IntN(3)))
		}
		if rng.IntN(50) == 0 {
			now = now.Add(8 * 24 * time.Hour)
		}
		batches = append(batches, eventlog.Batch{First: uint64(i + 1), Time: now.Add(time.Duration(i) * time.Millisecond), Records: []eventlog.Record{r}})
	}
	now = time.Time{}
	options.Now = func() time.Time { return now }
	one, all := newMirror(t, options), newMirror(t, options)
	var singly []eventlog.Outcome
	for _, b := range batches {
		singly = append(singly, apply(t, one, b)...)
	}
	again := fmt.Sprintf("again: go test ./eventlog -run %s -memory.seed=%d", t.Name(), seed)
	if diff := cmp.Diff(singly, apply(t, all, batches...)); diff != "" {
		t.Errorf("outcomes: %s\n%s", diff, again)
	}
	if diff := cmp.Diff(one.Bounds(), all.Bounds()); diff != "" {
		t.Errorf("bounds: %s\n%s", diff, again)
	}
}

// newMirror returns an empty mirror of generation "first".
func newMirror(t *testing.T, o *eventlog.MemoryOptions) *eventlog.Memory {
	t.Helper()
	var options eventlog.MemoryOptions
	if o != nil {
		options = *o
	}
	options.Mirror = true
	m := newMemory(t, &options)
	if err := m.SetGeneration(t.Context(), "first", 0); err != nil {
		t.Fatal(err)
	}
	<-m.Watch()
	return m
}

func apply(t *testing.T, m *eventlog.Memory, batches ...eventlog.Batch) []eventlog.Outcome {
	t.Helper()
	outcomes, err := m.Apply(t.Context(), batches, nil)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

// at returns a batch of one record, with a number and a time that belongs to it.
func at(seq uint64, r eventlog.Record) eventlog.Batch {
	return eventlog.Batch{First: seq, Time: time.Date(2100, 1, 1, 0, 0, 0, int(seq)*int(time.Millisecond), time.UTC), Records: []eventlog.Record{r}}
}

func TestRefusedMirrorCallStoresNothing(t *testing.T) {
	m := newMirror(t, nil)
	apply(t, m, at(10, event("", "t")))
	for name, batches := range map[string][]eventlog.Batch{
		"at the head":     {at(10, event("", "t"))},
		"not rising":      {at(11, event("", "t")), at(12, event("", "t")), at(12, event("", "t"))},
		"without numbers": {{Time: time.Now(), Records: []eventlog.Record{event("", "t")}}},
		"without a time":  {{First: 11, Records: []eventlog.Record{event("", "t")}}},
	} {
		if outcomes, err := m.Apply(t.Context(), batches, func([]eventlog.Outcome) []byte { return []byte("state") }); outcomes != nil || !errors.Is(err, eventlog.ErrInvalid) {
			t.Errorf("%s: %v, %v", name, outcomes, err)
		}
	}
	errs := map[string]error{
		"skip to the head":        m.Skip(t.Context(), 10, eventlog.Rollback),
		"skip without reason":     m.Skip(t.Context(), 11, ""),
		"generation":              m.SetGeneration(t.Context(), "?", 10),
		"generation after head":   m.SetGeneration(t.Context(), "other", 11),
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
	if state, err := m.State(t.Context()); state != nil || err != nil {
		t.Errorf("the state is %q, %v", state, err)
	}
	if _, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true, Generation: "first"}); !errors.Is(err, eventlog.ErrInvalid) {
		t.Errorf("a mirror with a generation of its own: %v", err)
	}
}

// TestNewGenerationLosesNothingSilently compares a log that was cut with a log that never had more records. The cut log returns every record
// that the other returns, or reports a gap. Dropped records must not have superseded others.
func TestNewGenerationLosesNothingSilently(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if flagged := *seedFlag; flagged != 0 {
		seed = flagged
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	options := &eventlog.MemoryOptions{
		Now: func() time.Time { return time.UnixMilli(0) },
		Retention: &eventlog.Retention{Events: 20, Topics: 3, Rules: []eventlog.Rule{
			{Pattern: glob("a"), Latest: 2}, {Pattern: glob("b"), Count: 3}, {Pattern: glob("c"), Latest: 1},
		}},
	}
	for range 300 {
		cut, never := newMirror(t, options), newMirror(t, options)
		after := rng.Uint64N(30)
		for seq := uint64(1); seq <= 30; seq++ {
			r := event(fmt.Sprint(seq), "abcdefgh"[rng.IntN(4):][:1], "abcdefgh"[4+rng.IntN(4):][:1])
			if rng.IntN(10) == 0 {
				r.Flags = eventlog.End
			}
			apply(t, cut, at(seq, r))
			if seq <= after {
				apply(t, never, at(seq, r))
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
	m := newMirror(t, nil)
	keyed := func(key string) eventlog.Record {
		return eventlog.Record{Topics: []string{"keyed"}, Key: key, ID: "id"}
	}
	end := eventlog.Record{Topics: []string{"ended"}, Flags: eventlog.End}
	apply(t, m, at(1, keyed("old")), at(5, keyed("new")), at(6, end))
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
	outcomes := apply(t, m, at(3, keyed("old")), at(4, keyed("new")), at(5, event("again", "ended")))
	var got []string
	for _, o := range outcomes {
		r := o.Receipts[0]
		got = append(got, fmt.Sprint(r.Position, r.Duplicate, o.Err, r.Time.Nanosecond()))
	}
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

// TestAgesApplyAfterACut: after a cut, new records get the sequence numbers of records to which an age was already applied.
func TestAgesApplyAfterACut(t *testing.T) {
	now := at(0, eventlog.Record{}).Time
	m := newMirror(t, &eventlog.MemoryOptions{
		Now:       func() time.Time { return now },
		Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: glob("t"), Age: 10 * time.Millisecond}}},
	})
	apply(t, m, at(1, event("1", "t")), at(2, event("2", "t", "u")), at(3, event("3", "t")))
	now = now.Add(time.Second)
	if got := dataAfter(t, m, eventlog.Topics("u"), 0); got != "2" || m.Bounds().Trimmed != 3 {
		t.Errorf("too old: %q, %+v", got, m.Bounds())
	}
	if err := m.SetGeneration(t.Context(), "other", 2); err != nil {
		t.Fatal(err)
	}
	apply(t, m, at(3, event("3", "t")))
	if got := m.Bounds(); got.Events != 1 || got.Trimmed != 3 {
		t.Errorf("after the cut: %+v", got)
	}
	if got := dataAfter(t, m, eventlog.Topics("t", "u"), 2); got != "trimmed gap to 3" {
		t.Errorf("after the cut: %q", got)
	}
}

// TestCutShortensAHole: a hole that reaches beyond the cut keeps its part before the cut.
func TestCutShortensAHole(t *testing.T) {
	m := newMirror(t, nil)
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
