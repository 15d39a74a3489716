package disklog_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestLargeCutIsAtomic: Pebble limits a batch to 4 GiB, so SetGeneration uses many batches. Their intermediate states must not be visible.
func TestLargeCutIsAtomic(t *testing.T) {
	t.Parallel()
	o, _ := stillOptions(rule("latest/*", eventlog.Rule{Latest: 2}), rule("count/*", eventlog.Rule{Count: 3}))
	o.SetChunk(1 << 10)
	log := mustOpen(t, "log", o)
	kinds := []string{"latest/%d", "count/%d", "all/%d"}
	topics := func(i int) []string {
		return []string{fmt.Sprintf(kinds[i%3], i%11), fmt.Sprintf("other/%d", i%7)}
	}
	record := func(i int) eventlog.Record {
		return eventlog.Record{Topics: topics(i), Data: fmt.Sprint(i), Key: fmt.Sprint(i), ID: fmt.Sprint("id", i%5)}
	}
	const n, after = 1000, 350
	for i := 1; i <= n; i++ {
		mustAppend(t, log, record(i))
	}
	if err := log.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	for gen, at := range map[string]uint64{"first": after, "again": after} {
		if err := log.SetGeneration(t.Context(), gen, at); err != nil {
			t.Fatal(err)
		}
	}
	if b := log.Bounds(); b.Events != after || b.Head.Seq != after {
		t.Fatalf("%+v", b)
	}
	// Use the same numbers again under other topics: leftovers of the old records would name them.
	for i := after + 1; i <= n; i++ {
		r := record(i)
		r.Topics = []string{fmt.Sprint("new/", i%13)}
		if receipt := mustAppend(t, log, r)[0]; receipt.Duplicate || receipt.Seq != uint64(i) {
			t.Fatalf("%d: %+v", i, receipt)
		}
	}
	for i := range 3 * 11 * 7 {
		for _, topic := range topics(i) {
			q := eventlog.Query{Selector: eventlog.Topics(topic), Told: n}
			for _, r := range mustRead(t, log, q).Records {
				if r.Seq > after {
					t.Fatalf("%s has %d", topic, r.Seq)
				}
			}
		}
	}
	if err := log.SetGeneration(t.Context(), "empty", 0); err != nil {
		t.Fatal(err)
	}
	if b := log.Bounds(); b != (eventlog.Bounds{Head: eventlog.Position{Gen: "empty"}}) {
		t.Errorf("an empty log has %+v", b)
	}
	if r := mustAppend(t, log, record(1))[0]; r.Duplicate || r.Seq != 1 {
		t.Errorf("%+v", r)
	}
}

// TestCutLeavesNothingBehind: a topic may have trimmed a record after the cut that another topic keeps. Its state must not stay after the
// cut. Otherwise readers get gaps beyond the head and no gaps for losses, and the count of dead topics becomes wrong.
func TestCutLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(repeatable(t), 1))
	rounds := 40
	if raced {
		rounds = 4
	}
	for range rounds {
		o, _ := stillOptions(
			rule("count/*", eventlog.Rule{Count: 1 + r.IntN(3)}), rule("latest/*", eventlog.Rule{Latest: 1 + r.IntN(3)}), rule("**", eventlog.Rule{}))
		o.SetFS(nil)
		o.Retention.Topics = 1 + r.IntN(5)
		o.SetChunk([]int{100, 1000, 1 << 20}[r.IntN(3)])
		dir := filepath.Join(t.TempDir(), "log")
		log, err := disklog.Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		topic := func() string { return fmt.Sprintf("%s/%d", []string{"count", "latest", "all"}[r.IntN(3)], r.IntN(4)) }
		for gen := range 3 {
			for i := range 60 {
				rec := eventlog.Record{Topics: []string{topic()}, Data: fmt.Sprint(gen, i)}
				if other := topic(); other != rec.Topics[0] && r.IntN(2) == 0 {
					rec.Topics = append(rec.Topics, other)
				}
				if r.IntN(4) == 0 {
					rec.Key, rec.ID = fmt.Sprint(gen, i), fmt.Sprint(i%3)
				}
				mustAppend(t, log, rec)
				if r.IntN(20) == 0 {
					if err := log.Trim(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := log.SetGeneration(t.Context(), fmt.Sprint("gen0", gen), log.Head().Seq-uint64(r.IntN(60))); err != nil {
				t.Fatal(err)
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			mustPassCheck(t, dir)
			if t.Failed() {
				return
			}
			if log, err = disklog.Open(dir, o); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// mustPassCheck checks all data in a directory.
func mustPassCheck(t *testing.T, dir string) {
	t.Helper()
	i, err := disklog.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Check(t.Context(), func(p disklog.Problem) { t.Error(p) }); err != nil {
		t.Error(err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}
