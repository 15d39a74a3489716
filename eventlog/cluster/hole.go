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

// A hub may lack messages that the order no longer has, or that are damaged there, while another hub has them or is just reading them. If it passed
// over them, the two would have different records for ever, and would decide differently about the keys in them. So it stops before this hole,
// tells the others, and takes a copy of a hub that has later messages. It passes over the hole only if all other hubs stand before it, too: then
// none of them has the messages, and none can get them.
//
// What a hub has said stays true: it can get messages of the hole only by a copy of a hub that has them, and that one stands before no hole that
// includes them. So it does not matter if a hub moves on before another one hears it.
const standWithin = 15 * time.Second // a hub that was heard standing is believed for this long

// standing is the message of a hub that stands before a hole.
type standing struct {
	Hub     string `json:"hub"`
	Message uint64 `json:"message"` // the last one that others can get from it
	First   uint64 `json:"first"`   // the first one after the hole; math.MaxUint64: the hub takes no more messages
}

// stood is the standing of a hub when it was heard.
type stood struct {
	message, first uint64
	at             time.Time
}

// holeError says that a hub stands before a hole.
type holeError struct {
	from, to uint64
	waits    string // for what
	err      error  // why there is no copy yet
}

func (e *holeError) Error() string {
	return fmt.Sprintf("cluster: this hub lacks messages %d to %d, and the shared log cannot give them any more; %s: %v", e.from, e.to, e.waits, e.err)
}

func (e *holeError) Unwrap() error { return e.err }

// gap compares the next message of the order with the place: the messages between may be gone.
func (f *follower) gap(ctx context.Context, b Bounds) error {
	if f.place.seq >= b.Last {
		return nil
	}
	_, err := f.readMessage(ctx, f.place.seq+1)
	if gone, ok := errors.AsType[*GoneError](err); ok && gone.First > f.place.seq+1 {
		return f.overtaken(gone.First)
	}
	return nil // Follow has the error, if there is one
}

// overtaken is called when the order has dropped messages that the mirror does not have: the oldest one after them is first. The hub takes a copy
// of another hub's mirror, if one has them. Otherwise the messages are lost, and readers get a gap.
//
// A hub that was alone keeps its records: neither are they in the order, nor does it drop them.
func (f *follower) overtaken(first uint64) error {
	if f.place.alone() {
		return &ForeignError{Message: f.place.seq}
	}
	first, err := f.lost(first)
	if err != nil {
		return err
	}
	f.log.Error("the shared log has dropped messages that this hub does not have, and no other hub has them; subscribers get a gap",
		"last", f.place.seq, "oldest", first)
	f.place.seq, f.place.id, f.place.chain = first-1, [8]byte{}, digest{}
	f.place.gap, f.missed = true, true // the digest stays: hubs that get over a hole in several steps have the same one
	f.results.clear()
	f.show(func(v *view) { v.audited.speak = true }) // a hub that was away may have the messages
	if f.place.gen == "" {
		return nil // a mirror without a generation has nothing to skip yet
	}
	f.dirty = true // until the place is stored: a hub that takes a copy now must not stand here again
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

// lost returns the first message after a hole that the hub can pass over, because no hub has the messages in it, and most servers of the order
// lack the first one, too. Otherwise its error says that the mirror was replaced by one that has later messages, or what the hub waits for.
func (f *follower) lost(first uint64) (uint64, error) {
	end, err := f.lacking(first)
	if err == nil {
		err = f.kept(f.ctx, f.place.seq+1)
	}
	return end, err
}

// lacking is lost for the hubs alone.
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
	// If the number of hubs is not known, those count that have told their clocks meanwhile.
	if end, missing = f.peers.end(mine, first, f.stoodSince, f.clocks.names(), f.o.Hubs-1); missing == "" && f.o.Hubs == 0 && time.Since(f.stoodSince) < 2*clockEvery {
		missing = "it waits for other hubs to answer"
	}
	if missing != "" {
		return 0, &holeError{mine + 1, first - 1, missing, ErrNoSnapshot}
	}
	return end, nil
}

// has returns the last message of which another hub could get a copy from this one. A hub without a generation has kept nothing of what it has read; but
// if it was alone, the first messages are its own records.
func (f *follower) has() uint64 {
	if f.place.gen == "" && !f.place.alone() {
		return 0
	}
	return f.place.seq
}

// stand tells the other hubs that this one stands before a hole.
func (f *follower) stand(ctx context.Context, message, first uint64) {
	if data, err := json.Marshal(standing{f.o.Name, message, first}); err == nil {
		f.tell(ctx, append([]byte{broadcastStanding}, data...))
	}
}

// stepAside tells the other hubs that this one takes no messages any more, so that they do not wait for it before a hole.
func (f *follower) stepAside() {
	for f.ctx.Err() == nil {
		f.stand(f.ctx, f.place.seq, math.MaxUint64)
		select {
		case <-time.After(absentEvery):
		case <-f.ctx.Done():
		}
	}
}

// hear notes that a hub stands before a hole. self is the name of this hub.
func (p *peers) hear(data []byte, self string) {
	var s standing
	if json.Unmarshal(data, &s) != nil || s.Hub == "" || s.Hub == self {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.standing, func(_ string, s stood) bool { return time.Since(s.at) > standWithin })
	if _, ok := p.standing[s.Hub]; ok || len(p.standing) < mostHubs {
		p.standing[s.Hub] = stood{s.Message, s.First, time.Now()}
	}
}

// end returns the first message after the part of a hole before which all other hubs stand, those with the names and as many as count. Otherwise
// missing says for which hubs this one waits. since is when the messages had been dropped: a hub that took no messages before that may have got
// them meanwhile.
func (p *peers) end(message, first uint64, since time.Time, names []string, count int) (end uint64, missing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	end = first
	stand := map[string]bool{}
	for name, s := range p.standing {
		if s.first == math.MaxUint64 && s.at.Before(since) {
			continue
		}
		if time.Since(s.at) <= standWithin && s.message <= message && s.first > message+1 {
			stand[name], end = true, min(end, s.first)
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
