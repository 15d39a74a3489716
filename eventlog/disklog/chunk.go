package disklog

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// chunk is one batch of trimming with all its consequences: a record is removed when its last topic drops it, and each topic
// remembers what it lost.
//
// The trimmer builds a chunk from a view while appends go on. That is safe because only trimming removes records and changes
// topic states, oldest first. commit then checks whether a topic has new records since the view.
type chunk struct {
	*view
	batch    *pebble.Batch
	meta     trimMeta
	changes  map[string]*change
	statusOf map[uint64][]byte // statuses of records with several topics, after this chunk
	removed  []uint64          // records to remove
	bytes    int64             // their size
	cost     int               // approximate size of the batch in bytes
	size     int               // actual size of the batch, once committed
	now      *pebble.Iterator  // over the store at the time of the commit
	err      error             // the first error
	ends     []endLine         // expired ends to forget
	written  func()            // called after the commit
}

// change is the effect of a chunk on a topic.
type change struct {
	state   topicState
	write   bool     // the state has changed
	entries []uint64 // records removed from the topic, in order
	ord     uint64   // number of the last of them within the topic, if known
}

func newChunk(s *store, head uint64) (*chunk, error) {
	v, err := s.view(head)
	if err != nil {
		return nil, err
	}
	return &chunk{
		view: v, batch: s.db.NewBatch(), meta: *v.trim,
		changes: make(map[string]*change), statusOf: make(map[uint64][]byte),
	}, nil
}

func (k *chunk) close() error {
	err := errors.Join(k.view.close(), k.batch.Close())
	if k.now != nil {
		err = errors.Join(err, k.now.Close())
	}
	return err
}

// empty reports whether there is nothing to commit.
func (k *chunk) empty() bool { return k.batch.Empty() && len(k.changes) == 0 && len(k.ends) == 0 }

// fail keeps the first error. Damage does not stop trimming.
func (k *chunk) fail(err error) {
	if k.err == nil && !isCorrupt(err) {
		k.err = err
	}
}

func (k *chunk) delete(key []byte) {
	k.cost += len(key)
	k.fail(k.batch.Delete(key, nil))
}

func (k *chunk) set(key, value []byte) {
	k.cost += len(key) + len(value)
	k.fail(k.batch.Set(key, value, nil))
}

// full reports whether the chunk has reached its limits. A single record with many topics may exceed them.
func (k *chunk) full() bool { return k.cost >= k.s.chunkBytes || len(k.removed) >= chunkRecords }

// change returns the chunk's change of a topic, and begins it if needed.
func (k *chunk) change(topic string) *change {
	c := k.changes[topic]
	if c == nil {
		c = &change{}
		value, ok, err := k.find(topicKey(nil, topic))
		if ok {
			c.state, err = decodeTopicState(value)
		}
		if k.fail(err); isCorrupt(err) { // the worst case: the topic lost as much as any other
			c.state, c.write = topicState{k.meta.trimmed, k.meta.trimmed, k.meta.gone}, true
		}
		k.changes[topic] = c
		k.cost += 2*len(topic) + 256 // its state, its entry as a dead topic, and finding out whether it died
	}
	return c
}

// drop removes a record from the topics that pick selects.
func (k *chunk) drop(r *eventlog.Record, pick func(topic string) bool, how byte) {
	statuses, fresh := k.statusesOf(r)
	var dropped []int
	alive := false
	for i, topic := range r.Topics {
		switch {
		case statuses[i] != live:
		case pick(topic):
			statuses[i] = how
			dropped = append(dropped, i)
			k.unindex(topic, r, how)
		default:
			alive = true
		}
	}
	switch {
	case len(dropped) == 0:
	case alive:
		k.keepPart(r, statuses, dropped)
	default:
		k.remove(r, statuses, fresh)
	}
}

// statusesOf returns a modifiable copy of the record's statuses, and whether the record had none so far.
func (k *chunk) statusesOf(r *eventlog.Record) (statuses []byte, fresh bool) {
	if statuses := k.statusOf[r.Seq]; statuses != nil {
		return statuses, false
	}
	if len(r.Topics) > 1 {
		stored, err := k.statuses(r.Seq)
		if k.fail(err); len(stored) == len(r.Topics) {
			return bytes.Clone(stored), false
		}
	}
	return bytes.Repeat([]byte{live}, len(r.Topics)), true
}

// unindex removes a record from a topic.
func (k *chunk) unindex(topic string, r *eventlog.Record, how byte) {
	k.lose(topic, r.Seq, how)
}

// lose notes that a topic loses a record.
func (k *chunk) lose(topic string, seq uint64, how byte) *change {
	c := k.change(topic)
	c.entries = append(c.entries, seq)
	c.write = true
	k.cost += len(topic) + 12 // its index entry
	c.state.last = max(c.state.last, seq)
	if how == trimmed {
		c.state.trimmed = max(c.state.trimmed, seq)
		k.meta.trimmed = max(k.meta.trimmed, seq)
	}
	return c
}

// gone notes that a record which a topic trimmed no longer exists under other topics either. A forgotten topic needs no note,
// because the floor covers it.
func (k *chunk) gone(topic string, seq uint64) {
	c := k.change(topic)
	k.meta.gone = max(k.meta.gone, seq)
	if c.state == (topicState{}) && seq <= k.meta.floor {
		return
	}
	c.state.gone = max(c.state.gone, seq)
	c.write = true
}

// keepPart keeps a record for the topics that still have it.
func (k *chunk) keepPart(r *eventlog.Record, statuses []byte, dropped []int) {
	k.statusOf[r.Seq] = statuses
	k.meta.partial = max(k.meta.partial, r.Seq)
	k.set(statusKey(nil, r.Seq), statuses)
	for _, i := range dropped {
		if statuses[i] == trimmed {
			k.set(namedKey(nil, kindElsewhere, r.Topics[i], r.Seq), nil)
		}
	}
}

