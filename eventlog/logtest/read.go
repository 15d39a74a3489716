package logtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

var reading = []test{
	{"PageSizeDoesNotMatter", func(b *bench) {
		b.open(everything())
		for i := range 60 {
			b.append(eventlog.Record{Topics: []string{fmt.Sprintf("t/%d", i%4), "x"}[:1+i%2], Data: strings.Repeat("d", i)})
		}
		for _, s := range []eventlog.Selector{
			eventlog.Everything(), one("t/1"), eventlog.Topics("t/1", "t/3", "x"), matching("t/*"), matching("**"),
			eventlog.Select([]string{"x"}, eventlog.MustPattern("t/2")),
			eventlog.Everything().Filter(func(r *eventlog.Record) bool { return len(r.Data)%3 == 0 }),
		} {
			want := b.all(s)
			if len(want) == 0 || len(want) > 60 {
				b.Fatalf("%d records are selected", len(want))
			}
			for _, limit := range []int{1, 2, 3, 7, 59, 60, 61} {
				q := b.after(0, s)
				q.Limit = limit
				got, _ := b.pages(q)
				b.equal(fmt.Sprintf("pages of %d", limit), got, want)
				q.Bytes = 10 * limit
				got, _ = b.pages(q)
				b.equal(fmt.Sprintf("pages of %d bytes", q.Bytes), got, want)
			}
		}
	}},
	{"LimitAndBytesLimitAnAnswerAfterItsFirstRecord", func(b *bench) {
		b.open(everything())
		for range 5 {
			b.append(eventlog.Record{Topics: []string{"a"}, Data: strings.Repeat("x", 1000)})
		}
		for _, c := range []struct{ limit, bytes, want int }{{2, 0, 2}, {0, 1, 1}, {0, 2500, 2}, {3, 1 << 20, 3}, {0, 0, 5}} {
			q := b.after(0, one("a"))
			q.Limit, q.Bytes = c.limit, c.bytes
			a := b.read(q)
			b.equal(fmt.Sprintf("%+v", c), len(a.Records), c.want)
			if last := a.Records[len(a.Records)-1].Seq; a.Complete.Seq < last {
				b.Errorf("%+v: complete up to %v, before the last record", c, a.Complete)
			}
		}
	}},
	{"PositionAdvancesWhenNothingMatches", func(b *bench) {
		b.open(everything())
		for i := range 50 {
			b.put(fmt.Sprint("others/", i))
		}
		for _, s := range []eventlog.Selector{one("mine"), matching("mine/**"), eventlog.Topics()} {
			records, _ := b.pages(b.after(3, s))
			b.equal("records", len(records), 0)
			b.equal("complete", b.read(b.after(50, s)).Complete, b.log.Head())
		}
	}},
	{"RecordWithSeveralTopicsIsReadOnce", func(b *bench) {
		b.open(everything())
		want := []uint64{b.put("a", "b", "c"), b.put("c", "a")}
		b.put("other")
		for _, s := range []eventlog.Selector{eventlog.Topics("a", "b", "c"), matching("*"), eventlog.Everything(), eventlog.Topics("c", "a", "c")} {
			got := b.numbers(s)
			if len(got) > 2 {
				got = got[:2] // the other record
			}
			b.equal("numbers", got, want)
		}
	}},
	{"TopicsWithACommonPrefixAreDistinct", func(b *bench) {
		b.open(everything())
		names := []string{"a", "a\x00", "a\x00\x00", "a\x00\x01", "a\x00\xff", "a\x01", "a/", "a/b", "aa", "ab", "\x00", "\x00\x01", "\xff", "\xff\xff"}
		want := make(map[string][]uint64)
		for range 3 {
			for _, name := range names {
				want[name] = append(want[name], b.put(name))
			}
		}
		for _, name := range names {
			b.equal(fmt.Sprintf("%q", name), b.numbers(one(name)), want[name])
		}
		b.equal("prefix", b.numbers(matching("a/*")), slices.Sorted(slices.Values(append(slices.Clone(want["a/"]), want["a/b"]...))))
	}},
	{"PatternsSelectMatchingTopics", func(b *bench) {
		b.open(everything())
		names := []string{"a", "a/b", "a/b/c", "a//c", "b/b", "$own", "$own/b", "b"}
		for range 3 {
			for _, name := range names {
				b.put(name, name+"/also")
			}
		}
		for _, text := range []string{"a/*", "a/**", "*/b", "**", "a/*/c", "$own/**", "*"} {
			p := eventlog.MustPattern(text)
			var want []uint64
			for _, r := range b.all(eventlog.Everything()) {
				if slices.ContainsFunc(r.Topics, p.Match) {
					want = append(want, r.Seq)
				}
			}
			b.equal(text, b.numbers(matching(text)), want)
		}
	}},
	{"PatternFindsFewTopicsAmongMany", func(b *bench) {
		b.open(everything())
		var want []uint64
		for i := range 60 {
			batch := make([]eventlog.Record, 100)
			for j := range batch {
				batch[j] = event(fmt.Sprintf("others/%d/%d", i, j))
			}
			if i%20 == 7 {
				batch[50] = event("few/x")
			}
			receipts := b.append(batch...)
			if i%20 == 7 {
				want = append(want, receipts[50].Seq)
			}
		}
		b.equal("few", b.numbers(matching("few/*")), want)
		b.equal("few, in pages of one", func() []uint64 {
			q := b.after(0, matching("*/x"))
			q.Limit = 1
			records, _ := b.pages(q)
			return numbersOf(records)
		}(), want)
	}},
	{"FilterSeesNumberAndTime", func(b *bench) {
		b.open(everything())
		want := []uint64{b.put("a"), b.put("a")}[1:]
		got := b.numbers(one("a").Filter(func(r *eventlog.Record) bool { return r.Seq == 2 && !r.Time.IsZero() && r.Data == "a" }))
		b.equal("filtered", got, want)
	}},
	{"ZeroPositionIsBeforeEverything", func(b *bench) {
		b.open(everything())
		seq := b.put("a")
		b.noGap(eventlog.Query{Selector: one("a")}, seq)
	}},
	{"RecordsStayReadable", func(b *bench) {
		b.open(everything())
		var seen []eventlog.Record
		for range 30 {
			b.put("a")
			again := b.all(one("a"))
			b.equal("the records from before", again[:len(seen)], seen)
			seen = again
		}
	}},
	{"ReadEndsWithItsContext", func(b *bench) {
		b.open(everything())
		b.put("a")
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		if _, err := b.log.Read(ctx, b.after(0, one("a"))); !errors.Is(err, context.Canceled) {
			b.Errorf("Read: %v", err)
		}
		if _, err := b.log.Seek(ctx, one("a"), eventlog.Start{Last: 1}); !errors.Is(err, context.Canceled) {
			b.Errorf("Seek: %v", err)
		}
	}},
}

