package disklog

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// topicInfo is the state of a topic, as the committer needs it.
type topicInfo struct {
	rule    *eventlog.Rule
	last    uint64 // the newest record, if there is one
	ord     uint64 // its number within the topic
	removed uint64 // records up to this number within the topic were removed by rule
	end     ending // the newest end or beginning, if the topic has ended and the log still knows it
	dead    uint64 // the topic's last record, if it is dead; 0: it is not
	known   bool   // the log has records of it, or remembers that it had
}

// topicCache keeps the topics used last, in two halves. When the young half is full it becomes the old one, and the previous old half
// is dropped. It is guarded by Log.turn.
type topicCache struct{ young, old map[string]*topicInfo }

// topicsCached is the size of a half. With topic names of 30 bytes the cache takes up to 30 MB.
const topicsCached = 1 << 16

func (c *topicCache) init() { c.young, c.old = map[string]*topicInfo{}, nil }

func (c *topicCache) get(topic string) *topicInfo {
	if t := c.young[topic]; t != nil {
		return t
	}
	t := c.old[topic]
	if t != nil {
		c.young[topic] = t
		delete(c.old, topic)
	}
	return t
}

func (c *topicCache) put(topic string, t *topicInfo) { c.young[topic] = t }

func (c *topicCache) drop(topic string) {
	delete(c.young, topic)
	delete(c.old, topic)
}

// age makes room. It is called between batches only: within a batch, cached state may not be stored anywhere else yet.
func (c *topicCache) age() {
	if len(c.young) >= topicsCached {
		c.young, c.old = make(map[string]*topicInfo, topicsCached), c.young
	}
}

// topic returns the state of a topic, from the cache or the store.
func (c *commit) topic(name string) (*topicInfo, error) {
	s := c.store
	if t := s.topics.get(name); t != nil {
		return t, nil
	}
	t := &topicInfo{rule: s.ret().Rule(name)}
	it, err := c.iter()
	if err != nil {
		return nil, err
	}
	c.key = appendName(c.key[:0], kindIndex, name)
	prefix := len(c.key)
	if err := t.loadEntries(it, appendSeq(c.key, 0), prefix); err != nil {
		return nil, err
	}
	if !t.known {
		c.key = topicKey(c.key[:0], name)
		value, err := s.get(c.key)
		if err != nil {
			return nil, err
		}
		if t.known = value != nil; t.known {
			state, err := decodeTopicState(value)
			if err != nil {
				return nil, err
			}
			t.dead = state.last
		}
	}
	if t.end, err = s.end(&c.key, name); err != nil {
		return nil, err
	}
	s.topics.put(name, t)
	return t, nil
}

// ended returns the number of the record that ended the topic for a record of this time, or 0.
func (t *topicInfo) ended(at uint64) uint64 {
	if t.end.holds(t.rule, at) {
		return t.end.seq
	}
	return 0
}

// loadEntries reads the topic's first and last index entries. first is the key before all of them; its first prefix bytes are the topic.
func (t *topicInfo) loadEntries(it *pebble.Iterator, first []byte, prefix int) error {
	same := func() bool {
		return it.Valid() && len(it.Key()) == len(first) && string(it.Key()[:prefix]) == string(first[:prefix])
	}
	last := appendSeq(append([]byte{}, first[:prefix]...), ^uint64(0))
	if it.SeekLT(last); !same() {
		return it.Error()
	}
	newest, err := decodeEntry(it.Value())
	if err != nil {
		return err
	}
	t.known, t.last, t.ord = true, seqOf(it.Key()), newest.ord
	if t.rule.Count+t.rule.Latest == 0 {
		return nil // the number of records is not needed
	}
	if it.SeekGE(first); !same() {
		return errors.Join(it.Error(), corrupt("index", "it is in another order forwards than backwards"))
	}
	oldest, err := decodeEntry(it.Value())
	t.removed = oldest.ord - 1
	return err
}

// excess reports whether a topic has more records than its rule keeps.
func (t *topicInfo) excess() bool {
	keep := uint64(t.rule.Count + t.rule.Latest)
	return keep > 0 && t.ord-t.removed > keep
}
