package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Limits of one call of the mirror's Apply.
const (
	groupRecords = 8192
	groupBytes   = 4 << 20
)

// group holds the messages of one call of the mirror's Apply.
type group struct {
	batches  []eventlog.Batch
	messages []message
	records  int
	bytes    int
}

// message is a message of a group.
type message struct {
	mark       // the place after it; its digest is not known yet
	full    ID // its whole identifier
	batches int
	passed  byte // why it has no batches: see below; 0: it has
	begins  bool // it begins a generation
	audit   *audit
}

// Reasons why a message changes nothing.
const (
	passedStale   = 's' // under way for too long
	passedOld     = 'o' // sent to an order before this one
	passedControl = 'c' // a control message without records
	passedDamaged = 'd' // unreadable: a hole of one message
	passedSkipped = 'x' // its numbers were skipped before
)

func (g *group) reset() {
	clear(g.batches)
	clear(g.messages)
	g.batches, g.messages, g.records, g.bytes = g.batches[:0], g.messages[:0], 0, 0
}

func (g *group) empty() bool { return len(g.messages) == 0 }

// take takes messages from the order. It is called by Order.Follow.
func (f *follower) take(messages []Message) error {
	for i := range messages {
		m := &messages[i]
		if m.Seq != f.place.seq+1 {
			return fmt.Errorf("cluster: the shared log has sent message %d after message %d", m.Seq, f.place.seq)
		}
		if err := f.message(m); err != nil {
			return errors.Join(f.flush(), err)
		}
		if f.group.records > groupRecords || f.group.bytes > groupBytes {
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
	last := messages[len(messages)-1].Time
	if err := f.flush(); err != nil {
		return err
	}
	f.publishView(func(v *view) { v.newest, v.arrived, v.live = last, time.Now(), v.joined })
	f.wake()
	return nil
}

// message adds a message to the group, or acts on it.
func (f *follower) message(m *Message) error {
	fr, err := f.decode(m)
	if err == nil && f.contradicts(&fr.known) {
		return errContradicted
	}
	if err == nil && fr.control != nil {
		var c control
		if c, err = decodeControl(fr.control); err == nil {
			return f.control(m, &c, &fr)
		}
	}
	switch {
	case err != nil && !errors.Is(err, errDamaged):
		return err
	case f.place.gen == "": // hubs send no records before the first generation, so its beginning was dropped, or is damaged
		if err != nil {
			if _, err := f.lost(m.Seq + 1); err != nil {
				return err
			}
		}
		f.missed = true
		f.place.advance(m, f.place.head)
		return nil
	}
	if gapErr := f.close(m); gapErr != nil {
		return gapErr
	}
	switch {
	case err != nil:
		return f.damaged(m, err)
	case stale(m, &fr):
		f.pass(m, passedStale, nil)
		return nil
	case f.outdated(&fr):
		f.pass(m, passedOld, nil)
		return nil
	}
	return f.add(m, &fr, fr.batches)
}

// decode decodes a message. A damaged one is read again, from the leader of the order: a replica may have been damaged.
func (f *follower) decode(m *Message) (frame, error) {
	fr, err := decodeFrame(m.Data)
	for range 3 {
		if !errors.Is(err, errDamaged) {
			break
		}
		again, readErr := f.readMessage(f.ctx, m.Seq)
		if readErr != nil {
			return frame{}, readErr
		}
		if again.ID == m.ID && !bytes.Equal(again.Data, m.Data) {
			fr, err = decodeFrame(again.Data)
		}
	}
	return fr, err
}

// stale reports whether a message was under way for so long that the order may have it twice. All mirrors skip it.
func stale(m *Message, fr *frame) bool {
	return m.Time.UnixMilli()-fr.sent > staleAfter.Milliseconds()
}

// outdated reports whether a message was sent before a hub made the order again. The old order may have stored it already, under another
// number, and the new one does not know its identifier. Its sender cannot know.
func (f *follower) outdated(fr *frame) bool {
	return f.begin != nil && f.begin.Message > 0 && fr.known.seq <= f.begin.Message
}

// close tells the mirror that the messages before this one are missing, if they are.
func (f *follower) close(m *Message) error {
	if !f.missed {
		return nil
	}
	if err := f.flush(); err != nil {
		return err
	}
	return f.skip(m.First-1, eventlog.Trimmed)
}

// skip moves the head of the mirror to a number. It does nothing if the head is there, as after a crash.
func (f *follower) skip(to uint64, reason eventlog.Reason) error {
	f.missed = false
	if f.head >= to {
		return nil
	}
	if err := f.mirror.Skip(f.ctx, to, reason); err != nil {
		return mirrorError{err}
	}
	f.head, f.place.head = to, to
	return nil
}

// damaged skips an unreadable message, unless another hub has read it. Like a hole of one message, it takes all the numbers that the message could
// have, and does not count in the digest.
func (f *follower) damaged(m *Message, cause error) error {
	if err := f.flush(); err != nil {
		return err
	}
	if _, err := f.lost(m.Seq + 1); err != nil {
		return err
	}
	f.log.Error("a message of the shared log is damaged and cannot be used; subscribers get a gap", "message", m.Seq, "cause", cause)
	f.place.gap = true
	f.show(func(v *view) { v.audited.speak = true }) // a hub that was away may have the message
	if err := f.skip(FirstOf(m.Seq+1)-1, eventlog.Corrupt); err != nil {
		return err
	}
	f.pass(m, passedDamaged, nil)
	return f.flush()
}

// pass adds a message that changes nothing in the mirror.
func (f *follower) pass(m *Message, reason byte, a *audit) {
	f.place.advance(m, f.head)
	f.group.messages = append(f.group.messages, message{mark: f.place.mark, full: m.ID, passed: reason, audit: a})
}

// recordTime returns the time of the records of a message: that of the shared log, unless its clock is ahead of the median clock.
func recordTime(m *Message, fr *frame) time.Time {
	if fr.clock > 0 && fr.clock < m.Time.UnixMilli() {
		return time.UnixMilli(fr.clock)
	}
	return m.Time
}

// add puts a message with records into the group.
func (f *follower) add(m *Message, fr *frame, batches []batch) error {
	if m.First <= f.head {
		f.log.Error("the numbers of a message were skipped before, and its records are missing here", "message", m.Seq)
		f.pass(m, passedSkipped, nil)
		return nil
	}
	next, at := m.First, recordTime(m, fr)
	for _, b := range batches {
		f.group.batches = append(f.group.batches, eventlog.Batch{First: next, Time: at, Records: b.records, Encoded: b.encoded})
		next += uint64(len(b.records))
	}
	if next > m.First {
		f.head = next - 1
	}
	f.place.advance(m, f.head)
	f.group.messages = append(f.group.messages, message{mark: f.place.mark, full: m.ID, batches: len(batches)})
	f.group.records += int(next - m.First)
	f.group.bytes += len(m.Data)
	return nil
}

// flush applies the group to the mirror, stores the place with it, and completes the requests that wait for its outcomes.
func (f *follower) flush() error {
	if f.group.empty() {
		return nil
	}
	if f.place.gen == "" {
		f.group.reset()
		return nil
	}
	outcomes, err := f.mirror.Apply(f.ctx, f.group.batches, f.decided)
	if err != nil {
		return mirrorError{err}
	}
	for i := range f.group.messages {
		m := &f.group.messages[i]
		f.settle(m, outcomes[:m.batches])
		outcomes = outcomes[m.batches:]
	}
	f.group.reset()
	n := f.messages
	f.messages = 0
	f.publishView(func(v *view) { v.audited.messages += n })
	if f.contradicted {
		return errContradicted
	}
	return nil
}

// decided adds the mirror's decisions on a group to the place, and returns the place as the state of the mirror.
func (f *follower) decided(outcomes []eventlog.Outcome) []byte {
	for i := range f.group.messages {
		m := &f.group.messages[i]
		var r digest
		r, f.scratch = resultOf(f.scratch, m.id, m.passed, outcomes[:m.batches])
		outcomes = outcomes[m.batches:]
		if m.passed != passedDamaged { // the order may drop it before another hub has seen that it is damaged
			f.place.digest = f.place.digest.with(r)
		}
		m.digest = f.place.digest
		f.place.remember(m.mark, m.begins)
	}
	f.state = f.place.appendTo(f.state[:0])
	return f.state
}

// settle gives the outcomes of a message to the requests that wait for them.
func (f *follower) settle(m *message, outcomes []eventlog.Outcome) {
	f.results.add(&m.mark)
	if m.audit != nil {
		f.audit(m.audit)
	} else {
		f.messages++
		f.newest = m.seq
	}
	if [8]byte(m.full[:8]) != f.self {
		return
	}
	flight := f.appends.take(m.full)
	switch {
	case flight == nil:
	case m.passed == passedStale:
		flight.drop()
	case len(outcomes) == len(flight.requests):
		f.appends.land(flight, outcomes)
	default: // its numbers were skipped, or another order may have it: only other hubs may know the outcome
		refuse(flight.requests, ErrUnknown)
		flight.cancel()
	}
}
