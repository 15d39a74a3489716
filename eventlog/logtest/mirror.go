package logtest

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// follow opens an empty mirror without a generation. If the log under test is not a mirror and need not be one, the
// test ends.
func (b *bench) follow(r *eventlog.Retention) (eventlog.Mirror, bool) {
	b.Helper()
	if !b.Mirror {
		return nil, false
	}
	b.openAs(Options{Retention: r, Mirror: true, Now: b.clock.time})
	m, ok := b.log.(eventlog.Mirror)
	if !ok {
		b.Fatalf("%T is no eventlog.Mirror", b.log)
	}
	b.mirrorLog = m
	return m, true
}

// mirror opens an empty mirror and begins its first generation.
func (b *bench) mirror(r *eventlog.Retention) (eventlog.Mirror, bool) {
	b.Helper()
	m, ok := b.follow(r)
	if ok {
		if err := m.SetGeneration(b.Context(), "first", 0); err != nil {
			b.Fatal(err)
		}
	}
	return m, ok
}

// batch returns a batch of the current time.
func (b *bench) batch(first uint64, records ...eventlog.Record) eventlog.Batch {
	return eventlog.Batch{First: first, Time: b.clock.time(), Records: records}
}

// apply applies batches. Apply must succeed.
func (b *bench) apply(batches ...eventlog.Batch) []eventlog.Outcome {
	b.Helper()
	outcomes, err := b.mirrorLog.Apply(b.Context(), batches, nil)
	if err != nil || len(outcomes) != len(batches) {
		b.Fatalf("Apply of %d batches: %d outcomes, %v", len(batches), len(outcomes), err)
	}
	return outcomes
}

func ending(topics ...string) eventlog.Record {
	return eventlog.Record{Topics: topics, Flags: eventlog.End}
}

// fixed returns a state that does not depend on outcomes.
func fixed(state string) func([]eventlog.Outcome) []byte {
	return func([]eventlog.Outcome) []byte { return []byte(state) }
}

