package disklog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// Ends have a table of their own, because an end holds for a time that does not depend on how long retention keeps its record. A topic
// begins again with the first record after an expired end, and then the end never holds again, even under a rule with a longer age.
// kindEnd has the newest end or beginning of each topic. kindEndLine has all of them in order, each with the one before, to which a cut goes
// back. The trimmer forgets them once the end has expired for every record that can still be appended.

// ending is the value of kindEnd.
type ending struct {
	seq   uint64 // of the record that ended the topic, or began it again
	time  uint64
	again bool // it began the topic again
}

func (e ending) value() []byte { return appendNumbers(nil, e.seq, e.time, bit(e.again)) }

// bit returns 1 for true.
func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func decodeEnding(value []byte) (e ending, err error) {
	var again uint64
	if _, ok := cutNumbers(value, &e.seq, &e.time, &again); !ok || e.seq == 0 {
		return e, corrupt("end of a topic", "a number is cut off")
	}
	e.again = again == 1
	return e, nil
}

// holds reports whether the topic has ended for a record of this time. rule is that of the topic.
func (e ending) holds(rule *eventlog.Rule, at uint64) bool {
	return e.seq != 0 && !e.again && at-min(e.time, at) <= uint64(rule.EndAge().Milliseconds())
}

// end returns the newest end of a topic, the zero ending if there is none. buf is memory for the key.
func (s *store) end(buf *[]byte, topic string) (ending, error) {
	*buf = endKey((*buf)[:0], topic)
	value, err := s.get(*buf)
	if err != nil || value == nil {
		return ending{}, err
	}
	return decodeEnding(value)
}

// noteEnd stores that the newest record ends a topic, or begins it again after an expired end.
func (c *commit) noteEnd(topic string, t *topicInfo, ends bool) error {
	if !ends && (t.end.seq == 0 || t.end.again) {
		return nil
	}
	h := &c.store.head
	e := endLine{topic, ending{h.seq, h.time, !ends}, t.end.seq}
	t.end = e.ending
	h.ends++
	return e.set(c.batch)
}

// End implements eventlog.Log.
func (l *Log) End(ctx context.Context, topic string) (eventlog.Position, error) {
	s, err := l.use(ctx)
	if err != nil {
		return eventlog.Position{}, err
	}
	defer s.release()
	if err := l.begun(); err != nil {
		return eventlog.Position{}, err
	}
	seq, err := s.ends(topic, l.Head().Seq, l.now())
	if err != nil || seq == 0 {
		return eventlog.Position{}, typed(err)
	}
	return s.at(seq), nil
}

// ends returns the number of the visible record that ended a topic, as Append would find at this time of the clock, or 0.
func (s *store) ends(topic string, head uint64, now time.Time) (uint64, error) {
	var key []byte
	e, err := s.end(&key, topic)
	at := max(uint64(max(now.UnixMilli(), 0)), s.time.Load())
	if err != nil || e.seq > head || !e.holds(s.ret().Rule(topic), at) {
		return 0, err // an end before a change that is not visible yet has expired
	}
	return e.seq, nil
}

// endLine is a key of kindEndLine with its value.
type endLine struct {
	topic string
	ending
	before uint64 // number of the topic's line before this one, which may be forgotten; 0: there was none
}

// set stores the newest line of a topic.
func (e *endLine) set(b *pebble.Batch) error {
	return errors.Join(
		b.Set(endKey(nil, e.topic), e.value(), nil),
		b.Set(endLineKey(nil, e.seq, e.topic), e.lineValue(), nil))
}

func (e *endLine) lineValue() []byte { return appendNumbers(nil, e.time, e.before, bit(e.again)) }

func decodeEndLine(key, value []byte) (e endLine, err error) {
	if len(key) < 10 {
		return e, corrupt("end of a topic", "its key is cut off")
	}
	e.seq, e.topic = binary.BigEndian.Uint64(key[1:9]), string(key[9:])
	var again uint64
	if _, ok := cutNumbers(value, &e.time, &e.before, &again); !ok {
		err = corrupt("end of a topic", "a number is cut off")
	}
	e.again = again == 1
	return e, err
}

// forgetEnds deletes the ends that expired longer ago than undo. Lookups ignore them in any case. For each age it continues where it stopped
// last.
func (l *Log) forgetEnds(ctx context.Context, undo time.Duration) error {
	ages := make(map[time.Duration]bool)
	rules := l.rules.Load()
	for i := range rules.Rules {
		ages[rules.Rules[i].EndAge()] = true
	}
	ages[rules.Rule("$").EndAge()] = true
	for age := range ages {
		if err := l.chunks(ctx, func(k *chunk) (bool, error) { return k.forgetEnds(age, undo) }); err != nil {
			return err
		}
	}
	return nil
}

