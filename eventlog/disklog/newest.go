package disklog

import (
	"slices"
	"sort"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
)

// newest are the newest records, as they were appended. Whoever follows everything, as a hub does, finds here what comes next: nothing is
// read and decoded that was in memory a moment ago. It has every record after low, up to high.
type newest struct {
	mu        sync.RWMutex // guards the following
	low, high uint64
	commits   [][]eventlog.Record // the records of each, in order; others may be reading them, so they stay as they are
	bytes     int
}

const (
	newestBytes    = 4 << 20 // that are kept; somebody who is further behind can as well read
	newestOverhead = 200     // of a record, besides its size
)

// add takes the records of a commit, which come after a number, up to another one.
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
	if cap(records) > 2*len(records) { // there was room for some that were duplicates, or refused
		records = slices.Clone(records)
	}
	n.commits = append(n.commits, records)
	n.bytes += sizeOf(records)
	for n.bytes > newestBytes {
		n.drop()
	}
}

// removed is for when a record, and maybe some before it, are removed from the log.
func (n *newest) removed(seq uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.commits) > 0 && last(n.commits[0]) <= seq {
		n.drop()
	}
	n.low = max(n.low, seq)
}

// drop drops the oldest commit. The caller holds mu.
func (n *newest) drop() {
	oldest := n.commits[0]
	n.commits[0] = nil
	n.commits = n.commits[1:]
	n.bytes -= sizeOf(oldest)
	n.low = max(n.low, last(oldest))
}

// forget is for when the numbers begin anew.
func (n *newest) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.low, n.high, n.commits, n.bytes = 0, 0, nil, 0
}

// after returns the commits in which the records after a number begin, if all are here, up to another one at least.
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

// recent answers from memory, if that is possible: when everything is wanted, and nothing is missing after the position, whether the reader
// knows of it or not.
func (s *store) recent(q *eventlog.Query, head eventlog.Position) (_ eventlog.Answer, ok bool) {
	if to, _ := s.hole(q.After.Seq); to != 0 || !q.Selector.All() || s.mayMiss(&q.Selector, q.After.Seq) {
		return eventlog.Answer{}, false
	}
	commits, ok := s.newest.after(q.After.Seq, head.Seq)
	if !ok {
		return eventlog.Answer{}, false
	}
	a := answer{q: q, complete: q.After.Seq, records: make([]eventlog.Record, 0, min(uint64(q.Limit), head.Seq-q.After.Seq))}
	for _, records := range commits {
		if !a.take(records, head.Seq) {
			return eventlog.Answer{Records: a.records, Complete: s.at(a.complete)}, true
		}
	}
	return eventlog.Answer{Records: a.records, Complete: head}, true
}

// take adds the records that come next, up to a number. It returns false if it has no room for one of them.
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
