package disklog

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// cut removes everything after a sequence number and begins a generation. It uses as many batches of limited size as needed. An
// interrupted cut can be resumed after any batch, because a record is removed together with everything that refers to it. If write is
// false, it only reads the records and keys that it would read otherwise.
func (s *store) cut(gen string, after uint64, write bool) error {
	v, err := s.view(s.head.seq)
	if err != nil {
		return err
	}
	c := &cutter{
		view: v, write: write, batch: s.db.NewBatch(), after: after, head: s.head, meta: *v.trim,
		lowered: make(map[string]struct{}),
	}
	for _, step := range []func() error{c.records, c.keys, c.ends, c.states, c.newest, c.cutHoles} {
		if err == nil {
			err = step()
		}
	}
	if err == nil {
		c.lowerTotals()
		if err = begin(c.batch, gen, c.head, c.meta); err == nil && write {
			err = s.db.Apply(c.batch, pebble.Sync)
		}
	}
	if err = errors.Join(err, c.batch.Close(), v.close()); err == nil && write {
		s.become(gen, c.head, c.meta, c.holes)
	}
	return err
}

// cutter is a cut in progress.
type cutter struct {
	*view
	write bool
	batch *pebble.Batch
	after uint64
	head  headMeta
	meta  trimMeta
	holes []hole

	lowered map[string]struct{} // topics whose state this batch has written
}

// flush writes the batch if it is large enough.
func (c *cutter) flush() error {
	if c.batch.Len() < c.s.chunkBytes && len(c.lowered) < chunkRecords {
		return nil
	}
	clear(c.lowered)
	if !c.write {
		c.batch.Reset()
		return nil
	}
	if err := c.batch.Set([]byte(metaTrim), c.meta.value(), nil); err != nil {
		return err
	}
	err := errors.Join(c.s.db.Apply(c.batch, pebble.NoSync), c.batch.Close(), c.s.db.Err())
	c.batch = c.s.db.NewBatch()
	return err
}

// records removes the records and what refers to them.
func (c *cutter) records() error {
	ev, err := c.reader()
	if err != nil {
		return err
	}
	for ok := ev.SeekGE(eventKey(nil, c.after+1)); ok; ok = ev.Next() {
		r, err := decodeEvent(ev)
		if err == nil {
			err = c.remove(&r)
		}
		if err == nil {
			err = c.flush()
		}
		if err != nil {
			return err
		}
	}
	return ev.Error()
}

func (c *cutter) remove(r *eventlog.Record) error {
	c.meta.events++
	c.meta.bytes += uint64(r.Size())
	err := errors.Join(c.batch.Delete(eventKey(nil, r.Seq), nil), c.batch.Delete(statusKey(nil, r.Seq), nil))
	if r.ID != "" {
		err = errors.Join(err, c.batch.Delete(namedKey(nil, kindID, r.ID, r.Seq), nil))
	}
	for _, topic := range r.Topics {
		err = errors.Join(err, c.loses(topic, r.Seq),
			c.batch.Delete(namedKey(nil, kindIndex, topic, r.Seq), nil),
			c.batch.Delete(namedKey(nil, kindElsewhere, topic, r.Seq), nil))
	}
	return err
}

// loses handles the first record that a topic loses. A topic that had lost nothing before becomes unknown.
func (c *cutter) loses(topic string, seq uint64) error {
	if _, ok := c.lowered[topic]; ok {
		return nil
	}
	first, err := c.first(topic)
	if err != nil || first == 0 || first > seq {
		return err // the topic had trimmed this record; it is handled at its first existing one, or in states
	}
	c.lowered[topic] = struct{}{}
	if first != seq {
		return nil
	}
	value, ok, err := c.find(topicKey(nil, topic))
	if err != nil || !ok {
		return err
	}
	state, err := decodeTopicState(value)
	if err != nil {
		return err
	}
	return c.lowerState(topic, state)
}

// first returns the number of the topic's first record after the cut, 0 if there is none.
func (c *cutter) first(topic string) (uint64, error) {
	prefix := appendName(nil, kindIndex, topic)
	if c.it.SeekGE(appendSeq(prefix[:len(prefix):len(prefix)], c.after+1)) && bytes.HasPrefix(c.it.Key(), prefix) {
		return seqOf(c.it.Key()), nil
	}
	return 0, c.it.Error()
}

