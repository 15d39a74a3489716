package eventlog_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
)

// Package logtest tests the promises of every log. The tests here are for the log in memory only.

func newMemory(t *testing.T, o *eventlog.MemoryOptions) *eventlog.Memory {
	t.Helper()
	m, err := eventlog.NewMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.CheckInvariants(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func appendTo(t *testing.T, m *eventlog.Memory, records ...eventlog.Record) []eventlog.Receipt {
	t.Helper()
	var all []eventlog.Receipt
	for some := range slices.Chunk(records, eventlog.MaxCount) {
		receipts, err := m.Append(t.Context(), some)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, receipts...)
	}
	return all
}

func event(data string, topics ...string) eventlog.Record {
	return eventlog.Record{Topics: topics, Data: data}
}

var glob = eventlog.MustPattern

// dataAfter reads all records after a number and returns their data as one text, or the gap.
func dataAfter(t *testing.T, m *eventlog.Memory, s eventlog.Selector, after uint64) string {
	t.Helper()
	var data []string
	for q := (eventlog.Query{Selector: s, After: eventlog.Position{Gen: m.Head().Gen, Seq: after}}); ; {
		answer, err := m.Read(t.Context(), q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			return fmt.Sprintf("%s gap to %d", gap.Reason, gap.To.Seq)
		} else if err != nil {
			t.Fatal(err)
		}
		for _, r := range answer.Records {
			data = append(data, r.Data)
		}
		if q.After = answer.Complete; q.After == m.Head() {
			return strings.Join(data, " ")
		}
	}
}

func TestMemoryOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]*eventlog.MemoryOptions{
		"generation": {Generation: "No"},
		"retention":  {Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Age: time.Hour}}}},
	} {
		if m, err := eventlog.NewMemory(o); !errors.Is(err, eventlog.ErrInvalid) || m != nil {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	if a, b := newMemory(t, nil).Head(), newMemory(t, &eventlog.MemoryOptions{}).Head(); a.Seq+b.Seq != 0 || a.Gen == b.Gen {
		t.Errorf("two logs began at %v and %v", a, b)
	}
	if head := newMemory(t, &eventlog.MemoryOptions{Generation: "abc12"}).Head().String(); head != "abc12-0" {
		t.Errorf("began at %s", head)
	}
}

func TestReadersShareRecords(t *testing.T) {
	m := newMemory(t, nil)
	data := strings.Repeat("large", 1000)
	topics := []string{"t", "u"}
	records := []eventlog.Record{{Topics: topics, Data: data}}
	appendTo(t, m, records...)
	records[0].Data, topics[0] = "changed", "changed"
	answer, err := m.Read(t.Context(), eventlog.Query{Selector: eventlog.Everything()})
	if err != nil {
		t.Fatal(err)
	}
	got := answer.Records[0]
	if unsafe.StringData(got.Data) != unsafe.StringData(data) || got.Topics[0] != "t" {
		t.Errorf("topics %q, data %d bytes", got.Topics, len(got.Data))
	}
}

// TestRetryIsInMilliseconds: every log stores Retry in milliseconds, and compares it so for idempotency keys.
func TestRetryIsInMilliseconds(t *testing.T) {
	m := newMemory(t, nil)
	r := eventlog.Record{Topics: []string{"t"}, Key: "k", Retry: 1500 * time.Microsecond}
	appendTo(t, m, r)
	r.Retry = time.Millisecond
	if receipt := appendTo(t, m, r)[0]; !receipt.Duplicate {
		t.Errorf("the same in milliseconds: %+v", receipt)
	}
	answer, err := m.Read(t.Context(), eventlog.Query{Selector: eventlog.Everything()})
	if err != nil || answer.Records[0].Retry != time.Millisecond {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestLookupFindsTheNewestExistingRecord(t *testing.T) {
	m := newMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{
		Rules: []eventlog.Rule{{Pattern: glob("one"), Count: 1}},
	}})
	record := func(id string, topics ...string) eventlog.Record { return eventlog.Record{Topics: topics, ID: id} }
	appendTo(t, m, record("x", "many"), record("x", "one"), record("y", "many"), record("x", "one"), record("", "one"))
	want := map[string]uint64{"x": 1, "y": 3, "": 0, "z": 0} // record 5 has superseded record 4
	for id, seq := range want {
		got, found, err := m.Lookup(t.Context(), id)
		if got.Seq != seq || found != (seq > 0) || err != nil {
			t.Errorf("%q: %v, %v, %v, want %d", id, got, found, err, seq)
		}
	}
}

func TestClosedMemoryKeepsHeadAndBounds(t *testing.T) {
	m := newMemory(t, nil)
	appendTo(t, m, event("a", "t"))
	head, bounds := m.Head(), m.Bounds()
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	<-m.Watch() // the value for the record
	if _, open := <-m.Watch(); open {
		t.Error("the channel of Watch is open")
	}
	ctx, invalid := t.Context(), []eventlog.Record{{}}
	_, appendErr := m.Append(ctx, invalid)
	_, endErr := m.End(ctx, "t")
	_, readErr := m.Read(ctx, eventlog.Query{})
	_, seekErr := m.Seek(ctx, eventlog.Everything(), eventlog.Start{Last: -1})
	_, _, lookupErr := m.Lookup(ctx, "")
	errs := []error{appendErr, endErr, readErr, seekErr, lookupErr, m.Skip(ctx, 0, ""), m.SetGeneration(ctx, "", 7)}
	for i, err := range errs {
		if !errors.Is(err, eventlog.ErrClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if diff := cmp.Diff(bounds, m.Bounds()); diff != "" || m.Head() != head {
		t.Errorf("%v and %s", m.Head(), diff)
	}
}

// TestMemoryIsSafeForConcurrentUse serves the race detector. It also checks the order of records that readers see during trimming.
func TestMemoryIsSafeForConcurrentUse(t *testing.T) {
	m := newMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{
		Events: 200,
		Rules:  []eventlog.Rule{{Pattern: glob("a/*"), Count: 20}},
	}})
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for w := range 3 {
		writers.Go(func() {
			for i := range 200 {
				appendTo(t, m, event(fmt.Sprint(i), fmt.Sprint("a/", w), "all"), event("", fmt.Sprint("b/", i)))
			}
		})
	}
	odd := func(r *eventlog.Record) bool { return r.Seq%2 == 1 }
	for _, s := range []eventlog.Selector{
		eventlog.Everything(), eventlog.Topics("a/1"), eventlog.Topics("a/2", "all"),
		eventlog.Select(nil, glob("b/*")), eventlog.Topics("all").Filter(odd),
	} {
		readers.Go(func() {
			last := uint64(0)
			for q := (eventlog.Query{Selector: s, Limit: 7}); !done.Load() || q.After != m.Head(); {
				answer, err := m.Read(t.Context(), q)
				if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
					q = gap.Partial(q)
					continue
				} else if err != nil {
					t.Error(err)
					return
				}
				for i := range answer.Records {
					r := &answer.Records[i]
					if r.Seq <= last || r.Seq > answer.Complete.Seq || !s.MatchRecord(r) {
						t.Errorf("record %d after %d, complete %v", r.Seq, last, answer.Complete)
						return
					}
					last = r.Seq
				}
				q.After = answer.Complete
				if _, err := m.Seek(t.Context(), s, eventlog.Start{Last: 3}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
}

// BenchmarkMemoryAppend measures an Append that makes retention trim another record.
func BenchmarkMemoryAppend(b *testing.B) {
	m, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: &eventlog.Retention{Events: 10_000}})
	if err != nil {
		b.Fatal(err)
	}
	records := []eventlog.Record{event("some data", "a/topic")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Append(b.Context(), records); err != nil {
			b.Fatal(err)
		}
	}
}
