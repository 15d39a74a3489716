package disklog

import (
	"errors"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// commit writes the chunk. The caller holds the turn.
//
// State in memory that readers use is updated before the batch is applied, because a reader that sees the batch must also see that
// state. Counters are updated afterwards.
func (k *chunk) commit() error {
	s := k.s
	k.meta.events += uint64(len(k.removed))
	k.meta.bytes += uint64(k.bytes)
	for topic, c := range k.changes {
		if !c.write {
			continue
		}
		if known := k.settle(topic, c); known {
			k.set(topicKey(nil, topic), c.state.value())
		} else {
			k.delete(topicKey(nil, topic))
			s.topics.drop(topic)
		}
		raise(&s.marks.of(topic).trimmed, c.state.trimmed)
	}
	k.removeRecords()
	k.removeEnds()
	k.set([]byte(metaTrim), k.meta.value())
	if k.err != nil {
		for topic := range k.changes { // the cache has their new state, but the store does not
			s.topics.drop(topic)
		}
		return k.err
	}
	meta, before := k.meta, s.trim.Load()
	s.losses.begin(k.changes)
	defer s.losses.end()
	s.trim.Store(&meta)
	k.size = k.batch.Len()
	if n := len(k.removed); n > 0 {
		s.newest.removed(k.removed[n-1])
	}
	if err := s.db.Apply(k.batch, pebble.NoSync); err != nil {
		s.db.Fail(err)
		return broken(err)
	}
	s.events.Add(-int64(len(k.removed)))
	s.bytes.Add(-k.bytes)
	s.deadTopics.Add(int64(meta.died - before.died))
	s.deadBytes.Add(int64(meta.diedBytes - before.diedBytes))
	return nil
}

// settle updates the committer's cache for a topic, and notes if the topic has died. known is false if the topic has died and is to be
// forgotten at once, because the floor covers it. Otherwise it would depend on the order in which topics died whether one of them is remembered.
func (k *chunk) settle(topic string, c *change) (known bool) {
	if len(c.entries) == 0 {
		return true
	}
	removed := slices.Max(c.entries)
	k.unindexAll(topic, c.entries, removed)
	t := k.s.topics.get(topic)
	if t != nil {
		t.removed = max(t.removed, c.ord)
	}
	dead, err := k.hasDied(topic, t, removed)
	if k.fail(err); !dead {
		return true
	}
	if removed <= k.meta.floor {
		return false
	}
	k.set(deadKey(nil, removed, topic), nil)
	k.meta.died++
	k.meta.diedBytes += uint64(eventlog.DeadTopicSize(topic))
	if t != nil {
		t.dead = removed
	}
	return true
}

// many is the smallest number of neighbouring keys that are deleted as a range. A range is one key instead of many, but every read
// has to consider it.
const many = 32

// removeRecords deletes the records themselves.
func (k *chunk) removeRecords() {
	slices.Sort(k.removed)
	for rest := k.removed; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n] == rest[n-1]+1 {
			n++
		}
		if n >= many {
			k.fail(k.batch.DeleteRange(eventKey(nil, rest[0]), eventKey(nil, rest[n-1]+1), nil))
		} else {
			for _, seq := range rest[:n] {
				k.delete(eventKey(nil, seq))
			}
		}
		rest = rest[n:]
	}
}

// unindexAll deletes index entries. They are the topic's oldest ones, without gaps.
func (k *chunk) unindexAll(topic string, seqs []uint64, newest uint64) {
	prefix := appendName(nil, kindIndex, topic)
	if len(seqs) >= many {
		k.fail(k.batch.DeleteRange(prefix, appendSeq(prefix[:len(prefix):len(prefix)], newest+1), nil))
		return
	}
	for _, seq := range seqs {
		k.delete(appendSeq(prefix[:len(prefix):len(prefix)], seq))
	}
}

// hasDied reports whether a topic has no records left, after those up to a number were removed.
func (k *chunk) hasDied(topic string, t *topicInfo, removed uint64) (bool, error) {
	if t != nil {
		return t.last <= removed, nil
	}
	if k.s.marks.last(topic) <= removed {
		return true, nil
	}
	if k.now == nil { // the topic may have got records since the view was made
		now, err := k.s.db.NewIter(nil)
		if err != nil {
			return false, err
		}
		k.now = now
	}
	it := k.now
	prefix := appendName(nil, kindIndex, topic)
	found := it.SeekGE(appendSeq(prefix[:len(prefix):len(prefix)], removed+1)) && len(it.Key()) == len(prefix)+8 &&
		string(it.Key()[:len(prefix)]) == string(prefix)
	return !found, it.Error()
}

// forgetTopics forgets the oldest dead topics, at most one chunk, until their number is within the limits, and those that the floor covers then.
// The caller holds the turn and has created the chunk while it held it.
func (k *chunk) forgetTopics() error {
	dead, size := k.s.deadTopics.Load(), k.s.deadBytes.Load()
	n := 0
	for ok := k.it.SeekGE([]byte{kindDead}); ok && k.it.Key()[0] == kindDead && n < chunkTopic && !k.full(); ok = k.it.Next() {
		key := append([]byte{}, k.it.Key()...)
		if seqOf(key[:9]) > k.meta.floor && k.s.ret().Remembers(dead, size) {
			break
		}
		topic := string(key[9:])
		k.delete(key)
		k.delete(topicKey(nil, topic))
		k.meta.floor = max(k.meta.floor, seqOf(key[:9]))
		k.s.topics.drop(topic)
		k.meta.died--
		k.meta.diedBytes -= uint64(eventlog.DeadTopicSize(topic))
		dead--
		size -= eventlog.DeadTopicSize(topic)
		n++
	}
	if n == 0 && k.it.Error() == nil {
		return corrupt("list of dead topics", "it has fewer than were counted")
	}
	return errors.Join(k.err, k.it.Error())
}

// forgetKeys deletes one chunk of expired idempotency keys.
func (k *chunk) forgetKeys(l *Log, more uint64, undo time.Duration) (done bool, err error) {
	l.turn.Lock()
	head := k.s.head
	l.turn.Unlock()
	n := 0
	for ok := k.it.SeekGE(keyLineKey(nil, k.meta.keys+1)); ok && k.it.Key()[0] == kindKeyLine; ok = k.it.Next() {
		var at uint64
		use := seqOf(k.it.Key())
		line, whole := cutNumbers(k.it.Value(), &at)
		if !whole || len(line) != len(hash{}) {
			return true, corrupt("key", "it is cut off")
		}
		known := head.keys-use < uint64(k.s.ret().Keys)+more && head.time-min(at, head.time) <= uint64((k.s.ret().KeyAge+undo).Milliseconds())
		if known || use > head.keys {
			break
		}
		if n++; n > chunkTopic {
			return false, k.err
		}
		k.delete(keyUseKey(nil, hash(line), use))
		k.delete(keyLineKey(nil, use))
		k.meta.keys = use
	}
	return true, errors.Join(k.err, k.it.Error())
}