// newest sets the time of the head to what it was at the cut: in a mirror to the time that was noted, otherwise to that of the newest
// remaining record. If none is left, a mirror continues like one that never had a record. In another log the time stays: times never
// decrease.
func (c *cutter) newest() error {
	if c.head.seq == c.after {
		return nil
	}
	c.head.seq = c.after
	if noted, err := c.times(); noted || err != nil {
		return err
	}
	if c.ev.SeekLT(eventKey(nil, c.after+1)) {
		value, err := c.ev.ValueAndErr()
		if err != nil || len(value) < 8 {
			return errors.Join(err, corrupt("record", "it is too short"))
		}
		c.head.time = seqOf(value[:8])
	} else if c.s.mirror {
		c.head.time = 0
	}
	return c.ev.Error()
}

// keys removes the keys that the dropped records used.
func (c *cutter) keys() error {
	newest := c.meta.keys
	for ok := c.it.SeekLT([]byte{kindKeyLine + 1}); ok && c.it.Key()[0] == kindKeyLine; ok = c.it.Prev() {
		n := seqOf(c.it.Key())
		var time uint64
		line, whole := cutNumbers(c.it.Value(), &time)
		if !whole || len(line) != len(hash{}) {
			return corrupt("key", "it is cut off")
		}
		key := keyUseKey(nil, hash(line), n)
		value, err := c.s.get(key)
		if err != nil {
			return err
		}
		use, err := decodeKeyUse(key, value)
		if err != nil {
			return err
		}
		if use.seq <= c.after {
			newest = n
			break
		}
		if err := errors.Join(c.batch.Delete(key, nil), c.batch.Delete(keyLineKey(nil, n), nil), c.flush()); err != nil {
			return err
		}
	}
	c.head.keys = newest
	return c.it.Error()
}

// states lowers the losses of topics that have no records after the cut, because the new generation has no losses after it.
func (c *cutter) states() error {
	it, err := c.s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kindTopic}, UpperBound: []byte{kindTopic + 1}})
	if err != nil {
		return err
	}
	defer func() { _ = it.Close() }() // it.Error is returned below
	for ok := it.First(); ok; ok = it.Next() {
		state, err := decodeTopicState(it.Value())
		if err != nil {
			return err
		}
		if state.last <= c.after {
			continue
		}
		topic, _, whole := cutName(it.Key()[1:])
		if !whole {
			return corrupt("topic state", "its key is cut off")
		}
		first, err := c.first(topic)
		if err == nil && first == 0 {
			err = c.lowerState(topic, state)
		}
		if err == nil {
			err = c.flush()
		}
		if err != nil {
			return err
		}
	}
	return it.Error()
}

// lowerState writes the state of a topic after the cut. The state has only the newest number that the topic lost. If that is after the cut,
// the topic counts as having lost records right up to the cut. The same holds for superseded records: those that superseded them may
// be gone now.
func (c *cutter) lowerState(topic string, was topicState) error {
	last := min(was.last, c.after)
	state := topicState{last, min(was.trimmed, c.after), min(was.gone, c.after)}
	if was.last > was.trimmed || c.s.ret().Rule(topic).Latest > 0 {
		state = topicState{last, last, last}
	}
	c.meta.trimmed, c.meta.gone = max(c.meta.trimmed, state.trimmed), max(c.meta.gone, state.gone)
	if err := c.batch.Set(topicKey(nil, topic), state.value(), nil); err != nil {
		return err
	}
	return c.listDead(topic, was.last, last)
}

// listDead adds a topic to the dead topics if it has no records any more.
func (c *cutter) listDead(topic string, was, last uint64) error {
	prefix := appendName(nil, kindIndex, topic)
	if c.it.SeekGE(prefix) && bytes.HasPrefix(c.it.Key(), prefix) && seqOf(c.it.Key()) <= c.after {
		return nil
	}
	_, listed, err := c.find(deadKey(nil, was, topic))
	switch {
	case err != nil:
		return err
	case listed:
		err = c.batch.Delete(deadKey(nil, was, topic), nil)
	default:
		c.meta.died++
		c.meta.diedBytes += uint64(eventlog.DeadTopicSize(topic))
	}
	return errors.Join(err, c.batch.Set(deadKey(nil, last, topic), nil, nil))
}

// lowerTotals lowers the numbers that the log as a whole lost.
func (c *cutter) lowerTotals() {
	for _, n := range []*uint64{&c.meta.trimmed, &c.meta.gone, &c.meta.partial, &c.meta.floor} {
		*n = min(*n, c.after)
	}
	c.meta.first = min(c.meta.first, c.after+1)
}

// cutHoles removes holes after the cut.
func (c *cutter) cutHoles() error {
	for _, h := range *c.s.holes.Load() {
		if h.to <= c.after {
			c.holes = append(c.holes, h)
			continue
		}
		err := c.batch.Delete(appendSeq([]byte{kindHole}, h.to), nil)
		if h.from <= c.after {
			h.to = c.after
			c.holes = append(c.holes, h)
			err = errors.Join(err, setHole(c.batch, h))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
