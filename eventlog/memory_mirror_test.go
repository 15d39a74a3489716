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

	. "github.com/tidings-sse/tidings/eventlog"
)

// TestAMirrorDecidesAlikeWhateverTheBatches: one hub gets the records of a shared log one by one, another one all at once,
// and they have to come to the same log. What bytes trim frees names, so it cannot wait for the end of a batch.
func TestAMirrorDecidesAlikeWhateverTheBatches(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if flagged := *seedFlag; flagged != 0 {
		seed = flagged
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	options := &MemoryOptions{Generation: "mirro", Retention: &Retention{
		Events: 7, Keys: 3, Topics: 2, Rules: []Rule{{Pattern: MustPattern("a"), Count: 2}, {Pattern: MustPattern("b"), Latest: 2}},
	}}
	now := time.Now()
	var records []Record
	for i := range 400 {
		r := Record{Seq: uint64(i + 1), Time: now, Topics: []string{string(rune('a' + rng.IntN(6)))}, Data: fmt.Sprint(i % 2)}
		if rng.IntN(4) == 0 {
			r.Flags = End
		}
		if rng.IntN(3) == 0 {
			r.Key = string(rune('k' + rng.IntN(3)))
		}
		records = append(records, r)
	}
	one, all := newMemory(t, options), newMemory(t, options)
	var singly []Receipt
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

func appendAt(t *testing.T, m *Memory, records ...Record) []Receipt {
	t.Helper()
	receipts, err := m.AppendAt(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	return receipts
}

// at returns a record with a number, and a time at which none is too old for a while.
func at(seq uint64, r Record) Record {
	r.Seq, r.Time = seq, time.Date(2100, 1, 1, 0, 0, 0, int(seq)*int(time.Millisecond), time.UTC)
	return r
}

func TestWhatAMirrorRefusesStoresNothing(t *testing.T) {
	m := newMemory(t, nil)
	appendAt(t, m, at(10, event("", "t")))
	tests := map[string]struct {
		records []Record
		index   int
	}{
		"at the head":     {[]Record{at(10, event("", "t"))}, 0},
		"not rising":      {[]Record{at(11, event("", "t")), at(12, event("", "t")), at(12, event("", "t"))}, 2},
		"no topic":        {[]Record{at(11, event("", "t")), at(12, event(""))}, 1},
		"without numbers": {[]Record{event("", "t")}, 0},
	}
	for name, test := range tests {
		_, err := m.AppendAt(t.Context(), test.records)
		refused, ok := errors.AsType[*RecordError](err)
		if !ok || refused.Index != test.index || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	errs := map[string]error{
		"skip to the head":        m.Skip(t.Context(), 10, Rollback),
		"skip without reason":     m.Skip(t.Context(), 11, ""),
		"generation":              m.SetGeneration(t.Context(), "?", 10),
		"generation in the air":   m.SetGeneration(t.Context(), "other", 11),
		"generation of the log's": m.SetGeneration(t.Context(), m.Head().Gen, 9),
	}
	for name, err := range errs {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b := m.Bounds(); b.Events != 1 || b.Head.Seq != 10 {
		t.Errorf("%+v", b)
	}
}

// TestANewGenerationLosesNothingSilently compares a log that was cut with one that never had more: what that one
// would give, the cut one gives too, or says that it cannot. It must not let a record be superseded by one that goes.
func TestANewGenerationLosesNothingSilently(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if flagged := *seedFlag; flagged != 0 {
		seed = flagged
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	options := &MemoryOptions{
		Generation: "first", Now: func() time.Time { return time.UnixMilli(0) },
		Retention: &Retention{Events: 20, Topics: 3, Rules: []Rule{
			{Pattern: MustPattern("a"), Latest: 2}, {Pattern: MustPattern("b"), Count: 3}, {Pattern: MustPattern("c"), Latest: 1},
		}},
	}
	for range 300 {
		cut, never := newMemory(t, options), newMemory(t, options)
		after := rng.Uint64N(30)
		for seq := uint64(1); seq <= 30; seq++ {
			r := event(fmt.Sprint(seq), "abcdefgh"[rng.IntN(4):][:1], "abcdefgh"[4+rng.IntN(4):][:1])
			if rng.IntN(10) == 0 {
				r.Flags = End
			}
			appendAt(t, cut, at(seq, r))
			if seq <= after {
				appendAt(t, never, at(seq, r))
			}
		}
		for _, m := range []*Memory{cut, never} {
			if err := m.SetGeneration(t.Context(), "other", after); err != nil {
				t.Fatal(err)
			}
		}
		if h := cut.Head(); h != never.Head() || h.Seq != after {
			t.Errorf("the head is %v", h)
		}
		for _, s := range []Selector{
			Everything(), Topics("a"), Topics("a", "e"), Topics("b"), Topics("c", "f"), Topics("d", "g"),
			Select(nil, MustPattern("*")), Topics("z"),
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

func TestANewGenerationUndoesWhatItDrops(t *testing.T) {
	m := newMemory(t, &MemoryOptions{Generation: "first"})
	keyed := func(key string) Record { return Record{Topics: []string{"keyed"}, Key: key, ID: "id"} }
	appendAt(t, m, at(1, keyed("old")), at(5, keyed("new")), at(6, Record{Topics: []string{"ended"}, Flags: End}))
	if err := m.Skip(t.Context(), 10, Corrupt); err != nil {
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
	if got := dataAfter(t, m, Everything(), 1); got != "" {
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
	if diff := cmp.Diff([]string{"other-1 true <nil> 1000000", "other-4 false <nil> 4000000", "other-5 false <nil> 5000000"}, got); diff != "" {
		t.Error(diff)
	}
	_, err := m.Read(t.Context(), Query{Selector: Everything(), After: Position{Gen: "first", Seq: 1}})
	if gap, ok := errors.AsType[*GapError](err); !ok || gap.Reason != Reset || gap.To.String() != "other-5" {
		t.Errorf("a position of the first generation: %v", err)
	}
}

// TestAgesGoOnAfterACut: what had been looked at for its age comes again with other records.
func TestAgesGoOnAfterACut(t *testing.T) {
	now := at(0, Record{}).Time
	m := newMemory(t, &MemoryOptions{
		Generation: "first", Now: func() time.Time { return now },
		Retention: &Retention{Rules: []Rule{{Pattern: MustPattern("t"), Age: 10 * time.Millisecond}}},
	})
	appendAt(t, m, at(1, event("1", "t")), at(2, event("2", "t", "u")), at(3, event("3", "t")))
	now = now.Add(time.Second)
	if got := dataAfter(t, m, Topics("u"), 0); got != "2" || m.Bounds().Trimmed != 3 {
		t.Errorf("too old: %q, %+v", got, m.Bounds())
	}
	if err := m.SetGeneration(t.Context(), "other", 2); err != nil {
		t.Fatal(err)
	}
	appendAt(t, m, at(3, event("3", "t")))
	if got := m.Bounds(); got.Events != 1 || got.Trimmed != 3 {
		t.Errorf("after the cut: %+v", got)
	}
	if got := dataAfter(t, m, Topics("t", "u"), 2); got != "trimmed gap to 3" {
		t.Errorf("after the cut: %q", got)
	}
}

// TestACutShortensAHole: of a hole that reaches beyond the new generation's beginning, the part before it remains.
func TestACutShortensAHole(t *testing.T) {
	m := newMemory(t, &MemoryOptions{Generation: "first"})
	for to, reason := range []Reason{0: "", 4: Rollback, 8: Rollback, 12: Corrupt} {
		if reason != "" {
			if err := m.Skip(t.Context(), uint64(to), reason); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := map[int]string{12: "corrupt gap to 12", 10: "corrupt gap to 10", 8: "rollback gap to 8", 5: "rollback gap to 5", 0: ""}
	for _, after := range []int{12, 10, 8, 5, 0} {
		if err := m.SetGeneration(t.Context(), NewGeneration(), uint64(after)); err != nil {
			t.Fatal(err)
		}
		if got := dataAfter(t, m, Topics("t"), 0); got != want[after] {
			t.Errorf("cut at %d: %s, want %s", after, got, want[after])
		}
		if b := m.Bounds(); b.Trimmed != uint64(after) {
			t.Errorf("cut at %d: trimmed up to %d", after, b.Trimmed)
		}
	}
}
