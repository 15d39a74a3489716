package disklog

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// view is the store at one moment, for one reader.
//
// The order in which it is made counts: the head and chunks come first, so that everything up to them is in the view, and trim
// last, so that it knows of everything that is no longer in the view.
type view struct {
	s    *store
	head uint64
	it   *pebble.Iterator // of the index, and whatever else is small
	ev   *pebble.Iterator // of the records, made when the first is read
	trim *trimMeta
	key  []byte

	chunks uint64 // of losses, when the view was made
	unsure uint64 // up to here something may be missing that was not looked at, see lostByState

	// Made when they are needed: for those who read many records, and past what is damaged.
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
		if err := it.Close(); !isCorrupt(err) { // whoever has met damage knows
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// find returns the value of exactly this key; ok is false if there is none. It is valid until the iterator moves.
func (v *view) find(key []byte) (value []byte, ok bool, err error) {
	if v.it.SeekGE(key) && bytes.Equal(v.it.Key(), key) {
		return v.it.Value(), true, nil
	}
	if err = v.it.Error(); isCorrupt(err) {
		value, err = v.exact(key, &pebble.IterOptions{UseL6Filters: true})
	}
	return value, value != nil, err
}

// reader returns the iterator of records.
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

// event reads a record that the index has named.
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

// decodeEvent decodes the record at which the iterator stands, with one copy.
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

// canonicalTopic returns the first topic of an encoded record, and whether it is the only one, without decoding the rest.
// It is for those who look through many records and want few.
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

// statuses returns what has become of a record under each of its topics, or nil if all of them have it.
func (v *view) statuses(seq uint64) ([]byte, error) {
	if seq > v.trim.partial {
		return nil, nil
	}
	v.key = statusKey(v.key[:0], seq)
	statuses, _, err := v.find(v.key)
	return statuses, err
}

// selects reports whether a record can be read by a selector: one of the topics that still have it is wanted.
func (v *view) selects(sel *eventlog.Selector, r *eventlog.Record) (bool, error) {
	var statuses []byte
	if len(r.Topics) > 1 {
		var err error
		if statuses, err = v.statuses(r.Seq); isCorrupt(err) {
			statuses = nil // better something that a topic has trimmed than nothing
		} else if err != nil {
			return false, err
		}
	}
	return among(sel, r, statuses), nil
}

// among reports whether a selector selects one of the topics that still have a record, by their statuses.
func among(sel *eventlog.Selector, r *eventlog.Record, statuses []byte) bool {
	for i, topic := range r.Topics {
		if (i >= len(statuses) || statuses[i] == live) && sel.Match(topic) {
			return true
		}
	}
	return false
}
