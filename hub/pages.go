package hub

import (
	"context"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/queue"
)

// pages reads the log for those who are behind the window. When thousands come back to the same place they want the same page,
// and it is read once: whoever asks while it is being read waits for it, and the pages read last are kept.
type pages struct {
	log eventlog.Log

	mu     sync.Mutex // guards the following
	kept   map[pageKey]*page
	order  queue.Queue[pageKey] // of kept, the oldest first
	bytes  int
	notNow map[pageKey]chan struct{} // closed when a page that is being read is there, or cannot be had
}

// pageKey names a page. A page of a log never changes, but for what is trimmed of it.
type pageKey struct {
	wanted string // the group's key, without its form
	after  eventlog.Position
	told   uint64
}

// page is what a read has found.
type page struct {
	events   []event
	complete eventlog.Position
	bytes    int
}

// pagesBytes bounds what is kept, by the events' own size.
const pagesBytes = 4 << 20

func newPages(log eventlog.Log) *pages {
	return &pages{log: log, kept: make(map[pageKey]*page), notNow: make(map[pageKey]chan struct{})}
}

// read reads a page.
func (p *pages) read(ctx context.Context, g *group, q eventlog.Query) (*page, error) {
	key := pageKey{g.wants, q.After, q.Told}
	for {
		p.mu.Lock()
		if found := p.kept[key]; found != nil && q.After.Gen == p.log.Head().Gen {
			p.mu.Unlock()
			return found, nil
		}
		wait := p.notNow[key]
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
	p.notNow[key] = done
	p.mu.Unlock()

	made, err := p.load(ctx, q)

	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.notNow, key)
	close(done)
	if err != nil {
		return nil, err
	}
	if made.complete != p.log.Head() { // at the head the next read may find more
		p.keep(key, made)
	}
	return made, nil
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

// keep keeps a page in the place of the oldest. The caller holds the lock.
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
