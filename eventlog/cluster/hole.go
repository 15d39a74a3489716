package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// A hole is a range of messages that a hub lacks, and that the order has dropped or damaged. Another hub may have these messages, or may be reading them
// at the moment.
//
// A hub stops before a hole, tells the other hubs so, and takes a copy of a mirror that has later messages. A hub that passed over messages which another
// one has would have different records for ever, and would decide differently about the idempotency keys in them.
//
// A hub passes over a hole only if all other hubs stand before it, too. Then no hub has the messages, and none can get them.
//
// Hubs may stand before different holes, and only hubs that have joined the cluster give copies. So a hub that stands before an earlier hole reads the first
// messages of later ones, too. If the order cannot give them to it either, it tells the others that it lacks them. The hub that is furthest passes over its
// hole then, reads up to the end of the order, joins, and gives copies. Otherwise it would wait for the others, and they for a copy of its mirror.
//
// What a hub has broadcast about a hole stays true after the hub has moved on, so late broadcasts do no harm. The hub can get messages of the hole only by
// a copy of another mirror, and a hub whose mirror has them does not stand before the hole.
const (
	standWithin = 15 * time.Second // how long a broadcast about a hole counts
	mostLacks   = 32               // ranges of messages in a broadcast, beside the hole
	confirmMost = 100              // damaged messages that a hub reads from one place on, to find out whether the order can give them
)

// lack is a range of messages that a hub lacks: those after Message and before First.
type lack struct {
	Message uint64 `json:"message"`
	First   uint64 `json:"first"`
}

// covers reports whether the range has the next message after a number.
func (l *lack) covers(message uint64) bool { return l.Message <= message && l.First > message+1 }

// standing is the broadcast of a hub that stands before a hole. Message is the last message that other hubs can get from this one; First is the first message
// after the hole; math.MaxUint64: the hub takes no more messages.
type standing struct {
	Hub string `json:"hub"`
	lack
	Also []lack `json:"also,omitempty"` // later messages that the order cannot give to the hub either; see confirm
}

// stood is the latest standing of another hub, with the time at which it arrived.
type stood struct {
	lack
	also []lack
	at   time.Time
}

// holeError says that a hub stands before a hole.
type holeError struct {
	from, to uint64
	waits    string // what the hub waits for
	err      error  // why the hub has no copy yet
}

func (e *holeError) Error() string {
	return fmt.Sprintf("cluster: this hub lacks messages %d to %d, and the shared log cannot give them any more; %s: %v", e.from, e.to, e.waits, e.err)
}

func (e *holeError) Unwrap() error { return e.err }

// gap asks the order for the message after the place. If the order has dropped it, gap handles the hole.
func (f *follower) gap(ctx context.Context, b Bounds) error {
	if f.place.seq >= b.Last {
		return nil
	}
	m, err := f.readMessage(ctx, f.place.seq+1)
	if gone, ok := errors.AsType[*GoneError](err); ok && gone.First > f.place.seq+1 {
		return f.overtaken(gone.First)
	}
	if err == nil {
		if _, err = f.decode(&m); errors.Is(err, errDamaged) {
			f.confirm(m.Seq + 1) // Follow brings the message, and damaged tells the others
		}
	}
	return nil // Follow meets any other error, too
}

// overtaken handles a hole that ends before the message first. The hub takes a copy of another hub's mirror, if one has the messages. If all hubs lack them,
// overtaken moves the place to the end of the hole, and readers get a gap.
//
// For a mirror with the records of a hub that was alone it returns a [ForeignError]. These records stay: they were never in the order.
func (f *follower) overtaken(first uint64) error {
	if f.place.alone() {
		return &ForeignError{Message: f.place.seq}
	}
	f.confirm(first)
	first, err := f.lost(first)
	if err != nil {
		return err
	}
	f.log.Error("the shared log has dropped messages that this hub does not have, and no other hub has them; subscribers get a gap",
		"last", f.place.seq, "oldest", first)
	f.place.seq, f.place.id, f.place.chain = first-1, [8]byte{}, digest{}
	f.place.gap, f.missed = true, true // the digest stays: the number of steps in which a hub passes over a hole must not change it
	f.results.clear()
	f.show(func(v *view) { v.audited.speak = true }) // a hub that was away may have the messages, and learns from an audit that this one does not
	if f.place.gen == "" {
		return nil // a mirror without a generation has nothing to skip yet
	}
	f.dirty = true // until save. It follows at once, so that a hub that takes a copy of this mirror does not stop before the same hole
	if err := f.skip(FirstOf(first)-1, eventlog.Trimmed); err != nil {
		return err
	}
	f.place.head = f.head
	if err := f.save(); err != nil {
		return err
	}
	f.dirty = false
	f.wake()
	return nil
}

// lost returns the first message after the part of a hole that the hub can pass over: no hub has its messages, and most servers of the order lack the first
// of them. first is the first message after the whole hole. The error is errAgain if lost has replaced the mirror by a copy with later messages; otherwise it
// says what the hub waits for.
func (f *follower) lost(first uint64) (uint64, error) {
	end, err := f.lacking(first)
	if err == nil {
		err = f.kept(f.ctx, f.place.seq+1)
	}
	return end, err
}

