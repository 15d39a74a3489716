package logtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
)

// stress is a log under concurrent appends and reads.
type stress struct {
	*bench
	appenders, batches int

	mu       sync.Mutex
	appended map[uint64]eventlog.Record // by number, as receipts describe them
	done     chan struct{}              // closed after the last append
}

// stress appends from several goroutines while readers run, until the readers have read everything.
func (b *bench) stress(appenders, batches int, readers ...func(*stress)) *stress {
	c := &stress{bench: b, appenders: appenders, batches: batches, appended: make(map[uint64]eventlog.Record), done: make(chan struct{})}
	var reading, writing sync.WaitGroup
	for _, reader := range readers {
		reading.Go(func() { reader(c) })
	}
	for g := range appenders {
		writing.Go(func() { c.appendBatches(g) })
	}
	writing.Wait()
	close(c.done)
	reading.Wait()
	return c
}

// appendBatches appends as one of several goroutines. The numbers of a batch must be consecutive and above the head before it.
func (c *stress) appendBatches(g int) {
	for i := range c.batches {
		batch := make([]eventlog.Record, 1+(g+i)%3)
		for j := range batch {
			batch[j] = eventlog.Record{Topics: []string{fmt.Sprintf("g/%d", g), "all"}, Data: fmt.Sprintf("%d %d %d", g, i, j)}
		}
		before := c.log.Head()
		receipts, err := c.log.Append(c.Context(), batch)
		if err != nil {
			c.Error(err)
			return
		}
		if head := c.log.Head(); head.Seq < receipts[len(receipts)-1].Seq {
			c.Errorf("%v is acknowledged, the head is at %v", receipts[len(receipts)-1].Position, head)
		}
		c.mu.Lock()
		for j, receipt := range receipts {
			if receipt.Seq <= before.Seq || receipt.Seq != receipts[0].Seq+uint64(j) {
				c.Errorf("number %d of a batch that begins at %d, with the head at %v before", receipt.Seq, receipts[0].Seq, before)
			}
			if _, twice := c.appended[receipt.Seq]; twice {
				c.Errorf("number %d was given twice", receipt.Seq)
			}
			batch[j].Seq, batch[j].Time = receipt.Seq, receipt.Time
			c.appended[receipt.Seq] = batch[j]
		}
		c.mu.Unlock()
	}
}

// tail reads from the beginning until nothing is appended any more and it has reached the head. It returns the records, and the
// numbers that gaps covered.
func (c *stress) tail(q eventlog.Query) (records []eventlog.Record, lost map[uint64]bool) {
	lost = make(map[uint64]bool)
	for last := false; ; {
		a, err := c.log.Read(c.Context(), q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			for seq := q.After.Seq + 1; seq <= gap.To.Seq; seq++ {
				lost[seq] = true
			}
			q = gap.Partial(q)
			continue
		} else if err != nil {
			c.Error(err)
			return nil, nil
		}
		records = append(records, a.Records...)
		if q.After = a.Complete; q.After.Seq < c.log.Head().Seq {
			continue
		}
		if last {
			return records, lost
		}
		select {
		case <-c.done:
			last = true
		default:
			runtime.Gosched()
		}
	}
}

// complete reports selected records that were appended and are neither among the records nor covered by a gap.
func (c *stress) complete(what string, records []eventlog.Record, lost map[uint64]bool, selected func(*eventlog.Record) bool) {
	if !slices.IsSortedFunc(records, func(a, b eventlog.Record) int { return int(a.Seq) - int(b.Seq) }) {
		c.Errorf("%s: not in order", what)
	}
	got := make(map[uint64]eventlog.Record, len(records))
	for _, r := range records {
		if _, twice := got[r.Seq]; twice {
			c.Errorf("%s: %d came twice", what, r.Seq)
		}
		got[r.Seq] = r
	}
	for seq, want := range c.appended {
		r, ok := got[seq]
		switch {
		case !selected(&want):
			if ok {
				c.Errorf("%s: %d was not asked for", what, seq)
			}
		case !ok && !lost[seq]:
			c.Errorf("%s: %d is missing without a gap", what, seq)
		case ok && (r.Data != want.Data || !r.Time.Equal(want.Time) || !slices.Equal(r.Topics, want.Topics)):
			c.Errorf("%s: %d is %+v, want %+v", what, seq, r, want)
		}
	}
}

// follow is a reader that checks at the end that it has seen everything.
func follow(name string, s eventlog.Selector, limit int, out *[]eventlog.Record) func(*stress) {
	return func(c *stress) {
		records, lost := c.tail(eventlog.Query{Selector: s, Limit: limit})
		<-c.done
		c.mu.Lock()
		defer c.mu.Unlock()
		c.complete(name, records, lost, func(r *eventlog.Record) bool { return slices.ContainsFunc(r.Topics, s.Match) })
		if out != nil {
			*out = records
		}
	}
}

var concurrency = []test{
	{"AppendsAreLinearizableAndEveryReaderSeesTheSameOrder", func(b *bench) {
		b.open(everything())
		var x, y []eventlog.Record
		b.stress(8, 60,
			follow("everything", eventlog.Everything(), 0, &x), follow("all", one("all"), 7, &y),
			follow("one of them", one("g/3"), 0, nil), follow("a pattern", matching("g/*"), 5, nil), follow("two", eventlog.Topics("g/1", "g/2"), 1, nil))
		b.equal("the order of two readers", numbersOf(x), numbersOf(y))
	}},
	{"ReadersMissNothingSilentlyWhileRetentionTrims", func(b *bench) {
		r := keep(rule("g/0", eventlog.Rule{Count: 3}), rule("g/**", eventlog.Rule{Count: 10}), rule("all", eventlog.Rule{Count: 50}))
		r.Events = 200
		b.open(r)
		trim := func(c *stress) {
			for {
				select {
				case <-c.done:
					return
				default:
					c.settle()
				}
			}
		}
		b.stress(8, 80, trim,
			follow("everything", eventlog.Everything(), 3, nil), follow("all", one("all"), 7, nil), follow("g/0", one("g/0"), 1, nil),
			follow("two", eventlog.Topics("g/1", "all"), 2, nil), follow("a pattern", matching("g/*"), 5, nil))
		b.settle()
		if n := b.log.Bounds().Events; n > 200 {
			b.Errorf("%d records are left, want at most 200", n)
		}
	}},
	{"CancelledAppendsDoNotDisturbOthers", func(b *bench) {
		b.open(everything())
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 40 {
					ctx, cancel := context.WithCancel(b.Context())
					if i%2 == 0 {
						go cancel()
					}
					records := []eventlog.Record{{Topics: []string{"a"}, Key: fmt.Sprint(g, "/", i), Data: strings.Repeat("x", i)}}
					_, err := b.log.Append(ctx, records)
					records[0].Data, records[0].Topics[0] = "changed", "changed"
					if cancel(); err != nil && !errors.Is(err, context.Canceled) {
						b.Error(err)
					}
					repeated := []eventlog.Record{{Topics: []string{"a"}, Key: fmt.Sprint(g, "/", i), Data: strings.Repeat("x", i)}}
					if _, err := b.log.Append(b.Context(), repeated); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		b.equal("each is stored once", len(b.all(one("a"))), 8*40)
	}},
}
