package logtest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

var gaps = []test{
	{"PositionOfAnotherGenerationIsReset", func(b *bench) {
		b.open(everything())
		b.put("a")
		for _, seq := range []uint64{0, 1, 5} {
			q := eventlog.Query{Selector: one("a"), After: eventlog.Position{Gen: "other", Seq: seq}}
			head := b.log.Head().Seq
			partial := b.gap(q, eventlog.Reset, head)
			b.noGap(partial)
			b.noGap(partial, b.put("a")) // new records only
		}
	}},
	{"PositionBeyondTheHeadIsRollback", func(b *bench) {
		b.open(everything())
		b.put("a")
		q := b.after(5, one("a"))
		partial := b.gap(q, eventlog.Rollback, 1)
		seq := b.put("a")
		b.noGap(partial, seq)
		b.gap(b.after(math.MaxUint64, one("a")), eventlog.Rollback, seq)
	}},
	{"TrimmedRecordsAreReportedExactlyToReadersOfTheirTopics", func(b *bench) {
		b.open(keep(rule("short/**", eventlog.Rule{Count: 2}), rule("**", eventlog.Rule{})))
		for range 5 {
			b.put("short/a") // 1 3 5 7 9, of which 7 and 9 stay
			b.put("long")    // 2 4 6 8 10
		}
		for after := range uint64(11) {
			q := b.after(after, one("short/a"))
			if after < 5 {
				partial := b.gap(q, eventlog.Trimmed, 5)
				b.noGap(partial, 7, 9)
			} else if _, found := b.pages(q); len(found) > 0 {
				b.Errorf("after %d: %v", after, found[0])
			}
			if _, found := b.pages(b.after(after, eventlog.Topics("long", "never"))); len(found) > 0 {
				b.Errorf("a topic that lost nothing, after %d: %v", after, found[0])
			}
		}
		partial := b.gap(b.after(0, eventlog.Topics("long", "short/a")), eventlog.Trimmed, 5)
		b.noGap(partial, 2, 4, 6, 7, 8, 9, 10)
	}},
	{"PatternsReportEveryGap", func(b *bench) {
		b.open(keep(rule("short/**", eventlog.Rule{Count: 1}), rule("**", eventlog.Rule{})))
		for range 3 {
			b.put("short/a")
			b.put("long")
		}
		for _, s := range []eventlog.Selector{matching("short/*"), matching("**"), matching("*/a"), eventlog.Everything()} {
			for after := range uint64(3) {
				q := b.after(after, s)
				partial := b.gap(q, eventlog.Trimmed, 3)
				records, more := b.pages(partial)
				if len(more) > 0 || len(records) == 0 {
					b.Errorf("after the gap was reported: %d records, %v", len(records), more)
				}
			}
			if _, found := b.pages(b.after(3, s)); len(found) > 0 {
				b.Errorf("after everything that was trimmed: %v", found[0])
			}
		}
		if _, found := b.pages(b.after(0, matching("long/**"))); len(found) > 0 {
			b.Logf("a pattern gets a gap although nothing is missing: %v", found[0]) // it may be
		}
	}},
	{"SupersededRecordsAreNoGap", func(b *bench) {
		b.open(keep(rule("**", eventlog.Rule{Latest: 1})))
		for range 5 {
			b.put("a")
			b.put("b")
		}
		b.noGap(b.after(0, one("a")), 9)
		b.noGap(b.after(0, eventlog.Topics("a", "b")), 9, 10)
		b.noGap(b.after(0, eventlog.Everything()), 9, 10)
		b.noGap(b.after(0, matching("*")), 9, 10)
	}},
	{"RecordOfAnotherSelectedTopicIsNoGap", func(b *bench) {
		b.open(keep(rule("short", eventlog.Rule{Count: 1}), rule("**", eventlog.Rule{})))
		b.put("short", "long")  // 1
		b.put("short", "other") // 2
		b.put("short", "long")  // 3
		b.put("short")          // 4: 1 to 3 are trimmed from short
		b.gap(b.after(0, one("short")), eventlog.Trimmed, 3)
		b.gap(b.after(0, eventlog.Topics("short", "long")), eventlog.Trimmed, 2)
		b.noGap(b.after(2, eventlog.Topics("short", "long")), 3, 4)
		b.noGap(b.after(0, eventlog.Topics("short", "long", "other")), 1, 2, 3, 4)
		b.noGap(b.after(0, one("long")), 1, 3)
		b.noGap(b.after(0, eventlog.Everything()), 1, 2, 3, 4)
	}},
	{"PartialReadsTheRestWithoutAnotherGap", func(b *bench) {
		b.open(keep(rule("short", eventlog.Rule{Count: 5}), rule("**", eventlog.Rule{})))
		for range 20 {
			b.put("long")
			b.put("short")
		}
		q := b.after(0, eventlog.Topics("long", "short"))
		q.Limit = 3
		records, found := b.pages(q)
		if len(found) != 1 || len(records) != 25 {
			b.Errorf("%d gaps, %d records, want 1 and 25", len(found), len(records))
		}
	}},
	{"TrimmingBetweenPagesIsReported", func(b *bench) {
		b.open(keep(rule("short", eventlog.Rule{Count: 2}), rule("**", eventlog.Rule{})))
		for range 4 {
			b.put("long")
			b.put("short")
		}
		q := b.after(0, eventlog.Topics("long", "short"))
		q.Limit = 2
		q = b.gap(q, eventlog.Trimmed, 4)
		q.After = b.read(q).Complete // 1 and 3
		b.put("short")               // 9, and 6 is trimmed
		b.gap(q, eventlog.Trimmed, 6)
	}},
	{"DeadTopicsAreLimitedByTheSizeOfTheirNames", func(b *bench) {
		const size, most = 1000, 80_000
		r := keep(rule("**", eventlog.Rule{Age: time.Second}))
		r.Bytes = most
		b.open(r)
		name := func(i int) string { return fmt.Sprintf("%0*d", size, i) }
		for i := range 20 {
			b.put(name(i)) // 1 to 20
		}
		b.clock.move(time.Minute)
		b.settle()
		b.put("last")
		b.settle()
		bounds, one := b.log.Bounds(), eventlog.DeadTopicSize(name(0))
		b.equal("dead topics", bounds.DeadTopics, most/8/one)
		b.equal("their bytes", bounds.DeadBytes, most/8/one*one)
		b.equal("floor", bounds.Floor, uint64(20-most/8/one))
		b.put(name(19)) // known again
		b.equal("dead topics", b.log.Bounds().DeadTopics, most/8/one-1)
	}},
	{"UnknownTopicHasAGapBelowTheFloor", func(b *bench) {
		r := keep(rule("short/**", eventlog.Rule{Age: time.Second}), rule("**", eventlog.Rule{}))
		r.Topics = 2
		b.open(r)
		for i := range 5 {
			b.put(fmt.Sprintf("short/%d", i)) // 1 to 5
		}
		b.put("long") // 6
		b.clock.move(time.Minute)
		b.settle()
		b.put("long") // 7
		floor := b.log.Bounds().Floor
		b.equal("floor", floor, uint64(3)) // short/0 to short/2 are forgotten
		b.gap(b.after(0, one("short/0")), eventlog.Trimmed, 3)
		b.gap(b.after(2, one("never")), eventlog.Trimmed, 3)
		b.noGap(b.after(3, one("never")))
		b.noGap(b.after(3, one("short/0")))
		b.gap(b.after(3, one("short/3")), eventlog.Trimmed, 4) // remembered, so exact
		b.gap(b.after(4, one("short/4")), eventlog.Trimmed, 5)
		b.noGap(b.after(5, one("short/4")))
		b.noGap(b.after(0, one("long")), 6, 7)
		seq := b.put("short/1") // known again
		b.gap(b.after(2, one("short/1")), eventlog.Trimmed, 3)
		b.noGap(b.after(3, one("short/1")), seq)
	}},
	{"DeadTopicBelowTheFloorIsForgottenAtOnce", func(b *bench) { // or what a log remembers would depend on which topic died first
		r := keep(rule("short/**", eventlog.Rule{Age: time.Second}), rule("**", eventlog.Rule{Age: 40 * time.Second}))
		r.Topics = 2
		b.open(r)
		b.put("long") // 1
		for i := range 3 {
			b.put(fmt.Sprintf("short/%d", i)) // 2 to 4
		}
		b.clock.move(39_500 * time.Millisecond)
		b.settle()
		b.put("short/1") // short/0 is forgotten, and short/2 is dead
		b.settle()
		b.equal("floor", b.log.Bounds().Floor, uint64(2))
		b.equal("dead topics", b.log.Bounds().DeadTopics, int64(1))
		b.clock.move(900 * time.Millisecond) // long dies
		b.settle()
		b.equal("events", b.log.Bounds().Events, int64(1))
		b.equal("dead topics", b.log.Bounds().DeadTopics, int64(1))
		b.gap(b.after(0, one("long")), eventlog.Trimmed, 2)
		b.gap(b.after(0, one("short/2")), eventlog.Trimmed, 4)
		seq := b.put("long") // known again
		b.gap(b.after(1, one("long")), eventlog.Trimmed, 2)
		b.noGap(b.after(2, one("long")), seq)
	}},
	{"QuietTopicHasNoGapWhenOthersAreTrimmed", func(b *bench) {
		b.open(keep(rule("busy", eventlog.Rule{Count: 1}), rule("**", eventlog.Rule{})))
		seq := b.put("quiet")
		for range 100 {
			b.put("busy")
		}
		b.noGap(b.after(0, one("quiet")), seq)
		b.noGap(b.after(seq, one("quiet")))
		b.noGap(b.after(seq+5, eventlog.Topics("quiet", "silent")))
	}},
	{"FilterDoesNotHideAGap", func(b *bench) {
		b.open(keep(rule("**", eventlog.Rule{Count: 1})))
		b.put("a")
		b.put("a")
		b.gap(b.after(0, one("a").Filter(func(*eventlog.Record) bool { return false })), eventlog.Trimmed, 1)
	}},
}

