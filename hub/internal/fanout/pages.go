package fanout

import (
	"context"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/queue"
)

// pages reads the log for cursors that are below the window. When thousands of clients reconnect at the same position, their cursors want
// the same page. pages reads that page once: other cursors that ask meanwhile wait for it. It keeps the newest pages.
type pages struct {
	log    eventlog.Log
	copies func() uint64 // see [eventlog.Copier]

	mu      sync.Mutex // guards the following
	kept    map[pageKey]*page
	order   queue.Queue[pageKey] // of kept, the oldest first
	bytes   int
	loading map[pageKey]chan struct{} // closed when the page was read, or could not be
}

// pageKey names a page. A page of a log never changes, except that retention trims it, and that a copy replaces the log.
type pageKey struct {
	copies uint64 // of the log when it was read, or before
	wants  string // see group
	after  eventlog.Position
	told   uint64
	limit  int
	last   bool // of the log when it was read: it is only for the cursor that is inside it
}

// page is the result of a read.
type page struct {
	events   []event
	complete eventlog.Position
	bytes    int
}

// pagesBytes limits the size of all kept pages, in bytes of events.
const pagesBytes = 4 << 20

func newPages(log eventlog.Log) *pages {
	return &pages{log: log, copies: copiesOf(log), kept: make(map[pageKey]*page), loading: make(map[pageKey]chan struct{})}
}

// read returns the page of a query, whose selector has a key.
func (p *pages) read(ctx context.Context, wants string, q eventlog.Query) (*page, error) {
	key := pageKey{copies: p.copies(), wants: wants, after: q.After, told: q.Told, limit: q.Limit}
	for {
		p.mu.Lock()
		if found := p.kept[key]; found != nil && q.After.Gen == p.log.Head().Gen {
			p.mu.Unlock()
			return found, nil
		}
		wait := p.loading[key]
		if wait == nil {
			break
		}
		p.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	done := make(chan struct{})
	p.loading[key] = done
	p.mu.Unlock()

	defer func() { // also when code of the log or of a selector panics
		p.mu.Lock()
		delete(p.loading, key)
		p.mu.Unlock()
		close(done)
	}()
	made, err := p.load(ctx, q)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	as := key
	as.last = made.complete == p.log.Head() // the next read may find more
	if p.kept[as] == nil && (!as.last || len(made.events) > 0) {
		p.keep(as, made)
	}
	return made, nil
}

// with returns the kept page that begins at a position, if it has events after that of a query. nil: there is none
func (p *pages) with(wants string, begins eventlog.Position, q eventlog.Query) *page {
	if begins.Gen != q.After.Gen || begins.Seq >= q.After.Seq || begins.Gen != p.log.Head().Gen {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := pageKey{copies: p.copies(), wants: wants, after: begins, told: q.Told, limit: q.Limit}
	found := p.kept[key]
	if found == nil {
		key.last = true
		found = p.kept[key]
	}
	if found == nil || found.complete.Gen != q.After.Gen || found.complete.Seq <= q.After.Seq {
		return nil
	}
	return found
}

func (p *pages) load(ctx context.Context, q eventlog.Query) (*page, error) {
	answer, err := p.log.Read(ctx, q)
	if err != nil {
		return nil, err
	}
	made := &page{events: make([]event, len(answer.Records)), complete: answer.Complete}
	for i := range answer.Records {
		made.events[i].record, made.events[i].gen = &answer.Records[i], answer.Complete.Gen
		made.bytes += answer.Records[i].Size()
	}
	return made, nil
}

// keep keeps a page and drops the oldest ones. The caller holds mu.
func (p *pages) keep(key pageKey, made *page) {
	p.kept[key] = made
	p.order.Push(key)
	p.bytes += made.bytes + entryOverhead
	for p.bytes > pagesBytes {
		oldest := p.order.Pop()
		p.bytes -= p.kept[oldest].bytes + entryOverhead
		delete(p.kept, oldest)
	}
}
