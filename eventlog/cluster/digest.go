package cluster

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/tidings-sse/tidings/eventlog"
)

// digest is a hash of the decisions of a mirror, message by message. Mirrors that decided alike have the same one. It finds faults, not
// attacks, so that 64 bits are enough. The zero digest is not known.
type digest [8]byte

func (d digest) String() string { return hex.EncodeToString(d[:]) }

// with returns the digest after one more message.
func (d digest) with(result digest) digest {
	sum := sha256.Sum256(append(d[:len(d):len(d)], result[:]...))
	return digest(sum[:8])
}

// digestOf returns the digest at the beginning of a generation, or after an event that replaced messages of a mirror.
func digestOf(what string, number uint64) digest {
	sum := sha256.Sum256(binary.AppendUvarint([]byte(what), number))
	return digest(sum[:8])
}

// resultOf returns the hash of a mirror's decisions on one message.
func resultOf(scratch []byte, id [8]byte, passed byte, outcomes []eventlog.Outcome) (digest, []byte) {
	b := append(scratch[:0], id[:]...)
	b = append(b, passed)
	for i := range outcomes {
		o := &outcomes[i]
		switch {
		case errors.Is(o.Err, eventlog.ErrEnded):
			b = append(b, 'e')
			continue
		case errors.Is(o.Err, eventlog.ErrKeyReused):
			b = append(b, 'k')
			continue
		case o.Err != nil:
			b = append(b, 'r')
			continue
		}
		b = binary.AppendUvarint(append(b, 's'), uint64(len(o.Receipts)))
		for j := range o.Receipts {
			if o.Receipts[j].Duplicate {
				b = binary.AppendUvarint(b, uint64(j))
				b = binary.AppendUvarint(b, o.Receipts[j].Seq)
			}
		}
	}
	sum := sha256.Sum256(b)
	return digest(sum[:8]), b
}

// results are the newest messages, so that the identifier of an earlier one, and the digests after it, can be compared.
type results struct {
	seqs    []uint64
	ids     [][8]byte
	digests []digest // after each message
	chains  []digest // see link
}

const mostResults = 16384 // more than auditMessages, so that they reach back to the last audit

// add appends a message. It forgets the oldest ones when there are too many.
func (r *results) add(m *mark) {
	if len(r.seqs) >= 2*mostResults {
		n := len(r.seqs) - mostResults
		r.seqs, r.ids, r.digests = slices.Delete(r.seqs, 0, n), slices.Delete(r.ids, 0, n), slices.Delete(r.digests, 0, n)
		r.chains = slices.Delete(r.chains, 0, n)
	}
	r.seqs, r.ids, r.digests = append(r.seqs, m.seq), append(r.ids, m.id), append(r.digests, m.digest)
	r.chains = append(r.chains, m.chain)
}

// clear forgets everything, when the mirror was replaced.
func (r *results) clear() { *r = results{} }

// cut forgets the messages above a number, when the mirror was moved back.
func (r *results) cut(seq uint64) {
	n, _ := slices.BinarySearch(r.seqs, seq+1)
	r.seqs, r.ids, r.digests = r.seqs[:n], r.ids[:n], r.digests[:n]
	r.chains = r.chains[:n]
}

// at returns the index of a message, -1 if it is not among them.
func (r *results) at(seq uint64) int {
	if len(r.seqs) == 0 || seq < r.seqs[0] || seq > r.seqs[len(r.seqs)-1] {
		return -1
	}
	i := int(seq - r.seqs[0])
	if r.seqs[i] != seq {
		return -1
	}
	return i
}
