package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/tidings-sse/tidings/internal/queue"
)

// keys are the idempotency keys that are known. Of a key and its record there are only hashes, so that one that
// is remembered takes the same space whatever it belongs to, and longer than its record.
type keys struct {
	age   int64
	most  uint64
	used  uint64 // so far
	known map[digest]*keyUse
	order queue.Queue[*keyUse]
}

// keyUse is a record that was stored with a key.
type keyUse struct {
	id, content digest
	n           uint64 // which use of any key this was, from 1
	seq         uint64
	time        int64
}

// digest is half of a SHA-256. Who wanted two texts with the same one would have to try some 2^64, to deceive himself.
type digest [sha256.Size / 2]byte

func newKeys(ret *Retention) keys {
	return keys{
		age:   int64(ret.KeyAge / time.Millisecond),
		most:  uint64(ret.Keys),
		known: map[digest]*keyUse{},
	}
}

// keyUses returns, for each record that has a key, the use that storing it will be. It is called without the lock:
// hashing megabytes takes a while.
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

// knows reports whether a use is still known to a record of this time that comes after so many uses.
func (k *keys) knows(use *keyUse, used uint64, time int64) bool {
	return used-use.n < k.most && time-use.time <= k.age
}

// add records a use, and lets go of those that no later record can know.
func (k *keys) add(use *keyUse) {
	k.used = use.n
	k.known[use.id] = use
	k.order.Push(use)
	for all := k.order.All(); !k.knows(all[0], use.n, use.time); all = k.order.All() {
		if oldest := k.order.Pop(); k.known[oldest.id] == oldest {
			delete(k.known, oldest.id)
		}
	}
}

// cut undoes the uses by records above seq. What they have pushed out does not come back.
func (k *keys) cut(seq uint64) {
	k.order.Retain(func(use *keyUse) bool { return use.seq <= seq })
	k.used = 0
	clear(k.known)
	for _, use := range k.order.All() {
		k.known[use.id], k.used = use, use.n
	}
}