// remove removes a record that no topic has any more.
func (k *chunk) remove(r *eventlog.Record, statuses []byte, fresh bool) {
	k.removed = append(k.removed, r.Seq)
	k.bytes += int64(r.Size())
	if r.ID != "" {
		k.delete(namedKey(nil, kindID, r.ID, r.Seq))
	}
	if !fresh {
		k.delete(statusKey(nil, r.Seq))
	}
	for i, topic := range r.Topics {
		if statuses[i] != trimmed {
			continue
		}
		k.gone(topic, r.Seq)
		if !fresh {
			k.delete(namedKey(nil, kindElsewhere, topic, r.Seq))
		}
	}
}

// removePlain removes a record with a single topic, without reading it.
func (k *chunk) removePlain(topic string, seq uint64, e entry, how byte) {
	k.removed = append(k.removed, seq)
	k.bytes += int64(e.size)
	k.lose(topic, seq, how)
	if how == trimmed {
		k.gone(topic, seq)
	}
}

// dropUnread removes an unreadable record from a topic. Its other topics are not known; readers of those topics cannot read
// it either.
func (k *chunk) dropUnread(topic string, seq uint64, how byte) {
	k.lose(topic, seq, how)
	if how == trimmed {
		k.gone(topic, seq)
	}
}

// walk visits the records in order, one chunk at a time.
type walk struct {
	*chunk
	at uint64 // everything before it was visited
}

// run calls f with each record until f returns false or the chunk is full. done reports whether nothing is left to visit.
func (w *walk) run(f func(*eventlog.Record) bool) (done bool, err error) {
	ev := w.events(context.Background())
	contiguous := w.at <= w.meta.first
	n := 0
	for ok := ev.seekGE(w.at); ok && ev.at() <= w.head; ok = ev.next() {
		if n++; n > chunkRecords || w.full() {
			return false, w.err
		}
		if ev.gone != (span{}) { // unreadable records stay
			w.at, contiguous = ev.gone.to+1, false
			continue
		}
		r, err := decodeRecord(ev.seq, ev.value)
		if isCorrupt(err) {
			w.at, contiguous = ev.seq+1, false
			continue
		}
		removed := len(w.removed)
		if !f(&r) {
			w.at = r.Seq
			return true, w.err
		}
		w.at = r.Seq + 1
		if contiguous = contiguous && len(w.removed) > removed; contiguous {
			w.meta.first = r.Seq + 1
		}
	}
	return true, errors.Join(w.err, ev.err)
}

// numbered is an index entry with the number of its record.
type numbered struct {
	entry
	seq uint64
}

// trimTopic removes what a topic has beyond its rule's Count or Latest, at most one chunk.
func (k *chunk) trimTopic(topic string) (done bool, err error) {
	rule := k.s.ret().Rule(topic)
	keep, how := uint64(rule.Count), byte(trimmed)
	if rule.Latest > 0 {
		keep, how = uint64(rule.Latest), superseded
	}
	if keep == 0 {
		return true, nil
	}
	newest, err := k.newestOrd(topic)
	if err != nil || newest <= keep {
		return true, err
	}
	excess, err := k.entriesUpTo(topic, newest-keep)
	if err != nil {
		return true, err
	}
	for _, e := range excess {
		if k.full() {
			return false, k.err
		}
		if e.flags&entryPlain != 0 {
			k.removePlain(topic, e.seq, e.entry, how)
		} else {
			r, err := k.event(e.seq)
			switch {
			case isCorrupt(err):
				k.dropUnread(topic, e.seq, how)
			case err != nil:
				return true, err
			default:
				k.drop(&r, func(name string) bool { return name == topic }, how)
			}
		}
		k.change(topic).ord = e.ord
	}
	return len(excess) < chunkTopic, k.err
}

// newestOrd returns the number, within its topic, of the newest record that counts: the last one, or the one before if the last ends the
// topic.
func (k *chunk) newestOrd(topic string) (uint64, error) {
	prefix := appendName(nil, kindIndex, topic)
	if !k.it.SeekLT(appendSeq(prefix[:len(prefix):len(prefix)], k.head+1)) || !bytes.HasPrefix(k.it.Key(), prefix) {
		return 0, k.it.Error()
	}
	e, err := decodeEntry(k.it.Value())
	if err == nil && e.flags&entryEnd != 0 {
		e.ord--
	}
	return e.ord, err
}

// entriesUpTo returns the first entries of a topic up to a number within the topic.
func (k *chunk) entriesUpTo(topic string, most uint64) (entries []numbered, err error) {
	prefix := appendName(nil, kindIndex, topic)
	for ok := k.it.SeekGE(prefix); ok && bytes.HasPrefix(k.it.Key(), prefix) && len(entries) < chunkTopic; ok = k.it.Next() {
		e, err := decodeEntry(k.it.Value())
		if err != nil {
			return nil, err
		}
		if e.ord > most {
			break
		}
		entries = append(entries, numbered{e, seqOf(k.it.Key())})
	}
	return entries, k.it.Error()
}

// topics returns at most most topics, from a name on.
func (k *chunk) topics(from string, most int) (topics []string, err error) {
	next := appendEscaped([]byte{kindIndex}, from)
	for len(topics) < most && k.it.SeekGE(next) && k.it.Key()[0] == kindIndex {
		topic, _, ok := cutName(k.it.Key()[1:])
		if !ok {
			return nil, corrupt("index", "a key is cut off")
		}
		topics = append(topics, topic)
		next = appendName(next[:0], kindIndex, topic)
		next[len(next)-1]++ // after all keys of the topic, before all others
	}
	return topics, k.it.Error()
}