var retention = []test{
	{"FirstMatchingRuleWins", func(b *bench) {
		b.open(keep(rule("a/keep", eventlog.Rule{Count: 3}), rule("a/**", eventlog.Rule{Count: 1}), rule("**", eventlog.Rule{Latest: 2})))
		for range 5 {
			b.put("a/keep")
			b.put("a/x")
			b.put("b")
		}
		b.equal("a/keep", len(b.all(one("a/keep"))), 3)
		b.equal("a/x", len(b.all(one("a/x"))), 1)
		b.equal("b", len(b.all(one("b"))), 2)
	}},
	{"AgeTrimsOlderRecords", func(b *bench) {
		b.open(keep(rule("a", eventlog.Rule{Age: 10 * time.Second}), rule("**", eventlog.Rule{Age: time.Minute})))
		for range 6 {
			b.put("a", "b")
			b.clock.move(4 * time.Second)
		}
		b.settle() // 1 to 6 are 24, 20, 16, 12, 8 and 4 seconds old
		b.gap(b.after(0, one("a")), eventlog.Trimmed, 4)
		b.equal("a", b.numbers(one("a")), []uint64{5, 6})
		b.noGap(b.after(0, one("b")), seqs(1, 6)...)
		b.clock.move(2 * time.Second) // number 5 has just reached the age
		b.settle()
		b.equal("a", b.numbers(one("a")), []uint64{5, 6})
		b.clock.move(time.Millisecond)
		b.settle()
		b.equal("a", b.numbers(one("a")), []uint64{6})
		b.clock.move(time.Hour)
		b.settle()
		b.equal("everything", len(b.all(eventlog.Everything())), 0)
		b.equal("events", b.log.Bounds().Events, int64(0))
		b.gap(b.after(5, one("b")), eventlog.Trimmed, 6)
		b.noGap(b.after(6, one("b")))
	}},
	{"SupersededRecordsAreNoGapHoweverOld", func(b *bench) {
		b.open(keep(rule("**", eventlog.Rule{Latest: 1, Age: time.Hour})))
		for range 2 { // the first time without settling
			if _, err := b.log.Append(b.Context(), []eventlog.Record{event("a")}); err != nil {
				b.Fatal(err)
			}
			b.clock.move(40 * time.Minute)
		}
		b.settle()
		b.noGap(b.after(0, one("a")), 2)
	}},
	{"TotalLimitsTrimTheOldestWhateverTheirRule", func(b *bench) {
		size := int64((&eventlog.Record{Topics: []string{"a"}, Data: "a"}).Size())
		for _, r := range []*eventlog.Retention{{Bytes: -1, Events: 4}, {Events: -1, Bytes: 4*size + 1}} {
			r.Rules = keep(rule("**", eventlog.Rule{})).Rules
			b.open(r)
			for _, topic := range []string{"a", "b", "c", "a", "b", "c"} {
				b.put(topic)
			}
			b.equal("the remaining records", b.numbers(eventlog.Everything()), seqs(3, 6))
			b.gap(b.after(0, one("b")), eventlog.Trimmed, 2)
			b.noGap(b.after(0, one("c")), 3, 6)
		}
	}},
	{"ReservedTopicsAreNotTrimmedByTotalLimits", func(b *bench) {
		b.open(&eventlog.Retention{Bytes: -1, Events: 3, Rules: keep(rule("**", eventlog.Rule{})).Rules})
		b.put("$own")
		b.put("$own", "a") // 2
		for range 10 {
			b.put("a")
		}
		b.equal("the remaining records", b.numbers(eventlog.Everything()), []uint64{1, 2, 12})
		b.noGap(b.after(0, one("$own")), 1, 2)
		b.gap(b.after(0, one("a")), eventlog.Trimmed, 11)
		b.put("$own") // 13: the others are trimmed instead
		b.put("a")
		b.equal("the remaining records", b.numbers(eventlog.Everything()), []uint64{1, 2, 13})
		b.noGap(b.after(0, one("$own")), 1, 2, 13)
	}},
	{"ReservedTopicsKeepTheNewestRecords", func(b *bench) {
		b.open(nil)
		records := slices.Repeat([]eventlog.Record{event("$own")}, 10_000)
		b.append(records...)
		b.append(records[:3]...)
		b.clock.move(1000 * 24 * time.Hour)
		b.settle()
		b.noGap(b.after(0, one("$own")), seqs(4, 10_003)...)
	}},
	{"CountAndLatestIgnoreEnds", func(b *bench) {
		for _, kept := range []eventlog.Rule{{Count: 2}, {Latest: 2}} {
			b.open(keep(rule("**", kept)))
			for range 4 {
				b.put("a")
			}
			b.append(eventlog.Record{Topics: []string{"a"}, Flags: eventlog.End})
			b.equal("a", b.numbers(one("a")), []uint64{3, 4, 5})
		}
	}},
	{"RecordExistsWhileOneTopicKeepsIt", func(b *bench) {
		b.open(keep(rule("short", eventlog.Rule{Count: 1}), rule("latest", eventlog.Rule{Latest: 1}), rule("**", eventlog.Rule{Age: time.Minute})))
		b.put("short", "latest", "long") // 1
		b.put("short")                   // 2
		b.put("latest")                  // 3
		b.equal("short", b.numbers(one("short")), []uint64{2})
		b.equal("latest", b.numbers(one("latest")), []uint64{3})
		b.equal("long", b.numbers(one("long")), []uint64{1})
		b.equal("all of short and latest", b.numbers(eventlog.Topics("short", "latest")), []uint64{2, 3})
		b.equal("by pattern", b.numbers(matching("long/**")), []uint64{1})
		b.equal("events", b.log.Bounds().Events, int64(3))
		b.clock.move(time.Hour)
		b.settle()
		b.equal("events", b.log.Bounds().Events, int64(2))
		b.noGap(b.after(0, one("latest")), 3)
		b.gap(b.after(0, one("long")), eventlog.Trimmed, 1)
	}},
	{"DefaultRuleIsSevenDays", func(b *bench) {
		b.open(nil)
		b.put("a")
		b.clock.move(7 * 24 * time.Hour)
		b.settle()
		b.equal("after seven days", len(b.all(one("a"))), 1)
		b.clock.move(time.Second)
		b.settle()
		b.gap(b.after(0, one("a")), eventlog.Trimmed, 1)
	}},
}