// forgetEnds deletes one chunk of expired ends with one age.
func (k *chunk) forgetEnds(age, undo time.Duration) (done bool, err error) {
	now, at := k.s.time.Load(), k.s.ended[age]
	kept := uint64((age + undo).Milliseconds())
	k.written = func() { k.s.ended[age] = at }
	n := 0
	for ok := k.it.SeekGE(endLineKey(nil, at, "")); ok && k.it.Key()[0] == kindEndLine; ok = k.it.Next() {
		e, err := decodeEndLine(k.it.Key(), k.it.Value())
		if err != nil {
			return true, err
		}
		if e.seq > k.head || now-min(e.time, now) <= kept {
			at = min(e.seq, k.head+1)
			return true, k.err
		}
		if n++; n > chunkTopic && e.seq > at {
			at = e.seq
			return false, k.err
		}
		if at = e.seq; k.s.ret().Rule(e.topic).EndAge() == age {
			k.ends = append(k.ends, e)
		}
	}
	return true, errors.Join(k.err, k.it.Error())
}

// removeEnds deletes the ends that the chunk forgets. The topic may have ended again since the view was made.
func (k *chunk) removeEnds() {
	for _, e := range k.ends {
		newest, err := k.s.end(&k.key, e.topic)
		if k.fail(err); err == nil && newest.seq == e.seq {
			k.delete(endKey(nil, e.topic))
		}
		k.delete(endLineKey(nil, e.seq, e.topic))
	}
}

// ends removes the ends and beginnings after the cut, from the newest to the oldest, and makes the ones before them the newest again.
func (c *cutter) ends() error {
	for ok := c.it.SeekLT([]byte{kindEndLine + 1}); ok && c.it.Key()[0] == kindEndLine; ok = c.it.Prev() {
		e, err := decodeEndLine(c.it.Key(), c.it.Value())
		if err != nil {
			return err
		}
		if e.seq <= c.after {
			break
		}
		if err := errors.Join(c.undoEnd(&e), c.flush()); err != nil {
			return err
		}
	}
	return c.it.Error()
}

// undoEnd removes a line after the cut.
func (c *cutter) undoEnd(e *endLine) error {
	err := errors.Join(c.batch.Delete(endLineKey(nil, e.seq, e.topic), nil), c.batch.Delete(endKey(nil, e.topic), nil))
	if err != nil || e.before == 0 || e.before > c.after { // a later one is removed next
		return err
	}
	key := endLineKey(nil, e.before, e.topic)
	value, err := c.s.get(key) // c.it is at the line that is removed
	if err != nil || value == nil {
		return err
	}
	before, err := decodeEndLine(key, value)
	if err != nil {
		return err
	}
	return before.set(c.batch)
}

// buildEnds makes the table of ends, if the last version that wrote to the store did not have it: a topic had ended if its newest record is
// an end. It visits each topic once. Unreadable entries are left out.
func (s *store) buildEnds() (err error) {
	if s.head.ends != 0 {
		return nil
	}
	v, err := s.view(s.head.seq)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.close()) }()
	b := s.db.NewBatch()
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, kind := range []byte{kindEnd, kindEndLine} {
		if err := b.DeleteRange([]byte{kind}, []byte{kind + 1}, nil); err != nil {
			return err
		}
	}
	s.head.ends = 1
	for ok := v.it.SeekGE([]byte{kindIndex}); ok && v.it.Key()[0] == kindIndex; ok = v.it.SeekGE(v.key) {
		topic, _, whole := cutName(v.it.Key()[1:])
		if !whole {
			break
		}
		e, ended := v.newestEnd(topic)
		v.key = behind(topic)
		if !ended {
			continue
		}
		s.head.ends++
		if err := (&endLine{topic: topic, ending: e}).set(b); err != nil {
			return err
		}
		if b.Len() >= s.chunkBytes {
			if err := errors.Join(s.db.Apply(b, pebble.NoSync), b.Close()); err != nil {
				return err
			}
			b = s.db.NewBatch()
		}
	}
	if err := v.it.Error(); err != nil && !isCorrupt(err) {
		return err
	}
	return s.db.Apply(b, pebble.NoSync) // load writes the head, which says that the table is there
}

// newestEnd returns the end of a topic whose newest record is one.
func (v *view) newestEnd(topic string) (ending, bool) {
	prefix := appendName(nil, kindIndex, topic)
	if !v.it.SeekLT(behind(topic)) || !bytes.HasPrefix(v.it.Key(), prefix) {
		return ending{}, false
	}
	e, err := decodeEntry(v.it.Value())
	if err != nil || e.flags&entryEnd == 0 {
		return ending{}, false
	}
	r, err := v.event(seqOf(v.it.Key()))
	if err != nil {
		return ending{}, false
	}
	return ending{seq: r.Seq, time: uint64(r.Time.UnixMilli())}, true
}