// lacking is lost without the servers of the order: it asks only the hubs.
func (f *follower) lacking(first uint64) (uint64, error) {
	if f.o.Snapshot == nil {
		return first, nil
	}
	mine := f.place.seq
	f.stand(f.ctx, f.has(), first)
	if f.stood != mine || f.stoodSince.IsZero() {
		f.stood, f.stoodSince = mine, time.Now()
	}
	end, missing := f.peers.end(mine, first, f.stoodSince, f.clocks.names(), f.o.Hubs-1)
	if missing == "" && f.o.Hubs > 1 {
		return end, nil
	}
	switch err := f.replace(f.ctx, mine); {
	case errors.Is(err, errAgain), errors.Is(err, eventlog.ErrClosed):
		return 0, err
	case !errors.Is(err, ErrNoSnapshot):
		return 0, &holeError{mine + 1, first - 1, cmp.Or(missing, "it takes a copy of another hub's log"), err}
	}
	// Without a known number of hubs, the names are those of hubs that broadcast their clocks. Each has done so after twice clockEvery.
	if end, missing = f.peers.end(mine, first, f.stoodSince, f.clocks.names(), f.o.Hubs-1); missing == "" && f.o.Hubs == 0 && time.Since(f.stoodSince) < 2*clockEvery {
		missing = "it waits for other hubs to answer"
	}
	if missing != "" {
		return 0, &holeError{mine + 1, first - 1, missing, ErrNoSnapshot}
	}
	return end, nil
}

// has returns the last message that other hubs can get by a copy of this mirror. A mirror without a generation has kept none of the messages that the hub
// has read. If the hub was alone, however, its own records are the first messages.
func (f *follower) has() uint64 {
	if f.place.gen == "" && !f.place.alone() {
		return 0
	}
	return f.place.seq
}

// confirm finds out which messages the order can give neither to other hubs, which stand before them, nor to this one, which stands before an earlier hole.
// first is the first message after that hole. The hub must not follow the order meanwhile: a message that the order no longer has could be on its way.
func (f *follower) confirm(first uint64) {
	ctx, cancel := context.WithTimeout(f.ctx, answerWithin) // a hub that says nothing for long is taken for one that has the messages
	defer cancel()
	f.confirmed = nil
	for _, message := range f.peers.stops(first - 1) {
		if end := f.unreadable(ctx, message+1); end > message+1 {
			f.confirmed = append(f.confirmed, lack{message, end})
		}
	}
}

// unreadable returns the first message, from a number on, that is not known to be dropped or damaged.
func (f *follower) unreadable(ctx context.Context, seq uint64) uint64 {
	for range confirmMost {
		m, err := f.readMessage(ctx, seq)
		if gone, ok := errors.AsType[*GoneError](err); ok && gone.First > seq {
			seq = gone.First
			continue
		}
		if err == nil {
			_, err = f.decode(&m)
		}
		if !errors.Is(err, errDamaged) {
			break
		}
		seq++
	}
	return seq
}

// stops returns the last messages before the holes at which other hubs stand, from a message on.
func (p *peers) stops(from uint64) []uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []uint64
	for _, s := range p.standing {
		if time.Since(s.at) <= standWithin && s.First > from+1 && s.First < math.MaxUint64 {
			all = append(all, max(s.Message, from))
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), mostLacks)]
}

// stand tells the other hubs that this one stands before a hole.
func (f *follower) stand(ctx context.Context, message, first uint64) {
	also := slices.DeleteFunc(slices.Clone(f.confirmed), func(l lack) bool { return l.Message < f.place.seq }) // the hub has come to these messages
	if data, err := json.Marshal(standing{f.o.Name, lack{message, first}, also}); err == nil {
		f.tell(ctx, append([]byte{broadcastStanding}, data...))
	}
}

// stepAside tells the other hubs again and again that this one takes no more messages, so that they do not wait for it before a hole. It returns when the
// log is closed.
func (f *follower) stepAside() {
	for f.ctx.Err() == nil {
		f.stand(f.ctx, f.place.seq, math.MaxUint64)
		select {
		case <-time.After(absentEvery):
		case <-f.ctx.Done():
		}
	}
}

// hear records the broadcast of a hub that stands before a hole. It ignores those of this hub, which has the name self.
func (p *peers) hear(data []byte, self string) {
	var s standing
	if json.Unmarshal(data, &s) != nil || s.Hub == "" || s.Hub == self {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.standing, func(_ string, s stood) bool { return time.Since(s.at) > standWithin })
	if _, ok := p.standing[s.Hub]; ok || len(p.standing) < mostHubs {
		p.standing[s.Hub] = stood{s.lack, s.Also[:min(len(s.Also), mostLacks)], time.Now()}
	}
}

// end returns the first message after the part of a hole before which all other hubs stand: every hub in names, and at least count hubs. If some do not,
// missing says for which hubs this one waits. message is the last one before the hole, and first the first one after it.
//
// This hub has stood here since the time since. A broadcast from before then that its sender takes no more messages does not count: the sender may have
// been restarted, and may have read messages of the hole.
func (p *peers) end(message, first uint64, since time.Time, names []string, count int) (end uint64, missing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	end = first
	stand := map[string]bool{}
	for name, s := range p.standing {
		if time.Since(s.at) > standWithin {
			continue
		}
		lacks := s.also
		if s.First < math.MaxUint64 || !s.at.Before(since) {
			lacks = append(slices.Clip(lacks), s.lack)
		}
		for _, l := range lacks {
			if l.covers(message) {
				stand[name], end = true, min(end, l.First)
			}
		}
	}
	absent := slices.DeleteFunc(names, func(name string) bool { return stand[name] })
	switch more := count - len(stand); {
	case len(absent) > 0:
		return 0, "these hubs may have them: " + strings.Join(absent, ", ")
	case more > 0:
		return 0, fmt.Sprintf("%d hubs that are down may have them: start them, or new ones in their places", more)
	}
	return end, ""
}
