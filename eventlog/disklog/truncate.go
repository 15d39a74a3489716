package disklog

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// SetGeneration implements eventlog.Mirror.
func (l *Log) SetGeneration(ctx context.Context, gen string, after uint64) error {
	if !eventlog.ValidGeneration(gen) {
		return &eventlog.InvalidError{What: "generation", Value: gen, Reason: "it is not 5 or 6 characters a-z0-9"}
	}
	l.trim.pass.Lock() // nothing is trimmed meanwhile
	defer l.trim.pass.Unlock()
	return l.inTurn(ctx, true, func(s *store) error {
		switch {
		case after > s.head.seq:
			return invalidSeq(after, fmt.Sprintf("the head is only at %d", s.head.seq))
		case gen == s.gen && after < s.head.seq:
			return &eventlog.InvalidError{What: "generation", Value: gen, Reason: "it is the log's own, in which a number is not used twice"}
		}
		for age, at := range l.trim.examined {
			l.trim.examined[age] = min(at, after+1)
		}
		return s.truncate(gen, after)
	})
}

// truncate removes everything after a number, as if it had never been, and begins a generation. It is one batch, so that
// a crash leaves all or nothing; what a mirror has to drop is little.
func (s *store) truncate(gen string, after uint64) error {
	v, err := s.view(s.head.seq)
	if err != nil {
		return err
	}
	c := &cut{view: v, batch: s.db.NewBatch(), after: after, head: s.head, meta: *v.trim, topics: make(map[string]struct{})}
	err = c.fill(gen)
	if err == nil {
		err = s.db.Apply(c.batch, pebble.Sync)
	}
	if err = errors.Join(err, c.batch.Close(), v.close()); err != nil {
		return err
	}
	s.gen, s.head, s.lease = gen, c.head, after
	s.trim.Store(&c.meta)
	s.holes.Store(&c.holes)
	s.events.Store(int64(s.head.events - c.meta.events))
	s.bytes.Store(int64(s.head.bytes - c.meta.bytes))
	s.topics.init()
	s.marks = newMarks(after, c.meta.trimmed)
	return nil
}

// cut is a truncation that is being put together.
type cut struct {
	*view
	batch  *pebble.Batch
	after  uint64
	head   headMeta
	meta   trimMeta
	holes  []hole
	topics map[string]struct{} // that lose records
}

func (c *cut) fill(gen string) error {
	err := c.records()
	for _, step := range []func() error{c.newest, c.keys, c.states, c.cutHoles} {
		if err == nil {
			err = step()
		}
	}
	return errors.Join(err,
		c.batch.Set([]byte(metaGeneration), []byte(gen), nil),
		c.batch.Set([]byte(metaLease), appendNumbers(nil, c.after), nil), // that of before was for other numbers
		c.batch.Set([]byte(metaHead), c.head.value(), nil),
		c.batch.Set([]byte(metaTrim), c.meta.value(), nil))
}

// records removes the records and what points to them.
func (c *cut) records() error {
	ev, err := c.reader()
	if err != nil {
		return err
	}
	for ok := ev.SeekGE(eventKey(nil, c.after+1)); ok; ok = ev.Next() {
		r, err := decodeEvent(ev)
		if err != nil {
			return err
		}
		c.meta.events++
		c.meta.bytes += uint64(r.Size())
		err = errors.Join(c.batch.Delete(ev.Key(), nil), c.batch.Delete(statusKey(nil, r.Seq), nil))
		if r.ID != "" {
			err = errors.Join(err, c.batch.Delete(namedKey(nil, kindID, r.ID, r.Seq), nil))
		}
		for _, topic := range r.Topics {
			c.topics[topic] = struct{}{}
			err = errors.Join(err, c.batch.Delete(namedKey(nil, kindIndex, topic, r.Seq), nil),
				c.batch.Delete(namedKey(nil, kindGhost, topic, r.Seq), nil))
		}
		if err != nil {
			return err
		}
	}
	return ev.Error()
}

// newest finds the time of the record that is the newest now. If none is left, or none was dropped, it stays: times never go
// back.
func (c *cut) newest() error {
	if c.head.seq == c.after {
		return nil
	}
	c.head.seq = c.after
	if c.ev.SeekLT(eventKey(nil, c.after+1)) {
		value, err := c.ev.ValueAndErr()
		if err != nil || len(value) < 8 {
			return errors.Join(err, corrupt("record", "it is too short"))
		}
		c.head.time = seqOf(value[:8])
	}
	return c.ev.Error()
}

// keys removes those that the records have used.
func (c *cut) keys() error {
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
			break
		}
		c.head.keys = n - 1
		if err := errors.Join(c.batch.Delete(key, nil), c.batch.Delete(bytes.Clone(c.it.Key()), nil)); err != nil {
			return err
		}
	}
	return c.it.Error()
}

// states brings down what topics have lost: what comes after the cut was never there.
func (c *cut) states() error {
	for _, n := range []*uint64{&c.meta.trimmed, &c.meta.gone, &c.meta.partial, &c.meta.floor} {
		*n = min(*n, c.after)
	}
	c.meta.first = min(c.meta.first, c.after+1)
	var dead []string
	for ok := c.it.SeekGE([]byte{kindTopic}); ok && c.it.Key()[0] == kindTopic; ok = c.it.Next() {
		state, err := decodeTopicState(c.it.Value())
		if err != nil {
			return err
		}
		topic, _, whole := cutName(c.it.Key()[1:])
		if !whole {
			return corrupt("topic state", "its key is cut off")
		}
		if _, ok := c.topics[topic]; !ok && state.last <= c.after {
			continue
		}
		dead = append(dead, topic)
		lower := c.lower(topic, state)
		c.meta.trimmed, c.meta.gone = max(c.meta.trimmed, lower.trimmed), max(c.meta.gone, lower.gone)
		if err := c.batch.Set(bytes.Clone(c.it.Key()), lower.value(), nil); err != nil {
			return err
		}
	}
	for _, topic := range dead {
		if err := c.listDead(topic); err != nil {
			return err
		}
	}
	return c.it.Error()
}

// lower returns the state of a topic that loses records, or had lost some that are never to have been. Of what it had lost
// only the newest number is known; if that goes, the topic counts as having lost something right up to the cut. So does what
// was superseded, maybe by records that go: without them it would be there.
func (c *cut) lower(topic string, state topicState) topicState {
	last := min(state.last, c.after)
	if state.last > state.trimmed || c.s.ret.Rule(topic).Latest > 0 {
		return topicState{last, last, last}
	}
	return topicState{last, min(state.trimmed, c.after), min(state.gone, c.after)}
}

// listDead enters a topic that is remembered in the list of the dead if it has no records now, by its new last.
func (c *cut) listDead(topic string) error {
	value, err := c.s.get(topicKey(nil, topic))
	if err != nil {
		return err
	}
	state, err := decodeTopicState(value)
	if err != nil {
		return err
	}
	prefix := appendName(nil, kindIndex, topic)
	if c.it.SeekGE(prefix) && bytes.HasPrefix(c.it.Key(), prefix) && seqOf(c.it.Key()) <= c.after {
		return nil
	}
	if _, listed, err := c.find(deadKey(nil, state.last, topic)); err != nil {
		return err
	} else if listed {
		err = c.batch.Delete(deadKey(nil, state.last, topic), nil)
		if err != nil {
			return err
		}
	} else {
		c.meta.died++
	}
	return c.batch.Set(deadKey(nil, min(state.last, c.after), topic), nil, nil)
}

// cutHoles forgets holes after the cut.
func (c *cut) cutHoles() error {
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
