package disklog

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// view is a snapshot of the store for one reader.
//
// The order of its parts matters: head and chunks are read before the snapshot is made, so that the snapshot has everything up to them;
// trim is read after it, so that trim covers everything that the snapshot lacks.
type view struct {
	s    *store
	head uint64
	it   *pebble.Iterator // over the index and other small values
	ev   *pebble.Iterator // over records; made when needed
	trim *trimMeta
	key  []byte

	chunks uint64 // losses.chunks before the snapshot
	unsure uint64 // records that were not checked may be missing up to here, see lostByState

	// Made when needed: to read many records, and to step over damage.
	cursor *events
	one    *pebble.Iterator
}

func (s *store) view(head uint64) (*view, error) {
	chunks := s.losses.chunks.Load()
	it, err := s.db.NewIter(nil)
	if err != nil {
		return nil, err
	}
	return &view{s: s, head: head, it: it, trim: s.trim.Load(), chunks: chunks}, nil
}

func (v *view) close() error {
	iterators := []*pebble.Iterator{v.it, v.ev, v.one}
	if v.cursor != nil {
		iterators = append(iterators, v.cursor.it)
	}
	var errs []error
	for _, it := range iterators {
		if it == nil {
			continue
		}
		if err := it.Close(); !isCorrupt(err) { // damage was reported by the call that met it
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// find returns the value of exactly this key, and whether there is one. The value is valid until the iterator moves.
func (v *view) find(key []byte) (value []byte, ok bool, err error) {
	if v.it.SeekGE(key) && bytes.Equal(v.it.Key(), key) {
		return v.it.Value(), true, nil
	}
	if err = v.it.Error(); isCorrupt(err) {
		value, err = v.exact(key, &pebble.IterOptions{UseL6Filters: true})
	}
	return value, value != nil, err
}

// reader returns the iterator over records.
func (v *view) reader() (*pebble.Iterator, error) {
	if v.ev == nil {
		ev, err := v.it.Clone(pebble.CloneOptions{IterOptions: v.s.damage.recordsIn(allRecords)})
		if err != nil {
			return nil, err
		}
		v.ev = ev
	}
	return v.ev, nil
}

// event reads a record that the index named.
func (v *view) event(seq uint64) (eventlog.Record, error) {
	if !v.s.damage.found.Load() {
		ev, err := v.reader()
		if err != nil {
			return eventlog.Record{}, err
		}
		v.key = eventKey(v.key[:0], seq)
		if ev.SeekGE(v.key) && seqOf(ev.Key()) == seq {
			return decodeEvent(ev)
		}
		switch err := ev.Error(); {
		case err == nil:
			return eventlog.Record{}, errNoRecord
		case !isCorrupt(err):
			return eventlog.Record{}, err
		}
	}
	value, err := v.single(seq)
	if err != nil {
		return eventlog.Record{}, err
	}
	return decodeRecord(seq, value)
}

// decodeEvent decodes the record at the iterator's position, with one copy.
func decodeEvent(ev *pebble.Iterator) (eventlog.Record, error) {
	value, err := ev.ValueAndErr()
	if err != nil {
		return eventlog.Record{}, err
	}
	return decodeRecord(seqOf(ev.Key()), value)
}

func decodeRecord(seq uint64, value []byte) (eventlog.Record, error) {
	if len(value) < 8 {
		return eventlog.Record{}, corrupt("record", "it is too short")
	}
	r, err := eventlog.DecodeRecord(string(value[8:]))
	if err != nil {
		return r, err
	}
	r.Seq, r.Time = seq, unixMilli(seqOf(value[:8]))
	return r, nil
}

// canonicalTopic returns the first topic of an encoded record, and whether it is the only one. It does not decode the rest, for scans
// that select few records.
func canonicalTopic(value []byte) (topic []byte, only bool) {
	const tagTopic = 1
	var size uint64
	if len(value) < 10 || value[8] != tagTopic {
		return nil, false
	}
	rest, ok := cutNumbers(value[9:], &size)
	if !ok || size > uint64(len(rest)) {
		return nil, false
	}
	topic, rest = rest[:size], rest[size:]
	return topic, len(rest) == 0 || rest[0] != tagTopic
}

// statuses returns the status of a record under each of its topics, nil if all of them have it.
func (v *view) statuses(seq uint64) ([]byte, error) {
	if seq > v.trim.partial {
		return nil, nil
	}
	v.key = statusKey(v.key[:0], seq)
	statuses, _, err := v.find(v.key)
	return statuses, err
}

// selects reports whether a selector can read a record: it selects a topic that still has the record.
func (v *view) selects(sel *eventlog.Selector, r *eventlog.Record) (bool, error) {
	var statuses []byte
	if len(r.Topics) > 1 {
		var err error
		if statuses, err = v.statuses(r.Seq); isCorrupt(err) {
			statuses = nil // it is better to return a record that a topic has trimmed than to lose one
		} else if err != nil {
			return false, err
		}
	}
	return among(sel, r, statuses), nil
}

// among reports whether a selector selects one of the topics that have a record, given its statuses.
func among(sel *eventlog.Selector, r *eventlog.Record, statuses []byte) bool {
	for i, topic := range r.Topics {
		if (i >= len(statuses) || statuses[i] == live) && sel.Match(topic) {
			return true
		}
	}
	return false
}
