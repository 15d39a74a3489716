package logtest

import (
	"errors"
	"math"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// mirror returns a log as a Mirror. If it is none and need not be one, the test ends.
func (b *bench) mirror(r *eventlog.Retention) (eventlog.Mirror, bool) {
	b.Helper()
	b.open(r)
	m, ok := b.log.(eventlog.Mirror)
	if !ok && b.Mirror {
		b.Fatalf("%T is no eventlog.Mirror", b.log)
	}
	return m, ok
}

// record returns a record with a position of its own.
func (b *bench) record(seq uint64, topics ...string) eventlog.Record {
	r := event(topics...)
	r.Seq, r.Time = seq, b.clock.time()
	return r
}

var mirroring = []test{
	{"MirrorStoresAtGivenPositions", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		later := b.record(20, "a")
		later.Time = later.Time.Add(-time.Hour) // the clock of another hub may be behind
		receipts, err := m.AppendAt(b.Context(), []eventlog.Record{b.record(7, "a"), b.record(9, "b"), later})
		if err != nil {
			b.Fatal(err)
		}
		b.equal("positions", []uint64{receipts[0].Seq, receipts[1].Seq, receipts[2].Seq}, []uint64{7, 9, 20})
		b.equal("time", receipts[2].Time, receipts[0].Time)
		b.noGap(b.after(0, eventlog.Everything()), 7, 9, 20)
		b.noGap(b.after(8, one("a")), 20)
		b.equal("the head", b.log.Head().Seq, uint64(20))
	}},
	{"NumbersThatDoNotRiseAreRefused", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		if _, err := m.AppendAt(b.Context(), []eventlog.Record{b.record(5, "a")}); err != nil {
			b.Fatal(err)
		}
		for _, records := range [][]eventlog.Record{
			{b.record(5, "a")},
			{b.record(4, "a")},
			{b.record(0, "a")},
			{b.record(6, "a"), b.record(6, "a")},
			{b.record(7, "a"), b.record(6, "a")},
		} {
			if _, err := m.AppendAt(b.Context(), records); !errors.Is(err, eventlog.ErrInvalid) {
				b.Errorf("%d and so on after 5: %v", records[0].Seq, err)
			}
		}
		b.equal("records", b.numbers(eventlog.Everything()), []uint64{5})
	}},
	{"NumbersAndTimesOutOfRangeAreRefused", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		early, late := b.record(1, "a"), b.record(1, "a")
		early.Time, late.Time = time.Unix(-1, 0), time.UnixMilli(math.MaxInt64)
		for _, r := range []eventlog.Record{early, late, b.record(math.MaxUint64, "a"), b.record(eventlog.MaxSeq+1, "a")} {
			if _, err := m.AppendAt(b.Context(), []eventlog.Record{r}); !errors.Is(err, eventlog.ErrInvalid) {
				b.Errorf("number %d of %v: %v", r.Seq, r.Time, err)
			}
		}
		if err := m.Skip(b.Context(), math.MaxUint64, eventlog.Rollback); !errors.Is(err, eventlog.ErrInvalid) {
			b.Errorf("Skip: %v", err)
		}
		b.equal("the head", b.log.Head().Seq, uint64(0))
	}},
	{"ToldBelongsToItsGeneration", func(b *bench) {
		m, ok := b.mirror(keep(rule("**", eventlog.Rule{Count: 1})))
		if !ok {
			return
		}
		for range 9 {
			b.put("a")
		}
		q := b.gap(b.after(0, one("a")), eventlog.Trimmed, 8)
		if err := m.SetGeneration(b.Context(), "other", 0); err != nil {
			b.Fatal(err)
		}
		for range 3 {
			b.put("a")
		}
		b.gap(q, eventlog.Reset, 3)
		_, err := b.log.Read(b.Context(), eventlog.Query{Selector: one("a")})
		gap, ok := errors.AsType[*eventlog.GapError](err)
		if !ok || gap.Partial(eventlog.Query{}).After != b.at(0) {
			b.Errorf("from the zero position: %v", err)
		}
	}},
	{"MirrorLeavesOutRefusedRecords", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		end := b.record(1, "a")
		end.Flags = eventlog.End
		first := b.record(2, "b")
		first.Key = "k"
		again, other := first, first
		again.Seq, other.Seq, other.Data = 4, 5, "other"
		receipts, err := m.AppendAt(b.Context(), []eventlog.Record{end, first, b.record(3, "a"), again, other})
		if err != nil {
			b.Fatal(err)
		}
		switch {
		case receipts[0].Refused != nil || receipts[1].Refused != nil:
			b.Errorf("refused: %v, %v", receipts[0].Refused, receipts[1].Refused)
		case !errors.Is(receipts[2].Refused, eventlog.ErrEnded):
			b.Errorf("to an ended topic: %v", receipts[2].Refused)
		case !receipts[3].Duplicate || receipts[3].Seq != 2:
			b.Errorf("a repetition: %+v", receipts[3])
		case !errors.Is(receipts[4].Refused, eventlog.ErrKeyReused):
			b.Errorf("a key reused: %v", receipts[4].Refused)
		}
		b.equal("records", b.numbers(eventlog.Everything()), []uint64{1, 2})
		b.equal("the head", b.log.Head().Seq, uint64(5))
		if receipts, err = m.AppendAt(b.Context(), []eventlog.Record{b.record(6, "a")}); err != nil || receipts[0].Refused == nil {
			b.Errorf("a refusal alone: %+v, %v", receipts, err)
		}
		b.equal("the head", b.log.Head().Seq, uint64(6))
		<-b.log.Watch()
	}},
	{"HoleIsReportedToEveryReaderThatCrossesIt", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		b.put("a") // 1
		if err := m.Skip(b.Context(), 10, eventlog.Rollback); err != nil {
			b.Fatal(err)
		}
		seq := b.put("a")
		b.equal("the number after a hole", seq, uint64(11))
		for _, s := range []eventlog.Selector{one("a"), one("never"), matching("x/**"), eventlog.Everything()} {
			for _, after := range []uint64{0, 1, 5, 9} {
				partial := b.gap(b.after(after, s), eventlog.Rollback, 10)
				if _, more := b.pages(partial); len(more) > 0 {
					b.Errorf("once more: %v", more[0])
				}
			}
			if _, found := b.pages(b.after(10, s)); len(found) > 0 {
				b.Errorf("behind it: %v", found[0])
			}
		}
		for _, to := range []uint64{0, 10, 11} {
			if err := m.Skip(b.Context(), to, eventlog.Rollback); !errors.Is(err, eventlog.ErrInvalid) {
				b.Errorf("Skip to %d: %v", to, err)
			}
		}
		for _, reason := range []eventlog.Reason{"", eventlog.Reason(strings.Repeat("x", 65))} {
			if err := m.Skip(b.Context(), 20, reason); !errors.Is(err, eventlog.ErrInvalid) {
				b.Errorf("Skip because of %q: %v", reason, err)
			}
		}
	}},
	{"NewGenerationDropsLaterRecords", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		for _, topic := range []string{"a", "b", "a", "b"} {
			b.put(topic)
		}
		b.append(eventlog.Record{Topics: []string{"a"}, Flags: eventlog.End, Key: "k"})
		old := b.log.Head()
		if err := m.SetGeneration(b.Context(), "other", 2); err != nil {
			b.Fatal(err)
		}
		b.equal("the head", b.log.Head(), eventlog.Position{Gen: "other", Seq: 2})
		b.noGap(b.after(0, eventlog.Everything()), 1, 2)
		q := b.after(0, one("a"))
		q.After = old
		b.gap(q, eventlog.Reset, 2)
		b.equal("the next number", b.put("a"), uint64(3)) // the end of the topic is undone
		if r := b.append(eventlog.Record{Topics: []string{"a"}, Flags: eventlog.End, Key: "k"})[0]; r.Duplicate {
			b.Errorf("a key that was dropped is known")
		}
		b.noGap(b.after(0, one("a")), 1, 3, 4)
		for gen, after := range map[string]uint64{"other": 1, "x": 1, "Other": 1, "fresh": 99} {
			if err := m.SetGeneration(b.Context(), gen, after); !errors.Is(err, eventlog.ErrInvalid) {
				b.Errorf("SetGeneration(%s, %d): %v", gen, after, err)
			}
		}
	}},
	{"RecordsSupersededByDroppedOnesAreAGap", func(b *bench) {
		m, ok := b.mirror(keep(rule("**", eventlog.Rule{Latest: 1})))
		if !ok {
			return
		}
		b.put("a")
		b.put("a") // supersedes 1
		if err := m.SetGeneration(b.Context(), "other", 1); err != nil {
			b.Fatal(err)
		}
		b.gap(b.after(0, one("a")), eventlog.Trimmed, 1)
	}},
}

var lookup = []test{
	{"LookupFindsTheNewestExistingRecord", func(b *bench) {
		b.open(keep(rule("**", eventlog.Rule{Count: 2})))
		l, ok := b.log.(eventlog.Lookup)
		if !ok {
			if b.Lookup {
				b.Fatalf("%T is no eventlog.Lookup", b.log)
			}
			return
		}
		find := func(id string, want uint64) {
			b.Helper()
			p, found, err := l.Lookup(b.Context(), id)
			if err != nil || found != (want > 0) || found && p != b.at(want) {
				b.Errorf("Lookup(%q) = %v, %v, %v, want %d", id, p, found, err, want)
			}
		}
		find("x", 0)
		b.append(eventlog.Record{Topics: []string{"a"}, ID: "x"}) // 1
		b.append(eventlog.Record{Topics: []string{"a"}, ID: "y"}) // 2
		find("x", 1)
		b.append(eventlog.Record{Topics: []string{"b"}, ID: "x"}) // 3
		find("x", 3)
		find("y", 2)
		find("", 0)
		find("x\x00", 0)
		b.put("a")
		b.put("a") // 1 and 2 are trimmed
		find("y", 0)
		find("x", 3)
	}},
}
