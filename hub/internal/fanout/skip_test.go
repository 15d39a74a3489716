package fanout

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// copiedLog is a log in memory that says that it was replaced.
type copiedLog struct {
	*eventlog.Memory
	copies atomic.Uint64
	hides  atomic.Bool // what subscribers read is empty
}

func (l *copiedLog) Copies() uint64 { return l.copies.Load() }

func (l *copiedLog) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	a, err := l.Memory.Read(ctx, q)
	if l.hides.Load() {
		a.Records = nil
	}
	return a, err
}

func newCopiedLog(t *testing.T) *copiedLog {
	t.Helper()
	memory, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &copiedLog{Memory: memory}
}

// calls passes on what the tail calls, in order.
func calls(to chan<- string, fails *atomic.Int32) func(*Options) {
	return func(o *Options) {
		o.OnRecords = func(all []eventlog.Record) {
			for i := range all {
				to <- all[i].Data
			}
		}
		o.OnSkip = func(_ context.Context, after eventlog.Position) error {
			if fails.Add(-1) >= 0 {
				to <- "failed"
				return errors.New("not now")
			}
			to <- fmt.Sprint("skip after ", after.Seq)
			return nil
		}
	}
}

// TestEverySkipIsReportedBeforeTheNextRecords: what the owner learns from records it would miss otherwise.
func TestEverySkipIsReportedBeforeTheNextRecords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		skip func(*copiedLog) error
		want string
	}{
		"a hole":           {func(l *copiedLog) error { return l.Skip(context.Background(), 10, eventlog.Rollback) }, "skip after 1"},
		"a new generation": {func(l *copiedLog) error { return l.SetGeneration(context.Background(), "other", 1) }, "skip after 0"},
		"a copy":           {func(l *copiedLog) error { l.copies.Add(1); return nil }, "skip after 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, got, fails := newCopiedLog(t), make(chan string, 100), new(atomic.Int32)
			startOn(t, log, calls(got, fails))
			want := func(texts ...string) {
				for _, text := range texts {
					if next := <-got; next != text {
						t.Fatalf("the tail calls %q, want %q", next, text)
					}
				}
			}
			publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "before"})
			want("before")
			fails.Store(2)
			if err := c.skip(log); err != nil {
				t.Fatal(err)
			}
			publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "after"})
			want("failed", "failed", c.want)
			if name == "a copy" {
				want("after")
			}
			publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "later"})
			for next := <-got; next != "later"; next = <-got { // the gap may hide the record that came with it
				if next != "after" {
					t.Fatalf("the tail calls %q", next)
				}
			}
		})
	}
}

// TestSubscribersReadTheCopyOfTheLog: neither the window nor the kept pages give the records of before.
func TestSubscribersReadTheCopyOfTheLog(t *testing.T) {
	t.Parallel()
	log, skipped := newCopiedLog(t), make(chan string, 10)
	begin := log.Head()
	publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "only in the copy"})
	log.hides.Store(true)
	f := startOn(t, log, calls(skipped, new(atomic.Int32)), func(o *Options) { o.Window = 1 })
	events := func() int {
		sub := subscription()
		sub.From.Positions = []string{begin.String()}
		st := stream(t, f, sub)
		defer st.Close()
		events := 0
		for {
			chunks, now, err := st.cursor.next(t.Context(), pageBytes)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range chunks {
				if c.text == "1 only in the copy\n" {
					events++
				}
			}
			if now == atHead {
				return events
			}
		}
	}
	if n := events(); n != 0 {
		t.Fatalf("the log gives %d events", n)
	}
	log.hides.Store(false)
	log.copies.Add(1)
	publish(t, log, eventlog.Record{Topics: []string{"other"}, Data: "other"})
	for next := <-skipped; next != "other"; next = <-skipped {
	}
	if n := events(); n != 1 {
		t.Errorf("the copy gives %d events", n)
	}
}
