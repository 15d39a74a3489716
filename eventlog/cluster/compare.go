package cluster

import (
	"context"
	"errors"
	"time"
)

// The order may lose messages, and get new ones with the same numbers, before a hub sees that it was shorter. Then the hub's newest message
// is one of the order, but earlier ones are not. A hub that knows better has another chain of messages. Its next message shows this, because
// frames have the sender's chain: see hint. Both hubs then compare all their messages with the order, and the one that is wrong goes back.
//
// mostCompared messages are compared at most. Older differences are found by an audit, and most hubs decide.
const mostCompared = 16384

// calmFor is for how long a hub believes its messages after it found all of them in the order. Meanwhile the other hub finds out that it is
// wrong, and each of its messages contradicts this hub.
const calmFor = 5 * time.Second

// contradicts reports whether another hub has other messages than this mirror.
func (f *follower) contradicts(h *hint) bool {
	mine := f.chainAt(h.seq)
	if mine == h.chain || mine == (digest{}) || h.chain == (digest{}) || h.seq <= f.trusted || time.Since(f.calm) < calmFor {
		return false
	}
	f.log.Warn("another hub has other messages than this one, which compares its own with the shared log", "message", h.seq)
	f.contradicted = true
	return true
}

// chainAt returns the chain up to a message that was taken, zero if it is not known.
func (f *follower) chainAt(seq uint64) digest {
	if i := f.results.at(seq); i >= 0 {
		return f.results.chains[i]
	}
	for i := range f.group.messages { // taken, and not applied yet
		if m := &f.group.messages[i]; m.seq == seq {
			return m.chain
		}
	}
	return digest{}
}

// recheck compares the messages of the mirror with those of the order, if there is a reason to. It sets doubted to the first that differs.
func (f *follower) recheck(ctx context.Context, b Bounds) error {
	v, _ := f.look()
	disputed := v.audited.dispute != nil && !v.audited.dispute.checked
	all := f.contradicted || disputed || f.checking != f.checked
	if !all && len(f.results.seqs) > 0 {
		return nil
	}
	if err := f.compareAll(ctx, b, all); err != nil {
		return err
	}
	f.checked = f.checking
	sound := f.doubted.seq == 0
	if f.contradicted && sound {
		f.trusted, f.calm = f.place.seq, time.Now()
	}
	f.show(func(v *view) {
		if d := v.audited.dispute; d != nil {
			d.checked = sound
		}
		v.audited.speak = v.audited.speak || f.contradicted && sound // an audit, so that the other hub learns of it
	})
	f.contradicted = false
	return nil
}

// compareAll compares the marks of the mirror with the order, or all its messages. It sets doubted to the first that differs, as far as that
// is known; with an error it does not.
func (f *follower) compareAll(ctx context.Context, b Bounds, all bool) (err error) {
	f.doubted = mark{}
	defer func() {
		if err != nil {
			f.doubted = mark{} // there may be an earlier one
		}
	}()
	for _, m := range f.place.older() {
		if m.seq < b.First || m.seq > b.Last {
			continue
		}
		switch message, err := f.readMessage(ctx, m.seq); {
		case err == nil && short(&message) != m.id:
			f.doubt(m)
		case err != nil && !errors.As(err, new(*GoneError)) && !errors.As(err, new(*BackError)):
			return err
		}
	}
	if !all {
		return nil
	}
	from := f.place.seq - min(f.place.seq, mostCompared)
	from -= from % chainLength // there the chain is known
	if err := f.compare(ctx, max(from+1, b.First), min(f.place.seq, b.Last)); err != nil || f.doubted.id == ([8]byte{}) {
		return err
	}
	m, err := f.readMessage(ctx, f.doubted.seq)
	if err == nil && short(&m) == f.doubted.id {
		f.doubted = mark{} // only a replica has another one
	}
	return nil
}

// doubt remembers the first message that the order does not have.
func (f *follower) doubt(m mark) {
	if f.doubted.seq == 0 || m.seq < f.doubted.seq {
		f.doubted = m
	}
}

// compare compares messages up to a number that the order has: it would wait for a later one. Of messages before the start of this process
// only marks are known. If the chain to a mark differs, an unknown message before it does.
func (f *follower) compare(ctx context.Context, next, last uint64) error {
	marks := map[uint64]mark{f.place.seq: f.place.mark}
	for _, m := range f.place.older() {
		marks[m.seq] = m
	}
	var chain digest
	differs := func(seq uint64, id [8]byte) bool {
		mine := marks[seq]
		if i := f.results.at(seq); i >= 0 {
			mine = mark{seq: seq, id: f.results.ids[i], chain: f.results.chains[i]}
		}
		chain = link(chain, seq, id)
		switch {
		case mine.seq == 0:
			return false
		case mine.id != id:
			f.doubt(mine)
			return true
		case chain == digest{}:
			chain = mine.chain
		case mine.chain != digest{} && mine.chain != chain:
			f.doubt(mark{seq: seq})
			return true
		}
		return false
	}
	for next <= last {
		read, cancel := context.WithTimeout(ctx, giveUpAfter)
		err := f.order.Follow(read, next, func(messages []Message) error {
			for i := range messages {
				if differs(messages[i].Seq, short(&messages[i])) {
					return errScanned
				}
				if next = messages[i].Seq + 1; next > last {
					return errScanned
				}
			}
			return nil
		})
		cancel()
		if gone, ok := errors.AsType[*GoneError](err); ok && gone.First > next {
			next, chain = gone.First, digest{}
			continue
		}
		if errors.Is(err, errScanned) || errors.As(err, new(*BackError)) {
			return nil
		}
		return err
	}
	return nil
}