var seeking = []test{
	{"LastCountsOverAllTopics", func(b *bench) {
		b.open(everything())
		var all []uint64
		for i := range 40 {
			seq := b.put(fmt.Sprintf("t/%d", i%4), "both")
			if i%4 < 2 {
				all = append(all, seq)
			}
			b.put("other")
		}
		for _, n := range []int{1, 2, 5, 19, 20, 21, eventlog.MaxLast} {
			want := all[max(0, len(all)-n):]
			for _, s := range []eventlog.Selector{eventlog.Topics("t/0", "t/1"), eventlog.Select([]string{"t/0"}, eventlog.MustPattern("*/1"))} {
				b.begins(s, eventlog.Start{Last: n}, want...)
			}
		}
	}},
	{"LastBeforeAPositionPagesBackwards", func(b *bench) {
		b.open(everything())
		var all []uint64
		for i := range 40 {
			seq := b.put(fmt.Sprintf("t/%d", i%4))
			if i%4 < 2 {
				all = append(all, seq)
			}
			b.put("other")
		}
		odd := func(r *eventlog.Record) bool { return r.Topics[0] != "other" && r.Topics[0] < "t/2" }
		for _, s := range []eventlog.Selector{
			eventlog.Topics("t/0", "t/1"), eventlog.Select([]string{"t/0"}, eventlog.MustPattern("*/1")), eventlog.Everything().Filter(odd),
		} {
			for before, end := uint64(math.MaxUint64), len(all); end >= 0; end -= 3 {
				b.begins(s, eventlog.Start{Last: 3, Before: before}, all[max(0, end-3):]...)
				before = all[max(0, end-3)]
			}
			b.begins(s, eventlog.Start{Last: 2, Before: all[5]}, all[3:]...)
			b.begins(s, eventlog.Start{Last: 2, Before: all[5] + 1}, all[4:]...)
			b.begins(s, eventlog.Start{Last: 2, Before: all[0]}, all...)
			b.begins(s, eventlog.Start{Last: 2, Before: 1}, all...)
		}
	}},
	{"LastCountsFilteredRecords", func(b *bench) {
		b.open(everything())
		for i := range 30 {
			b.append(eventlog.Record{Topics: []string{"a"}, Data: strings.Repeat("x", i%3)})
		}
		short := func(r *eventlog.Record) bool { return r.Data == "" }
		b.begins(one("a").Filter(short), eventlog.Start{Last: 2}, 25, 28)
		b.begins(eventlog.Everything().Filter(short), eventlog.Start{Last: 3}, 22, 25, 28)
	}},
	{"SinceStartsAtTheFirstRecordOfThatTime", func(b *bench) {
		b.open(everything())
		start := b.clock.time()
		for range 10 {
			b.put("a")
			b.put("a")
			b.clock.move(10 * time.Second)
		}
		b.begins(one("a"), eventlog.Start{Since: start.Add(-time.Hour)}, seqs(1, 20)...)
		b.begins(one("a"), eventlog.Start{Since: start.Add(30 * time.Second)}, seqs(7, 20)...)
		b.begins(one("a"), eventlog.Start{Since: start.Add(30*time.Second + time.Nanosecond)}, seqs(9, 20)...)
		b.begins(eventlog.Everything(), eventlog.Start{Since: start.Add(85 * time.Second)}, 19, 20)
		b.begins(one("a"), eventlog.Start{Since: start.Add(time.Hour)})
		b.begins(one("a"), eventlog.Start{Since: time.Unix(1<<60, 0)}) // overflows milliseconds
		b.begins(one("a"), eventlog.Start{Since: time.Unix(-1<<60, 0)}, seqs(1, 20)...)
		b.begins(one("a"), eventlog.Start{}, seqs(1, 20)...)
	}},
	{"LossesBeforeTheStartAreNoGap", func(b *bench) {
		b.open(keep(rule("**", eventlog.Rule{Count: 4})))
		for range 10 {
			b.put("a")
		}
		for _, from := range []eventlog.Start{{}, {Last: 2}, {Last: 100}, {Since: b.clock.time().Add(-time.Hour)}} {
			q, err := b.log.Seek(b.Context(), one("a"), from)
			if err != nil {
				b.Fatal(err)
			}
			if _, gaps := b.pages(q); len(gaps) > 0 {
				b.Errorf("%+v: %v", from, gaps[0])
			}
		}
		q, err := b.log.Seek(b.Context(), one("a"), eventlog.Start{})
		if err != nil {
			b.Fatal(err)
		}
		b.put("a")
		b.gap(q, eventlog.Trimmed, 7)
	}},
	{"InvalidStartsAreRefused", func(b *bench) {
		b.open(everything())
		for _, c := range []struct {
			from eventlog.Start
			want error
		}{
			{eventlog.Start{Last: 1, Since: time.Now()}, eventlog.ErrInvalid},
			{eventlog.Start{Last: -1}, eventlog.ErrInvalid},
			{eventlog.Start{Last: eventlog.MaxLast + 1}, eventlog.ErrTooLarge},
		} {
			if _, err := b.log.Seek(b.Context(), one("a"), c.from); !errors.Is(err, c.want) {
				b.Errorf("%+v: %v, want %v", c.from, err, c.want)
			}
		}
	}},
}

// begins seeks, and compares the records read from there.
func (b *bench) begins(s eventlog.Selector, from eventlog.Start, want ...uint64) {
	b.Helper()
	q, err := b.log.Seek(b.Context(), s, from)
	if err != nil {
		b.Fatal(err)
	}
	b.noGap(q, want...)
}

func seqs(from, to uint64) (all []uint64) {
	for seq := from; seq <= to; seq++ {
		all = append(all, seq)
	}
	return all
}
