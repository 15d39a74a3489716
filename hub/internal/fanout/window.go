package fanout

import (
	"sort"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/queue"
)

// window holds the newest events in memory, shared by all subscribers. It has every record of the log after low, up to high:
//
//	low < seq of each entry ≤ high
//
// A cursor at low or later finds all its next events in it. A cursor below low reads the log.
type window struct {
	max int64 // bytes

	mu      sync.RWMutex // guards the following
	gen     string
	low     uint64
	high    uint64
	entries queue.Queue[*entry]             // in order
	topics  map[string]*queue.Queue[*entry] // those of each topic, in order
	bytes   int64
	added   int64 // bytes of all records that were ever added
}

// entry is an event in the window.
type entry struct {
	seq    uint64
	topics []string
	event  event
	bytes  int   // size of the record
	before int64 // bytes that were added before it
}

// entryOverhead is about how many bytes an entry takes besides its record and its bytes in one encoding.
const entryOverhead = 300

func (e *entry) size() int64 { return 2*int64(e.bytes) + entryOverhead }

func newWindow(at eventlog.Position, max int64) *window {
	w := &window{max: max}
	w.begin(at)
	return w
}

// begin empties the window and continues at another position, which need not follow the old head.
func (w *window) begin(at eventlog.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gen, w.low, w.high = at.Gen, at.Seq, at.Seq
	w.entries, w.topics, w.bytes = queue.Queue[*entry]{}, make(map[string]*queue.Queue[*entry]), 0
}

// size returns how many events the window has, and how many bytes they take.
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
		fresh[i] = entry{seq: r.Seq, topics: r.Topics, event: event{record: r, gen: complete.Gen}, bytes: r.Size()}
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
		e.before = w.added
		w.added += int64(e.bytes)
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
	pageEvents  = 1000   // events that one read returns at most
	pageScanned = 10_000 // entries that one read scans at most, with a selector of little cost
)

// after appends the events that a selector wants, in order: those after a position, up to a sequence number, and up to about the given
// number of bytes. It returns the position up to which the result is complete. ok is false if the window begins after the position.
func (w *window) after(
	events []*event, sel *eventlog.Selector, at eventlog.Position, to uint64, bytes int,
) (_ []*event, complete eventlog.Position, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	switch {
	case at.Gen != w.gen || at.Seq < w.low:
		return events, at, false
	case at.Seq >= w.high: // a cursor that has read the log may be ahead
		return events, at, true
	}
	complete = eventlog.Position{Gen: w.gen, Seq: min(w.high, to)}
	from, most := w.candidates(sel, at.Seq), max(1, pageScanned/sel.Cost())
	exact := len(sel.Matchers()) == 0 && !sel.Filtered() // it wants all candidates
	for i, e := range from {
		if e.seq > to {
			break
		}
		if i == most || len(events) == pageEvents || bytes <= 0 {
			complete.Seq = e.seq - 1
			break
		}
		if exact || sel.MatchRecord(e.event.record) {
			events = append(events, &e.event)
			bytes -= e.bytes
		}
	}
	return events, complete, true
}

// next appends all events after a position, up to a number of events and bytes. It returns the position up to which the result is
// complete. If the window begins after the position, ok is false and complete is the window's head.
func (w *window) next(events []*event, at eventlog.Position, limit, bytes int) (_ []*event, complete eventlog.Position, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	head := eventlog.Position{Gen: w.gen, Seq: w.high}
	if at.Gen != w.gen || at.Seq < w.low {
		return events, head, false
	}
	for _, e := range entriesAfter(w.entries.All(), at.Seq) {
		if limit--; limit < 0 || bytes <= 0 {
			head.Seq = e.seq - 1
			break
		}
		events = append(events, &e.event)
		bytes -= e.bytes
	}
	return events, head, true
}

// candidates returns entries after a sequence number. They include all that a selector wants.
func (w *window) candidates(sel *eventlog.Selector, after uint64) []*entry {
	names := sel.Names()
	if len(sel.Matchers()) > 0 {
		return entriesAfter(w.entries.All(), after)
	}
	if len(names) == 1 {
		return entriesAfter(w.of(names[0]), after)
	}
	var all []*entry
	for _, name := range names {
		all = append(all, entriesAfter(w.of(name), after)...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].seq < all[j].seq })
	n := 0
	for i, e := range all { // an event with several topics is there several times
		if i == 0 || e != all[n-1] {
			all[n] = e
			n++
		}
	}
	return all[:n]
}

func entriesAfter(entries []*entry, after uint64) []*entry {
	i := sort.Search(len(entries), func(i int) bool { return entries[i].seq > after })
	return entries[i:]
}

// bytesSince returns the bytes of events added since a position, or all bytes ever added if the window begins after it.
func (w *window) bytesSince(from eventlog.Position) int64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if from.Gen != w.gen || from.Seq <= w.low {
		return w.added
	}
	after := entriesAfter(w.entries.All(), from.Seq-1)
	if len(after) == 0 {
		return 0
	}
	return w.added - after[0].before
}

// reached reports whether a position is at the head of the window or beyond.
func (w *window) reached(at eventlog.Position) bool {
	head := w.head()
	return at.Gen == head.Gen && at.Seq >= head.Seq
}
