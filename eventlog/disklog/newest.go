package disklog

import (
	"slices"
	"sort"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
)

// newest holds the newest records as they were appended: all after low and up to high. A reader that follows everything, as a hub
// does, gets them from here, without reading from the store.
type newest struct {
	mu        sync.RWMutex // guards the following fields
	low, high uint64
	commits   [][]eventlog.Record // records per commit, in order; readers share them, so they are never modified
	bytes     int
}

const (
	newestBytes    = 4 << 20 // maximum size; readers that are further behind read from the store
	newestOverhead = 200     // memory per record besides its size
)

// add appends the records of a commit, which come after one number and up to another.
func (n *newest) add(records []eventlog.Record, after, to uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.high != after {
		n.low, n.commits, n.bytes = after, nil, 0
	}
	n.high = to
	if len(records) == 0 {
		return
	}
	if cap(records) > 2*len(records) { // many were duplicates or refused
		records = slices.Clone(records)
	}
	n.commits = append(n.commits, records)
	n.bytes += sizeOf(records)
	for n.bytes > newestBytes {
		n.drop()
	}
}

// removed is called when a record, and possibly some before it, are removed from the log.
func (n *newest) removed(seq uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.commits) > 0 && last(n.commits[0]) <= seq {
		n.drop()
	}
	n.low = max(n.low, seq)
}

// drop removes the oldest commit. The caller holds mu.
func (n *newest) drop() {
	oldest := n.commits[0]
	n.commits[0] = nil
	n.commits = n.commits[1:]
	n.bytes -= sizeOf(oldest)
	n.low = max(n.low, last(oldest))
}

// forget is called when a new generation uses the sequence numbers for other records.
func (n *newest) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.low, n.high, n.commits, n.bytes = 0, 0, nil, 0
}

// after returns the commits that contain the records after a number, if all of them up to another number are here.
func (n *newest) after(after, to uint64) (commits [][]eventlog.Record, ok bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if after < n.low || n.high < to {
		return nil, false
	}
	i := sort.Search(len(n.commits), func(i int) bool { return last(n.commits[i]) > after })
	return append(commits, n.commits[i:]...), true
}

func last(records []eventlog.Record) uint64 { return records[len(records)-1].Seq }

func sizeOf(records []eventlog.Record) (bytes int) {
	for i := range records {
		bytes += records[i].Size() + newestOverhead
	}
	return bytes
}

// recent answers from memory if it can: for queries that select everything, when nothing is missing after the position.
func (s *store) recent(q *eventlog.Query, head eventlog.Position) (_ eventlog.Answer, ok bool) {
	if to, _ := s.hole(q.After.Seq); to != 0 || !q.Selector.All() || s.mayMiss(&q.Selector, q.After.Seq) {
		return eventlog.Answer{}, false
	}
	commits, ok := s.newest.after(q.After.Seq, head.Seq)
	if !ok {
		return eventlog.Answer{}, false
	}
	n := 0 // of a mirror, consecutive records may have numbers that are far apart
	for _, records := range commits {
		n += len(records)
	}
	a := answer{q: q, complete: q.After.Seq, records: make([]eventlog.Record, 0, min(q.Limit, n))}
	for _, records := range commits {
		if !a.take(records, head.Seq) {
			return eventlog.Answer{Records: a.records, Complete: s.at(a.complete)}, true
		}
	}
	return eventlog.Answer{Records: a.records, Complete: head}, true
}

// take adds records up to a number. It returns false if one of them does not fit.
func (a *answer) take(records []eventlog.Record, to uint64) (more bool) {
	i := sort.Search(len(records), func(i int) bool { return records[i].Seq > a.complete })
	for ; i < len(records) && records[i].Seq <= to; i++ {
		if r := &records[i]; a.q.Selector.Keep(r) && !a.add(r) {
			return false
		}
		a.complete = records[i].Seq
	}
	return true
}
