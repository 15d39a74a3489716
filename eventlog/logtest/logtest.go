// Package logtest is the conformance suite of package eventlog. Every log has to pass it.
//
//	func TestConformance(t *testing.T) {
//		logtest.Run(t, logtest.Harness{Open: func(t *testing.T, o logtest.Options) eventlog.Log {
//			log, err := mylog.Open(t.TempDir(), o.Retention, o.Now)
//			…
//			return log
//		}})
//	}
//
// [Run] has one subtest per promise, named after it. [RunRandom] applies random operations to the log and to a simple model, and
// compares every answer.
//
// A log that applies retention in the background needs a method Trim(context.Context) error that applies it completely. The suite
// calls it before it compares anything that depends on retention.
package logtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidings-sse/tidings/eventlog"
)

// Harness opens the log under test.
type Harness struct {
	// Open returns an empty log. The suite closes it. Open cleans up what the log leaves behind.
	Open func(t *testing.T, o Options) eventlog.Log

	// Reopen closes a log that came from Open or Reopen with the same t, and opens it again with the same options. It is nil for
	// logs that do not survive Close.
	Reopen func(t *testing.T, log eventlog.Log) eventlog.Log

	Mirror bool // the log must be a Mirror, and open with Options.Mirror
	Lookup bool // the log must be a Lookup
}

// Options are the options for a log under test.
type Options struct {
	Retention *eventlog.Retention
	Mirror    bool             // open it as a mirror
	Now       func() time.Time // the log's clock, called concurrently; never nil
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Append", appending},
		{"Read", reading},
		{"Gap", gaps},
		{"Seek", seeking},
		{"Retention", retention},
		{"Key", keys},
		{"End", ends},
		{"Mirror", mirroring},
		{"MirrorRules", mirrorRules},
		{"Lookup", lookup},
		{"List", listing},
		{"Close", closing},
		{"Reopen", reopening},
		{"Concurrency", concurrency},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.promise, func(t *testing.T) {
					t.Parallel()
					test.run(&bench{T: t, Harness: h, clock: newClock()})
				})
			}
		})
	}
}

// test checks one promise of the contract.
type test struct {
	promise string
	run     func(*bench)
}

// clock is a clock that moves only when the test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.UnixMilli(1_700_000_000_000).UTC()} }

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is a test bench: a log under test, with helpers.
type bench struct {
	*testing.T
	Harness
	clock     *clock
	log       eventlog.Log
	mirrorLog eventlog.Mirror // the log, if it is open as a mirror; else nil
}

// open opens an empty log with this retention, and closes the previous one.
func (b *bench) open(r *eventlog.Retention) {
	b.Helper()
	b.openAs(Options{Retention: r, Now: b.clock.time})
}

func (b *bench) openAs(o Options) {
	b.Helper()
	closeLog := func() {
		if err := b.log.Close(); err != nil {
			b.Errorf("closing the log: %v", err)
		}
	}
	if b.log != nil {
		closeLog()
	}
	b.log, b.mirrorLog = b.Open(b.T, o), nil
	b.Cleanup(closeLog)
}

