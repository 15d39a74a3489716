package cluster

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// The order may lose messages, and store new ones under the same numbers, before a hub notices. Then the hub's newest message is one of the
// order, but earlier ones are not. A hub that has the new messages has another chain. Its next message shows this, because frames have the
// sender's chain: see hint. Both hubs then compare all their messages with the order, and the one that is wrong goes back.
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
	return f.compare(ctx, max(from+1, b.First), min(f.place.seq, b.Last))
}

// doubt remembers the first message that the order does not have.
func (f *follower) doubt(m mark) {
	if f.doubted.seq == 0 || m.seq < f.doubted.seq {
		f.doubted = m
	}
}

// compare compares messages up to a number that the order has: it would wait for a later one. Any server of the order sends them, and one may be
// damaged, so the leader of the order decides about each that differs.
func (f *follower) compare(ctx context.Context, next, last uint64) error {
	c := &comparison{follower: f, ctx: ctx, marks: map[uint64]mark{f.place.seq: f.place.mark}}
	for _, m := range f.place.older() {
		c.marks[m.seq] = m
	}
	for next <= last {
		read, cancel := context.WithTimeout(ctx, giveUpAfter)
		err := f.order.Follow(read, next, func(messages []Message) error {
			for i := range messages {
				if differs, err := c.differs(&messages[i]); err != nil || differs {
					return cmp.Or(err, errScanned)
				}
				if next = messages[i].Seq + 1; next > last {
					return errScanned
				}
			}
			return nil
		})
		cancel()
		if gone, ok := errors.AsType[*GoneError](err); ok && gone.First > next {
			next, c.chain, c.agreed = gone.First, digest{}, mark{}
			continue
		}
		if errors.Is(err, errScanned) || errors.As(err, new(*BackError)) {
			return nil
		}
		return err
	}
	return nil
}

// comparison compares messages of the order with those of the mirror, one after the other. Of messages before the start of this process only
// marks are known. If the chain to a mark differs, an unknown message before it does.
type comparison struct {
	*follower
	ctx    context.Context
	marks  map[uint64]mark
	chain  digest // of the order up to the last message; zero: not known
	agreed mark   // the last place at which the chains agreed
	warned bool
}

// differs reports whether the order has another message than the mirror. Then it has called doubt.
func (c *comparison) differs(m *Message) (bool, error) {
	id, mine := short(m), c.marks[m.Seq]
	if i := c.results.at(m.Seq); i >= 0 {
		mine = mark{seq: m.Seq, id: c.results.ids[i], chain: c.results.chains[i]}
	}
	if mine.seq > 0 && mine.id != id {
		right, err := c.readMessage(c.ctx, m.Seq)
		if err != nil {
			return false, err
		}
		if short(&right) != mine.id {
			c.doubt(mine)
			return true, nil
		}
		c.warn(m.Seq)
		id = mine.id
	}
	before := c.chain
	c.chain = link(before, m.Seq, id)
	switch {
	case mine.seq == 0, mine.chain == digest{}:
		return false, nil
	case c.chain != digest{} && c.chain != mine.chain:
		if right, err := c.again(m.Seq); err != nil {
			return false, err
		} else if right != mine.chain {
			c.doubt(mark{seq: m.Seq})
			return true, nil
		}
		c.warn(m.Seq)
	}
	c.chain, c.agreed = mine.chain, mine
	return false, nil
}

// again returns the chain up to a message as the leader of the order has it, from the last place at which the chains agreed.
func (c *comparison) again(seq uint64) (chain digest, err error) {
	next := max(c.agreed.seq, (seq-1)/chainLength*chainLength) + 1 // a chain begins at the latter
	for chain = c.agreed.chain; next <= seq; next++ {
		m, err := c.readMessage(c.ctx, next)
		if err != nil {
			return digest{}, err
		}
		chain = link(chain, m.Seq, short(&m))
	}
	return chain, nil
}

// warn logs that a server of the order has other messages than the leader, once for each comparison.
func (c *comparison) warn(seq uint64) {
	if !c.warned {
		c.warned = true
		c.log.Error("a server of the shared log has another message than its leader; check the disks of the servers", "up to message", seq)
	}
}
