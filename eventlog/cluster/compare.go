package cluster

import (
	"context"
	"errors"
)

// recheck compares the messages of the mirror with those of the order, if there is a reason to: the order may have lost messages, and
// have got new ones with the same numbers, before the hub saw that it was shorter. recheck sets doubted to the first that differs.
func (f *follower) recheck(ctx context.Context, b Bounds) error {
	v, _ := f.look()
	if d := v.audited.dispute; f.checking == f.checked && (d == nil || d.checked) && len(f.results.seqs) > 0 {
		return nil
	}
	if err := f.compareAll(ctx, b, v.audited.last); err != nil {
		return err
	}
	f.checked = f.checking
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.view.audited.dispute; d != nil {
		d.checked = f.doubted.seq == 0
	}
	return nil
}

// compareAll sets doubted to the first message of the mirror after a number that the order does not have, as far as that is known.
func (f *follower) compareAll(ctx context.Context, b Bounds, after uint64) error {
	for _, m := range f.place.older() { // after a start, nothing else is known
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
	for i, seq := range f.results.seqs {
		if seq > after && seq >= b.First {
			return f.compare(ctx, i, min(f.place.seq, b.Last))
		}
	}
	return nil
}

// doubt remembers the first message that the order does not have.
func (f *follower) doubt(m mark) {
	if f.doubted.seq == 0 || m.seq < f.doubted.seq {
		f.doubted = m
	}
}

// compare compares the messages from results[i] on, up to a number that the order has: it would wait for a later one.
func (f *follower) compare(ctx context.Context, i int, last uint64) error {
	ctx, cancel := context.WithTimeout(ctx, giveUpAfter)
	defer cancel()
	for next := f.results.seqs[i]; next <= last; {
		err := f.order.Follow(ctx, next, func(messages []Message) error {
			for j := range messages {
				m := &messages[j]
				if i := f.results.at(m.Seq); i >= 0 && f.results.ids[i] != short(m) {
					f.doubt(mark{seq: m.Seq, id: f.results.ids[i]})
					return errScanned
				}
				if next = m.Seq + 1; next > last {
					return errScanned
				}
			}
			return nil
		})
		if gone, ok := errors.AsType[*GoneError](err); ok && gone.First > next {
			next = gone.First
			continue
		}
		if errors.Is(err, errScanned) || errors.As(err, new(*BackError)) {
			return nil
		}
		return err
	}
	return nil
}