// everything returns a retention that trims nothing.
func everything() *eventlog.Retention {
	return &eventlog.Retention{Bytes: -1, Events: -1, Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**")}}}
}

// settle applies retention completely.
func (b *bench) settle() {
	b.Helper()
	if log, ok := b.log.(interface{ Trim(context.Context) error }); ok {
		if err := log.Trim(b.Context()); err != nil {
			b.Fatalf("Trim: %v", err)
		}
	}
}

// append appends records and returns their receipts.
func (b *bench) append(records ...eventlog.Record) []eventlog.Receipt {
	b.Helper()
	receipts, err := b.tryAppend(records)
	if err != nil {
		b.Fatalf("Append: %v", err)
	}
	if len(receipts) != len(records) {
		b.Fatalf("Append has given %d receipts for %d records", len(receipts), len(records))
	}
	b.settle()
	return receipts
}

// tryAppend calls Append, or Apply if the log is a mirror.
func (b *bench) tryAppend(records []eventlog.Record) ([]eventlog.Receipt, error) {
	if b.mirrorLog == nil {
		return b.log.Append(b.Context(), records)
	}
	batch := eventlog.Batch{First: b.log.Head().Seq + 1, Time: b.clock.time(), Records: records}
	outcomes, err := b.mirrorLog.Apply(b.Context(), []eventlog.Batch{batch}, nil)
	if err != nil {
		return nil, err
	}
	return outcomes[0].Receipts, outcomes[0].Err
}

// put appends a record whose data is the name of its first topic, and returns its number.
func (b *bench) put(topics ...string) uint64 {
	b.Helper()
	return b.append(event(topics...))[0].Seq
}

func event(topics ...string) eventlog.Record {
	return eventlog.Record{Topics: topics, Data: topics[0]}
}

// refuse appends records. Append must fail with an error that is want, and change nothing.
func (b *bench) refuse(want error, records ...eventlog.Record) {
	b.Helper()
	_ = b.refusal(want, records...) // refusal checks the error
}

// refusal is like refuse and returns the error.
func (b *bench) refusal(want error, records ...eventlog.Record) error {
	b.Helper()
	before, head := b.all(eventlog.Everything()), b.log.Head()
	receipts, err := b.log.Append(b.Context(), records)
	if !errors.Is(err, want) || receipts != nil {
		b.Fatalf("Append has returned %v, %v, want no receipts and %v", receipts, err, want)
	}
	b.equal("the records from before the refusal", b.all(eventlog.Everything()), before)
	b.equal("the head", b.log.Head(), head)
	return err
}

// at returns a position of the log's generation.
func (b *bench) at(seq uint64) eventlog.Position {
	return eventlog.Position{Gen: b.log.Head().Gen, Seq: seq}
}

// after returns the query of a selector after a number.
func (b *bench) after(seq uint64, s eventlog.Selector) eventlog.Query {
	return eventlog.Query{Selector: s, After: b.at(seq)}
}

// read reads once. There must be no gap.
func (b *bench) read(q eventlog.Query) eventlog.Answer {
	b.Helper()
	a, err := b.log.Read(b.Context(), q)
	if err != nil {
		b.Fatalf("Read after %v: %v", q.After, err)
	}
	return a
}

// pages reads up to the head, continuing after gaps.
func (b *bench) pages(q eventlog.Query) (records []eventlog.Record, gaps []*eventlog.GapError) {
	b.Helper()
	for {
		a, err := b.log.Read(b.Context(), q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			if gaps = append(gaps, gap); len(gaps) > 1000 {
				b.Fatalf("there is no end of gaps; the last: %v", gap)
			}
			q = gap.Partial(q)
			continue
		}
		if err != nil {
			b.Fatalf("Read after %v: %v", q.After, err)
		}
		records = append(records, a.Records...)
		if a.Complete.Gen != b.log.Head().Gen || a.Complete.Seq < q.After.Seq {
			b.Fatalf("Read after %v is complete up to %v", q.After, a.Complete)
		}
		if a.Complete.Seq >= b.log.Head().Seq {
			return records, gaps
		}
		if a.Complete.Seq == q.After.Seq {
			b.Fatalf("Read after %v makes no progress; the head is at %v", q.After, b.log.Head())
		}
		q.After = a.Complete
	}
}

// all returns every existing record that is selected.
func (b *bench) all(s eventlog.Selector) []eventlog.Record {
	b.Helper()
	records, _ := b.pages(eventlog.Query{Selector: s})
	return records
}

// numbers returns the sequence numbers of all.
func (b *bench) numbers(s eventlog.Selector) []uint64 {
	b.Helper()
	return numbersOf(b.all(s))
}

func numbersOf(records []eventlog.Record) []uint64 {
	var seqs []uint64
	for i := range records {
		seqs = append(seqs, records[i].Seq)
	}
	return seqs
}

// gap reads. Read must report a gap with this reason up to a number. gap returns the query that continues after it.
func (b *bench) gap(q eventlog.Query, reason eventlog.Reason, to uint64) eventlog.Query {
	b.Helper()
	a, err := b.log.Read(b.Context(), q)
	gap, ok := errors.AsType[*eventlog.GapError](err)
	if !ok || !errors.Is(err, eventlog.ErrGap) {
		b.Fatalf("Read after %v told %d of %q returned %d records up to %v and %v, want a gap up to %d (%s)",
			q.After, q.Told, q.Selector.Names(), len(a.Records), a.Complete, err, to, reason)
	}
	if gap.Reason != reason || gap.To != b.at(to) || gap.From != q.After {
		b.Fatalf("Read after %v told %d of %q: gap %+v, want reason %s, up to %d", q.After, q.Told, q.Selector.Names(), gap, reason, to)
	}
	if len(a.Records) != 0 {
		b.Fatalf("a gap came with %d records", len(a.Records))
	}
	return gap.Partial(q)
}

// noGap reads. Read must report no gap, and return the records with these numbers.
func (b *bench) noGap(q eventlog.Query, want ...uint64) {
	b.Helper()
	records, gaps := b.pages(q)
	if len(gaps) > 0 {
		b.Fatalf("Read after %v told %d of %q: %v, want no gap", q.After, q.Told, q.Selector.Names(), gaps[0])
	}
	b.equal(fmt.Sprintf("after %v", q.After), numbersOf(records), want)
}

func (b *bench) equal(what string, got, want any) {
	b.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		b.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func one(name string) eventlog.Selector { return eventlog.Topics(name) }

func matching(patterns ...string) eventlog.Selector {
	matchers := make([]eventlog.Matcher, 0, len(patterns))
	for _, p := range patterns {
		matchers = append(matchers, eventlog.MustPattern(p))
	}
	return eventlog.Select(nil, matchers...)
}

// keep is a retention with these rules.
func keep(rules ...eventlog.Rule) *eventlog.Retention {
	return &eventlog.Retention{Bytes: -1, Events: -1, Rules: rules}
}

func rule(pattern string, r eventlog.Rule) eventlog.Rule {
	r.Pattern = eventlog.MustPattern(pattern)
	return r
}
