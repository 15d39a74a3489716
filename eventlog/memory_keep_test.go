package eventlog_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

func TestMemoryHasLimitsByDefault(t *testing.T) {
	records := func(n, size int) []eventlog.Record {
		all := make([]eventlog.Record, n)
		for i := range all {
			all[i] = event(strings.Repeat("x", size), "t")
		}
		return all
	}
	tests := map[string]struct {
		retention    *eventlog.Retention
		n, size      int
		events, upTo int64
	}{
		"events":           {nil, 100_010, 1, 100_000, 64 << 20},
		"bytes":            {nil, 100, 1 << 20, 63, 64 << 20},
		"no bound":         {&eventlog.Retention{Events: -1, Bytes: -1}, 100_010, 1, 100_010, 1 << 30},
		"bounds of others": {&eventlog.Retention{Events: 5, Bytes: 1000}, 10, 1, 5, 1000},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMemory(t, &eventlog.MemoryOptions{Retention: test.retention})
			for range 10 {
				appendTo(t, m, records(test.n/10, test.size)...)
			}
			if b := m.Bounds(); b.Events != test.events || b.Bytes > test.upTo {
				t.Errorf("%d events of %d bytes, want %d of at most %d", b.Events, b.Bytes, test.events, test.upTo)
			}
		})
	}
}

// TestReadersNeverGetRecordsThatAreTooOld: a read applies the age, even if nothing is appended.
func TestReadersNeverGetRecordsThatAreTooOld(t *testing.T) {
	var now atomic.Int64
	m := newMemory(t, &eventlog.MemoryOptions{
		Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: glob("short"), Age: time.Second}}},
		Now:       func() time.Time { return time.UnixMilli(now.Load()) },
	})
	r := event("old", "short")
	r.ID = "id"
	appendTo(t, m, r, event("long", "long"))
	asks := map[string]func() string{
		"Read":   func() string { return dataAfter(t, m, eventlog.Everything(), 0) },
		"Bounds": func() string { return fmt.Sprint(m.Bounds().Events, m.Bounds().First, m.Bounds().Trimmed) },
		"Lookup": func() string { _, found, err := m.Lookup(t.Context(), "id"); return fmt.Sprint(found, err) },
		"Seek": func() string {
			q, err := m.Seek(t.Context(), eventlog.Everything(), eventlog.Start{Last: 2})
			return fmt.Sprint(q.After.Seq, q.Told, err)
		},
	}
	before := map[string]string{"Read": "old long", "Bounds": "2 1 0", "Lookup": "true <nil>", "Seek": "0 0 <nil>"}
	after := map[string]string{"Read": "trimmed gap to 1", "Bounds": "1 2 1", "Lookup": "false <nil>", "Seek": "0 1 <nil>"}
	for name, ask := range asks {
		now.Store(1000)
		if got := ask(); got != before[name] {
			t.Errorf("%s as old as may be: %s", name, got)
		}
	}
	for name, ask := range asks {
		now.Store(1001)
		if got := ask(); got != after[name] {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestRemovedRecordsTakeNoMemory(t *testing.T) {
	const n = 10_000
	ret := eventlog.Retention{
		Rules:  []eventlog.Rule{{Pattern: glob("latest/**"), Latest: 1}, {Pattern: glob("count/**"), Count: 1}},
		Events: 100, Topics: 50, Keys: 10,
	}
	tests := map[string]func(i int) eventlog.Record{
		"dead topics":  func(i int) eventlog.Record { return event("", fmt.Sprint("t", i)) },
		"superseded":   func(int) eventlog.Record { return event("", "latest/a") },
		"counted":      func(int) eventlog.Record { return event("", "count/a") },
		"behind a few": func(i int) eventlog.Record { return event("", fmt.Sprint("latest/", max(50-i, 0))) },
		"elsewhere":    func(int) eventlog.Record { return event("", "count/a", "latest/b", "t") },
		"keys":         func(i int) eventlog.Record { return eventlog.Record{Topics: []string{"t"}, Key: fmt.Sprint(i)} },
		"ids":          func(i int) eventlog.Record { return eventlog.Record{Topics: []string{"t"}, ID: fmt.Sprint(i)} },
		"same id":      func(int) eventlog.Record { return eventlog.Record{Topics: []string{"t"}, ID: "same"} },
	}
	for name, record := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMemory(t, &eventlog.MemoryOptions{Retention: &ret})
			for i := range n {
				appendTo(t, m, record(i))
			}
			if h := m.Held(); h.Topics > 150 || h.Records > 1000 || h.Keys > 2*(10+ret.UndoKeys()) || h.IDs > 100 {
				t.Errorf("after %d records it holds %+v", n, h)
			}
		})
	}
}

func TestMemoryShrinksAfterABurst(t *testing.T) {
	now := time.Now()
	m := newMemory(t, &eventlog.MemoryOptions{Now: func() time.Time { return now }})
	for range 50_000 {
		appendTo(t, m, event("", "t"))
	}
	now = now.Add(8 * 24 * time.Hour)
	for range 10 {
		appendTo(t, m, event("", "t"))
	}
	if h := m.Held(); h.Records > 100 {
		t.Errorf("after the burst the log holds %+v", h)
	}
}
