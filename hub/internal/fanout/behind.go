package fanout

import (
	"cmp"
	"math"

	"github.com/tidings-sse/tidings/eventlog"
)

// This file makes direct subscribers fall behind and become live again. All of it runs in the shard.

// replay gives the subscriber to a replayer, which posts replayed.
func (d *direct) replay() {
	s := d.shard
	if s.lifeEnded(&d.subscriber) { // the wheel rarely checks a subscriber that keeps accepting a few bytes
		d.sendLeaving()
		s.close(&d.subscriber, d.endReason())
		return
	}
	d.stage = catching
	if d.cursor == nil {
		d.cursor = &cursor{f: s.f, group: d.group, sent: d.sent, failOnGap: d.failOnGap}
		d.cursor.query = eventlog.Query{Selector: d.group.selector, After: d.at}
		d.cursor.fellBehind(d.at.Seq + 1)
	}
	if d.rest.text == "" {
		d.cursor.reached = d.cursor.query.After
	}
	s.f.replayers.add(d)
}

// heartbeatBehind sends a heartbeat to a subscriber whose cursor is not at the position of the shard. A replayer that has the cursor waits for
// its turn or for the log; if it is writing, the subscriber needs no heartbeat.
func (d *direct) heartbeatBehind() {
	s, c := d.shard, d.cursor
	if !c.writing.TryLock() {
		return
	}
	defer c.writing.Unlock()
	if d.stage == ahead {
		c.reached = c.query.After
	}
	if d.rest.text != "" || d.pendingEnd != open {
		return
	}
	s.touch(d)
	_, err := d.push(&s.buf, c.reached.Seq, []chunk{c.heartbeat()})
	switch {
	case err != nil:
		d.abort(Gone)
	case d.stage == ahead && d.rest.text != "":
		d.awaitWritable()
	}
}

// pushBehind is push for a replayer. While the replayer made the chunks, the shard may have sent a part of a heartbeat, which comes first.
func (d *direct) pushBehind(b *[]byte, from uint64, chunks []chunk) (accepted, error) {
	c := d.cursor
	c.writing.Lock()
	defer c.writing.Unlock()
	got, err := d.push(b, from, chunks)
	if got.all {
		c.reached = c.query.After
	}
	if l := d.lane(); l != nil {
		l.out.Flush()
	}
	return got, err
}

// room returns how many bytes the subscriber takes now. A lane shares its connection, which may be full, and making more than it takes would be wasted. A
// socket does not tell how much it takes, so the result is math.MaxInt.
func (d *direct) room() int {
	if l := d.lane(); l != nil {
		return l.out.Room()
	}
	return math.MaxInt
}

// unsentRest returns the unsent rest of a chunk.
func (d *direct) unsentRest() chunk {
	d.cursor.writing.Lock()
	defer d.cursor.writing.Unlock()
	return d.rest
}

// replayed is called when a replayer gives the subscriber back.
func (d *direct) replayed(now progress) {
	s := d.shard
	d.noteMoved()
	switch {
	case d.pendingEnd != open:
		if now != lost && d.pendingEnd != Gone {
			d.sendLeaving()
		}
		s.close(&d.subscriber, d.pendingEnd)
	case now == lost:
		s.close(&d.subscriber, Gone)
	case now == broken:
		s.close(&d.subscriber, Failed)
	case now == barred:
		d.sendLeaving()
		s.close(&d.subscriber, Revoked)
	case now == tooSlow:
		s.close(&d.subscriber, Slow)
	case now == cutShort:
		s.close(&d.subscriber, Drained)
	case now == finished && d.rest.text != "": // a heartbeat was due at the same time
		d.last = true
		d.replay()
	case now == finished:
		s.close(&d.subscriber, cmp.Or(d.why, Complete))
	case now == midway && s.draining && s.hasEnough(d.cursor.query.After):
		d.sendLeaving()
		s.close(&d.subscriber, Drained)
	case now == midway, now == blocked && d.writable, now == caughtUp && d.rest.text != "":
		d.writable = false
		d.replay()
	case now == blocked:
		d.awaitWritable()
	default:
		d.join()
	}
}

// join makes the subscriber live. Its cursor has caught up.
func (d *direct) join() {
	s, c := d.shard, d.cursor
	at := c.query.After
	switch {
	case at.Gen != s.at.Gen && at.Gen != s.f.window.head().Gen && at.Gen != s.f.log.Head().Gen: // the generation has changed, which the log reports as a gap
		d.replay()
		return
	case s.draining && (at.Gen != s.at.Gen || at.Seq > s.at.Seq) && s.hasEnough(at): // the subscriber cannot become live while publishers are faster
		d.sendLeaving()
		s.close(&d.subscriber, Drained)
		return
	case at.Gen != s.at.Gen || at.Seq > s.at.Seq:
		d.stage = ahead
		s.ahead = append(s.ahead, d)
		return
	case at.Seq < s.at.Seq && !d.closeUp():
		return
	}
	d.stage, d.at, d.sent = live, s.at, c.sent
	d.cursor = nil
	d.group.addLive(d)
	s.payJoined(&d.subscriber)
	s.scheduleHeartbeat(&d.subscriber)
	if s.draining {
		d.leave(Drained)
	}
}

// closeUp sends the events that arrived since the replayer reached the head. If it cannot send them at once, it gives the subscriber to a
// replayer and returns false.
func (d *direct) closeUp() bool {
	s, c := d.shard, d.cursor
	if d.room() == 0 {
		d.awaitWritable()
		return false
	}
	from := c.query.After
	chunks, ok := c.upTo(s.at)
	if !ok {
		d.replay()
		return false
	}
	s.touch(d)
	got, err := d.push(&s.buf, from.Seq, c.squeeze(chunks))
	switch {
	case err != nil:
		s.close(&d.subscriber, whyLost(err))
		return false
	case !got.all:
		if got.dropped {
			c.back(got.at)
		}
		d.awaitWritable()
		return false
	}
	d.wrote = s.wheel.now
	return true
}

// leaveLive takes the subscriber out of the live members of its group.
func (d *direct) leaveLive(at eventlog.Position) {
	g := d.group
	g.removeLive(d)
	d.at, d.sent = at, max(d.sent, g.sent)
	d.wrote = max(d.wrote, g.wrote)
}

// stall is called when the socket of a live subscriber is full.
func (d *direct) stall(rest chunk, at eventlog.Position) {
	d.leaveLive(at)
	d.rest, d.sent = rest, at.Seq
	d.noteMoved()
	d.awaitWritable()
}

// noteMoved restarts the write timeout if the subscriber has accepted bytes.
func (d *direct) noteMoved() {
	if d.moved {
		d.moved = false
		d.wrote = d.shard.wheel.now
		if l := d.lane(); l != nil {
			l.taken = l.out.Taken()
		}
	}
}

// awaitWritable lets the subscriber wait until its socket takes more, for at most the write timeout.
func (d *direct) awaitWritable() {
	s := d.shard
	if d.fd >= 0 && !d.watched {
		d.watched = true
		if err := s.poller.awaitWritable(d.slot, d.fd); err != nil {
			d.unwatchable(err)
			return
		}
	}
	d.stage = stalled
	s.scheduleTimeout(&d.subscriber, s.wheel.ticks(s.f.opts.WriteTimeout))
}