var mirroring = []test{
	{"MirrorStoresUnderGivenNumbersAndTimes", func(b *bench) {
		if _, ok := b.mirror(everything()); !ok {
			return
		}
		early := b.batch(20, event("a"))
		early.Time = early.Time.Add(-time.Hour) // the clock of another server may be behind
		b.clock.move(time.Hour)                 // the mirror's clock does not matter
		outcomes := b.apply(eventlog.Batch{First: 7, Time: early.Time.Add(time.Hour), Records: []eventlog.Record{event("a"), event("b")}}, early)
		b.equal("positions", []eventlog.Position{outcomes[0].Receipts[0].Position, outcomes[0].Receipts[1].Position, outcomes[1].Receipts[0].Position},
			[]eventlog.Position{b.at(7), b.at(8), b.at(20)})
		b.equal("time", outcomes[1].Receipts[0].Time, outcomes[0].Receipts[0].Time)
		b.equal("time", outcomes[1].Receipts[0].Time, early.Time.Add(time.Hour))
		b.noGap(b.after(0, eventlog.Everything()), 7, 8, 20)
		b.noGap(b.after(8, one("a")), 20)
		b.equal("the head", b.log.Head().Seq, uint64(20))
	}},
	{"NumbersThatDoNotRiseAreRefused", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		b.apply(b.batch(5, event("a")))
		for _, batches := range [][]eventlog.Batch{
			{b.batch(5, event("a"))},
			{b.batch(4, event("a"), event("a"))},
			{b.batch(0, event("a"))},
			{b.batch(6, event("a")), b.batch(6, event("a"))},
			{b.batch(7, event("a"), event("a")), b.batch(8, event("a"))},
		} {
			if outcomes, err := m.Apply(b.Context(), batches, nil); !errors.Is(err, eventlog.ErrInvalid) || outcomes != nil {
				b.Errorf("%d and so on after 5: %v, %v", batches[0].First, outcomes, err)
			}
		}
		b.equal("records", b.numbers(eventlog.Everything()), []uint64{5})
	}},
	{"NumbersTimesAndStatesOutOfRangeAreRefused", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		early, late := b.batch(1, event("a")), b.batch(1, event("a"))
		early.Time, late.Time = time.Unix(-1, 0), time.UnixMilli(math.MaxInt64)
		for _, batch := range []eventlog.Batch{
			early, late, b.batch(math.MaxUint64, event("a")), b.batch(eventlog.MaxSeq, event("a"), event("a")), b.batch(math.MaxUint64, event("a"), event("a")),
		} {
			if _, err := m.Apply(b.Context(), []eventlog.Batch{batch}, nil); !errors.Is(err, eventlog.ErrInvalid) {
				b.Errorf("number %d of %v: %v", batch.First, batch.Time, err)
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
	{"RefusedBatchesPassUnused", func(b *bench) {
		if _, ok := b.mirror(everything()); !ok {
			return
		}
		outcomes := b.apply(
			b.batch(1, ending("a")),
			b.batch(2, keyed("k", "b", "x")),
			b.batch(3, event("c"), event("a")),                               // ended
			b.batch(5, keyed("k", "b", "x"), event("c")),                     // the duplicate takes no number
			b.batch(7, keyed("k", "b", "y")),                                 // the key is used
			b.batch(8, event("c"), eventlog.Record{Data: "without a topic"}), // no log can store it
			b.batch(10, ending("d"), event("d")),
			b.batch(12),
		)
		wantErrs := []error{nil, nil, eventlog.ErrEnded, nil, eventlog.ErrKeyReused, eventlog.ErrInvalid, eventlog.ErrEnded, nil}
		wantIndex := []int{0, 0, 1, 0, 0, 1, 1, 0}
		for i, o := range outcomes {
			refused, _ := errors.AsType[*eventlog.RecordError](o.Err)
			if !errors.Is(o.Err, wantErrs[i]) || refused != nil && (refused.Index != wantIndex[i] || o.Receipts != nil) {
				b.Errorf("batch %d: %+v, want %v", i, o, wantErrs[i])
			}
		}
		if r := outcomes[3].Receipts; !r[0].Duplicate || r[0].Position != b.at(2) || r[1].Position != b.at(5) {
			b.Errorf("a repetition: %+v", r)
		}
		b.equal("records", b.numbers(eventlog.Everything()), []uint64{1, 2, 5})
		b.equal("the head", b.log.Head().Seq, uint64(11))
		b.apply(b.batch(12, event("a"))) // a refusal alone
		b.equal("the head", b.log.Head().Seq, uint64(12))
		<-b.log.Watch()
	}},
	{"StateIsThatOfTheLastApply", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		is := func(want string) {
			b.Helper()
			state, err := m.State(b.Context())
			if err != nil || string(state) != want {
				b.Errorf("the state is %q, %v, want %q", state, err, want)
			}
		}
		is("")
		state := []byte("one")
		var decided []eventlog.Outcome
		outcomes, err := m.Apply(b.Context(), []eventlog.Batch{b.batch(1, event("a"))}, func(outcomes []eventlog.Outcome) []byte {
			decided = outcomes
			return state
		})
		if err != nil {
			b.Fatal(err)
		}
		b.equal("what the state is made of", decided, outcomes)
		state[0] = 'x' // the log has a copy
		is("one")
		if _, err := m.Apply(b.Context(), []eventlog.Batch{b.batch(1, event("a"))}, fixed("refused")); err == nil {
			b.Error("the number 1 was stored twice")
		}
		is("one")
		if _, err := m.Apply(b.Context(), nil, fixed("two")); err != nil {
			b.Fatal(err)
		}
		is("two")
		if err := m.SetGeneration(b.Context(), "other", 0); err != nil {
			b.Fatal(err)
		}
		is("two")
		b.apply(b.batch(1, event("a"))) // without a state
		is("two")
	}},
	{"MirrorBeginsNoGeneration", func(b *bench) {
		m, ok := b.follow(everything())
		if !ok {
			return
		}
		check := func() {
			b.Helper()
			b.equal("the head", m.Head(), eventlog.Position{})
			b.equal("the bounds", m.Bounds(), eventlog.Bounds{})
			answer, err := m.Read(b.Context(), eventlog.Query{Selector: eventlog.Everything()})
			if err != nil || len(answer.Records) > 0 || !answer.Complete.IsZero() {
				b.Errorf("from the zero position: %+v, %v", answer, err)
			}
			_, err1 := m.Read(b.Context(), eventlog.Query{Selector: one("a"), After: eventlog.Position{Gen: "other", Seq: 1}})
			_, err2 := m.Seek(b.Context(), one("a"), eventlog.Start{Last: 1})
			_, err3 := m.End(b.Context(), "a")
			_, err4 := m.Apply(b.Context(), []eventlog.Batch{b.batch(1, event("a"))}, nil)
			err5 := m.Skip(b.Context(), 9, eventlog.Trimmed)
			for i, err := range []error{err1, err2, err3, err4, err5} {
				if !errors.Is(err, eventlog.ErrUnavailable) {
					b.Errorf("call %d without a generation: %v", i+1, err)
				}
			}
			select {
			case <-m.Watch():
				b.Error("Watch has a value")
			default:
			}
		}
		check()
		if b.Reopen != nil {
			b.log = b.Reopen(b.T, b.log)
			m = b.log.(eventlog.Mirror)
			b.mirrorLog = m
			check()
		}
		if err := m.SetGeneration(b.Context(), "first", 0); err != nil {
			b.Fatal(err)
		}
		<-m.Watch()
		b.equal("the head", m.Head(), eventlog.Position{Gen: "first"})
		b.put("a")
		b.equal("records", b.numbers(one("a")), []uint64{1})
	}},
	{"SetGenerationCanBeRepeated", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		b.put("a")
		b.put("a")
		for range 2 {
			if err := m.SetGeneration(b.Context(), "other", 1); err != nil {
				b.Fatal(err)
			}
			b.equal("the head", m.Head(), eventlog.Position{Gen: "other", Seq: 1})
		}
		b.put("a")
		if err := m.SetGeneration(b.Context(), "other", 1); !errors.Is(err, eventlog.ErrInvalid) {
			b.Errorf("a number would be used twice: %v", err)
		}
		b.equal("records", b.numbers(one("a")), []uint64{1, 2})
	}},
	{"OnlyMirrorsTakeWhatIsGiven", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		if _, err := m.Append(b.Context(), []eventlog.Record{event("a")}); !errors.Is(err, eventlog.ErrMirror) {
			b.Errorf("Append to a mirror: %v", err)
		}
		b.open(everything())
		m = b.log.(eventlog.Mirror)
		_, err1 := m.Apply(b.Context(), []eventlog.Batch{b.batch(1, event("a"))}, nil)
		_, err2 := m.State(b.Context())
		for i, err := range []error{err1, err2, m.SetRetention(b.Context(), nil)} {
			if !errors.Is(err, eventlog.ErrNotMirror) {
				b.Errorf("call %d to a log that is no mirror: %v", i+1, err)
			}
		}
	}},
	{"AwaitReturnsWhenThePositionCanBeRead", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		a, ok := m.(eventlog.Awaiter)
		if !ok {
			b.Fatalf("%T is no eventlog.Awaiter", m)
		}
		b.put("a")
		for _, p := range []eventlog.Position{{}, b.at(0), b.at(1)} {
			if err := a.Await(b.Context(), p); err != nil {
				b.Errorf("%v: %v", p, err)
			}
		}
		ended, cancel := context.WithCancel(b.Context())
		cancel()
		for _, p := range []eventlog.Position{b.at(2), {Gen: "later", Seq: 1}} {
			if err := a.Await(ended, p); !errors.Is(err, context.Canceled) {
				b.Errorf("%v: %v", p, err)
			}
		}
		results := make(chan error)
		await := func(p eventlog.Position) { go func() { results <- a.Await(b.Context(), p) }() }
		await(b.at(3))
		await(b.at(3))
		b.put("a")
		b.put("a")
		await(eventlog.Position{Gen: "later", Seq: 1})
		for range 2 {
			if err := <-results; err != nil {
				b.Error(err)
			}
		}
		if err := m.SetGeneration(b.Context(), "later", 2); err != nil {
			b.Fatal(err)
		}
		if err := <-results; err != nil {
			b.Error(err)
		}
		await(b.at(9))
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
		if err := <-results; !errors.Is(err, eventlog.ErrClosed) {
			b.Errorf("Close during Await: %v", err)
		}
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
