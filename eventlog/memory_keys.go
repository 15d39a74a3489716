package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/tidings-sse/tidings/internal/queue"
)

// keys are the known idempotency keys. Only hashes of keys and contents are kept, so that each takes the same memory, and can
// outlive its record.
type keys struct {
	age   int64
	most  uint64
	more  uint64 // Retention.UndoKeys
	used  uint64 // number of uses so far
	known map[digest]*keyUse
	order queue.Queue[*keyUse]
}

// keyUse is the use of a key by a stored record.
type keyUse struct {
	id, content digest
	n           uint64 // number of the use, from 1, over all keys
	seq         uint64
	time        int64
}

// digest is the first half of a SHA-256. To find a collision takes about 2^64 attempts.
type digest [sha256.Size / 2]byte

func newKeys(ret *Retention) keys {
	return keys{
		age:   int64(ret.KeyAge / time.Millisecond),
		most:  uint64(ret.Keys),
		more:  uint64(ret.UndoKeys()),
		known: map[digest]*keyUse{},
	}
}

// keyUses returns the use for each record that has a key. Call it without the lock, because hashing takes time.
func keyUses(records []Record) []*keyUse {
	uses := make([]*keyUse, len(records))
	for i := range records {
		r := &records[i]
		if r.Key == "" {
			continue
		}
		id := binary.AppendUvarint(make([]byte, 0, 128), uint64(len(r.Key)))
		id = append(append(id, r.Key...), r.Topics[0]...)
		uses[i] = &keyUse{id: hash(id), content: hash(r.AppendTo(make([]byte, 0, r.Size())))}
	}
	return uses
}

func hash(b []byte) (d digest) {
	sum := sha256.Sum256(b)
	copy(d[:], sum[:])
	return d
}

// knows reports whether a key is still known for a record with this time and after this many uses.
func (k *keys) knows(use *keyUse, used uint64, time int64) bool {
	return used-use.n < k.most && time-use.time <= k.age
}

// undo is UndoTime in milliseconds.
const undo = int64(UndoTime / time.Millisecond)

// add records a use, and forgets the uses that have expired for all later records and for those that a cut may bring back.
func (k *keys) add(use *keyUse) {
	k.used = use.n
	k.known[use.id] = use
	k.order.Push(use)
	k.forget(use.n, use.time, k.more, undo)
}

// forget forgets the uses that have expired after this many uses or for a record of this time, except as many of them, and those that
// expired within the last milliseconds.
func (k *keys) forget(used uint64, time int64, more uint64, last int64) {
	expired := func(use *keyUse) bool { return used-use.n >= k.most+more || time-use.time > k.age+last }
	for all := k.order.All(); len(all) > 0 && expired(all[0]); all = k.order.All() {
		if oldest := k.order.Pop(); k.known[oldest.id] == oldest {
			delete(k.known, oldest.id)
		}
	}
}

// limit changes how long keys are known. Uses that have expired for a record of this time stay forgotten.
func (k *keys) limit(ret *Retention, time int64) {
	k.forget(k.used, time, 0, 0)
	limits := newKeys(ret)
	k.age, k.most, k.more = limits.age, limits.most, limits.more
}

// cut removes the uses by records after seq.
func (k *keys) cut(seq uint64) {
	k.order.Retain(func(use *keyUse) bool { return use.seq <= seq })
	k.used = 0
	clear(k.known)
	for _, use := range k.order.All() {
		k.known[use.id], k.used = use, use.n
	}
}
