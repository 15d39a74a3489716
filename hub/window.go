package hub

import (
	"sort"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/queue"
)

// window is the newest events in memory, shared by all subscribers. It has every record of the log after its low end, up to
// its head.
//
//	low < each entry ≤ head
//
// Those who are at low or later find everything here that comes next; the others ask the log.
type window struct {
	max int64 // bytes

	mu      sync.RWMutex // guards the following
	gen     string
	low     uint64
	high    uint64
	entries queue.Queue[*entry]             // in order
	topics  map[string]*queue.Queue[*entry] // those of each topic, in order
	bytes   int64
	passed  int64 // bytes of all records that were ever added
}

// entry is an event in the window.
type entry struct {
	seq    uint64
	topics []string
	event  event
	passed int64 // bytes that had been added before it
}

// entryOverhead is what an entry takes besides its record and its frame, more or less.
const entryOverhead = 300

func (e *entry) size() int64 { return 2*int64(e.event.record.Size()) + entryOverhead }

func newWindow(at eventlog.Position, max int64) *window {
	w := &window{max: max}
	w.begin(at)
	return w
}

// begin empties the window. It is for when what comes next does not follow from what was before.
func (w *window) begin(at eventlog.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gen, w.low, w.high = at.Gen, at.Seq, at.Seq
	w.entries, w.topics, w.bytes = queue.Queue[*entry]{}, make(map[string]*queue.Queue[*entry]), 0
}

// size returns how many events the window has, and what they take.
func (w *window) size() (events int, bytes int64) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.entries.Len(), w.bytes
}

// head returns the position up to which the window has everything.
func (w *window) head() eventlog.Position {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return eventlog.Position{Gen: w.gen, Seq: w.high}
}

// add adds the records that come next, after which the window is complete up to a position.
func (w *window) add(records []eventlog.Record, complete eventlog.Position) {
	fresh := make([]entry, len(records))
	for i := range records {
		r := &records[i]
		fresh[i] = entry{seq: r.Seq, topics: r.Topics, event: event{record: r, gen: complete.Gen}}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range fresh {
		e := &fresh[i]
		w.entries.Push(e)
		for _, topic := range e.topics {
			of := w.topics[topic]
			if of == nil {
				of = new(queue.Queue[*entry])
				w.topics[topic] = of
			}
			of.Push(e)
		}
		w.bytes += e.size()
		e.passed = w.passed
		w.passed += int64(e.event.record.Size())
	}
	w.high = complete.Seq
	for w.bytes > w.max && w.entries.Len() > 1 {
		w.dropOldest()
	}
}

// dropOldest removes the oldest entry. The caller holds mu.
func (w *window) dropOldest() {
	e := w.entries.Pop()
	w.low = e.seq
	w.bytes -= e.size()
	for _, topic := range e.topics {
		of := w.topics[topic]
		if of.Pop(); of.Len() == 0 {
			delete(w.topics, topic)
		}
	}
}

// has reports whether the window has everything that comes after a position.
func (w *window) has(at eventlog.Position) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return at.Gen == w.gen && at.Seq >= w.low
}

// newest returns the newest record of a topic, nil if the window has none.
func (w *window) newest(topic string) *eventlog.Record {
	w.mu.RLock()
	defer w.mu.RUnlock()
	all := w.of(topic)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1].event.record
}

// of returns the entries of a topic, in order. The caller holds mu.
func (w *window) of(topic string) []*entry {
	if of := w.topics[topic]; of != nil {
		return of.All()
	}
	return nil
}

const (
	pageEvents = 1000   // that are read from the window at once,
	pageLooked = 10_000 // and that are looked at for it, by a selector that costs little
)

// after appends the events that a selector wants after a position and up to a number, in order and up to a number of bytes, and
// returns up to where that is complete. It is not ok if the window does not reach that far back.
func (w *window) after(
	events []*event, sel *eventlog.Selector, at eventlog.Position, to uint64, bytes int,
) (_ []*event, complete eventlog.Position, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	switch {
	case at.Gen != w.gen || at.Seq < w.low:
		return events, at, false
	case at.Seq >= w.high: // who has read the log may be ahead
		return events, at, true
	}
	complete = eventlog.Position{Gen: w.gen, Seq: min(w.high, to)}
	from, most := w.candidates(sel, at.Seq), max(1, pageLooked/sel.Cost())
	for i, e := range from {
		if e.seq > to {
			break
		}
		if i == most || len(events) == pageEvents || bytes <= 0 {
			complete.Seq = e.seq - 1
			break
		}
		if sel.MatchRecord(e.event.record) {
			events = append(events, &e.event)
			bytes -= e.event.record.Size()
		}
	}
	return events, complete, true
}

// next appends the events that come next after a position, whoever wants them, up to a number of events and bytes, and returns
// up to where that is complete; if the window does not reach that far back, where its head is.
func (w *window) next(events []*event, at eventlog.Position, limit, bytes int) (_ []*event, complete eventlog.Position, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	head := eventlog.Position{Gen: w.gen, Seq: w.high}
	if at.Gen != w.gen || at.Seq < w.low {
		return events, head, false
	}
	for _, e := range since(w.entries.All(), at.Seq) {
		if limit--; limit < 0 || bytes <= 0 {
			head.Seq = e.seq - 1
			break
		}
		events = append(events, &e.event)
		bytes -= e.event.record.Size()
	}
	return events, head, true
}

// candidates returns the entries after a number in which a selector may find something.
func (w *window) candidates(sel *eventlog.Selector, after uint64) []*entry {
	names := sel.Names()
	if len(sel.Matchers()) > 0 {
		return since(w.entries.All(), after)
	}
	if len(names) == 1 {
		return since(w.of(names[0]), after)
	}
	var all []*entry
	for _, name := range names {
		all = append(all, since(w.of(name), after)...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].seq < all[j].seq })
	n := 0
	for i, e := range all { // an event of several topics comes several times
		if i == 0 || e != all[n-1] {
			all[n] = e
			n++
		}
	}
	return all[:n]
}

func since(entries []*entry, after uint64) []*entry {
	i := sort.Search(len(entries), func(i int) bool { return entries[i].seq > after })
	return entries[i:]
}
