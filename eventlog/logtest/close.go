package logtest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

var closing = []test{
	{"MethodsFailAfterClose", func(b *bench) {
		b.open(everything())
		b.put("a")
		head, bounds := b.log.Head(), b.log.Bounds()
		watch := b.log.Watch()
		for range 2 {
			if err := b.log.Close(); err != nil {
				b.Fatal(err)
			}
		}
		calls := map[string]func() error{
			"Append":         func() error { _, err := b.log.Append(b.Context(), []eventlog.Record{event("a")}); return err },
			"Append nothing": func() error { _, err := b.log.Append(b.Context(), nil); return err },
			"Read":           func() error { _, err := b.log.Read(b.Context(), b.after(0, one("a"))); return err },
			"End":            func() error { _, err := b.log.End(b.Context(), "a"); return err },
			"Seek":           func() error { _, err := b.log.Seek(b.Context(), one("a"), eventlog.Start{Last: 1}); return err },
		}
		if m, ok := b.log.(eventlog.Mirror); ok {
			calls["Skip"] = func() error { return m.Skip(b.Context(), 99, eventlog.Rollback) }
			calls["SetGeneration"] = func() error { return m.SetGeneration(b.Context(), "other", 1) }
		}
		if l, ok := b.log.(eventlog.Lookup); ok {
			calls["Lookup"] = func() error { _, _, err := l.Lookup(b.Context(), "x"); return err }
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, eventlog.ErrClosed) {
				b.Errorf("%s: %v, want ErrClosed", name, err)
			}
		}
		b.equal("the head", b.log.Head(), head)
		b.equal("the bounds", b.log.Bounds(), bounds)
		for range 2 { // one value may be waiting
			if _, open := <-watch; !open {
				return
			}
		}
		b.Errorf("the channel of Watch is open")
	}},
	{"CloseEndsWaitingCalls", func(b *bench) {
		b.open(everything())
		var wg sync.WaitGroup
		started := make(chan struct{}, 8)
		for g := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					_, err1 := b.log.Append(b.Context(), []eventlog.Record{event(fmt.Sprint(g))})
					_, err2 := b.log.Read(b.Context(), eventlog.Query{Selector: eventlog.Everything(), Limit: 10})
					if err := errors.Join(err1, err2); err != nil {
						if !errors.Is(err, eventlog.ErrClosed) {
							b.Error(err)
						}
						return
					}
					if i == 3 {
						started <- struct{}{}
					}
				}
			})
		}
		for range 8 {
			<-started
		}
		if err := b.log.Close(); err != nil {
			b.Error(err)
		}
		wg.Wait()
	}},
}

var reopening = []test{
	{"EverythingSurvivesReopen", func(b *bench) {
		if b.Reopen == nil {
			return
		}
		r := keep(rule("short/**", eventlog.Rule{Count: 2}), rule("old", eventlog.Rule{Age: time.Second}), rule("**", eventlog.Rule{}))
		r.Topics = 1
		b.open(r)
		for i := range 5 {
			b.put("short/a", "long")
			b.append(keyed(fmt.Sprint("k", i), "b", ""))
		}
		b.append(eventlog.Record{Topics: []string{"c"}, Flags: eventlog.End, ID: "x"})
		for _, topic := range []string{"old", "old/2", "short/b"} {
			b.put(topic)
		}
		b.clock.move(time.Minute)
		b.settle()
		records, bounds := b.all(eventlog.Everything()), b.log.Bounds()
		for range 3 {
			b.log = b.Reopen(b.T, b.log)
			b.settle()
			b.equal("records before anything is appended", b.all(eventlog.Everything()), records)
			b.equal("bounds", b.log.Bounds(), bounds)
			b.gap(b.after(0, one("short/a")), eventlog.Trimmed, 5)
			b.noGap(b.after(5, one("short/a")), 7, 9)
			if r := b.append(keyed("k3", "b", ""))[0]; !r.Duplicate || r.Seq != 8 {
				b.Errorf("a key is not known: %+v", r)
			}
			b.refuse(eventlog.ErrEnded, event("c"))
		}
		b.equal("the next number", b.put("a"), bounds.Head.Seq+1)
	}},
	{"LongReplayIsCompleteFromAnyPosition", func(b *bench) {
		if b.Reopen == nil {
			return
		}
		b.open(everything())
		batch := make([]eventlog.Record, 1000)
		for i := range batch {
			batch[i] = event("a")
		}
		for range 12 {
			b.append(batch...)
		}
		b.log = b.Reopen(b.T, b.log)
		for _, after := range []uint64{0, 500, 5_000, 11_990, 12_000} {
			b.noGap(b.after(after, one("a")), seqs(after+1, 12_000)...)
		}
	}},
}
