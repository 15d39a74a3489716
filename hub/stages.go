package hub

import (
	"math/rand/v2"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// How a subscriber goes from stage to stage. All of this is done by its shard.
//
//	adopt ─▶ catching ─▶ join ─▶ current ─▶ close
//	            ▲          │        │
//	            └─ stalled ◀────────┘  it takes no more
//
// One with a runner is waiting from adopt to close.

// adopt takes a subscriber in.
func (s *shard) adopt(sub *subscriber) {
	g := s.groups[sub.group.key()]
	if g == nil {
		g = sub.group
		s.groups[g.key()] = g
		s.interest.add(g)
	}
	g.members++
	sub.group, sub.cursor.group = g, g
	sub.wrote = s.wheel.now
	if sub.runner != nil {
		sub.stage = waiting
		g.addWaiting(sub)
		if err := s.poller.add(sub); err != nil {
			sub.runner.abort()
		}
		sub.runner.nudge()
		s.setBeat(sub)
		if s.draining {
			s.farewell(sub)
		}
		return
	}
	if err := s.poller.add(sub); err != nil {
		s.unwatchable(sub, err)
		return
	}
	if sub.rest.text != "" {
		s.halt(sub)
		return
	}
	s.setBeat(sub)
	s.replayOrJoin(sub)
}

func (s *shard) unwatchable(sub *subscriber, err error) {
	s.hub.opts.Logger.Error("a stream cannot be watched, and is closed; its client comes back", "err", err.Error())
	s.close(sub, failed)
}

// fewMissed is how many records a subscriber may be behind for its shard to send it the rest by itself.
const fewMissed = 16

// replayOrJoin goes on with a subscriber whose cursor may be near to where the shard is.
func (s *shard) replayOrJoin(sub *subscriber) {
	c := sub.cursor
	if at := c.query.After; at.Gen == s.at.Gen && at.Seq+fewMissed >= s.at.Seq && s.at.Seq >= c.until && (!c.byLog || at.Seq >= c.until) {
		s.join(sub)
		return
	}
	s.replay(sub)
}

// replay hands a subscriber to a replayer, which posts it back.
func (s *shard) replay(sub *subscriber) {
	if sub.end != 0 && s.wheel.now >= sub.end { // who takes a little now and then is seldom found by look
		s.sayLast(sub)
		s.close(sub, sub.over())
		return
	}
	sub.stage = catching
	if sub.cursor == nil {
		sub.cursor = &cursor{hub: s.hub, group: sub.group, sent: sub.sent, failOnGap: sub.failOnGap}
		sub.cursor.query = eventlog.Query{Selector: sub.group.selector, After: sub.at}
		sub.cursor.fall(sub.at.Seq + 1)
	}
	s.hub.replayers.add(sub)
}

// replayed is called when a replayer gives a subscriber back.
func (s *shard) replayed(sub *subscriber, now progress) {
	if sub.moved {
		sub.moved = false
		sub.wrote = s.wheel.now
	}
	switch {
	case sub.doomed != stays:
		if now != lost && sub.doomed != gone {
			s.sayLast(sub)
		}
		s.close(sub, sub.doomed)
	case now == lost:
		s.close(sub, gone)
	case now == broken:
		s.close(sub, failed)
	case now == tooSlow:
		s.close(sub, slow)
	case now == finished:
		s.close(sub, complete)
	case now == midway && s.draining && s.hasEnough(sub.cursor):
		s.sayLast(sub)
		s.close(sub, drained)
	case now == midway, now == blocked && sub.writable, now == caughtUp && sub.rest.text != "":
		sub.writable = false
		s.replay(sub)
	case now == blocked:
		s.halt(sub)
	default:
		s.join(sub)
	}
}

// join makes a subscriber live whose cursor has caught up.
func (s *shard) join(sub *subscriber) {
	c := sub.cursor
	at := c.query.After
	switch {
	case at.Gen != s.at.Gen && at.Gen != s.hub.window.head().Gen && at.Gen != s.hub.log.Head().Gen: // it is over: the log tells it
		s.replay(sub)
		return
	case at.Gen != s.at.Gen || at.Seq > s.at.Seq:
		sub.stage = ahead
		s.ahead = append(s.ahead, sub)
		return
	case at.Seq < s.at.Seq && !s.closeUp(sub):
		return
	}
	sub.stage, sub.at, sub.sent = current, s.at, c.sent
	sub.cursor = nil
	sub.group.addLive(sub)
	s.setBeat(sub)
	if s.draining {
		s.farewell(sub)
	}
}

// closeUp sends a subscriber what has come since its replayer looked. If that is not possible at once it is handed on.
func (s *shard) closeUp(sub *subscriber) bool {
	c := sub.cursor
	from := c.query.After
	pieces, ok := c.upTo(s.at)
	if !ok {
		s.replay(sub)
		return false
	}
	all, at, err := sub.push(&s.buf, from.Seq, pieces)
	switch {
	case err != nil:
		s.close(sub, gone)
		return false
	case !all:
		c.back(at)
		s.halt(sub)
		return false
	}
	sub.wrote = s.wheel.now
	return true
}

// catchAhead joins those that the shard has caught up with.
func (s *shard) catchAhead() {
	if len(s.ahead) == 0 {
		return
	}
	all := s.ahead
	s.ahead = nil
	for _, sub := range all {
		if sub.stage == ahead {
			s.join(sub)
		}
	}
}

// unlive takes a subscriber out of those who are live.
func (s *shard) unlive(sub *subscriber, at eventlog.Position) {
	g := sub.group
	g.removeLive(sub)
	sub.at, sub.sent = at, max(sub.sent, g.sent)
	sub.wrote = max(sub.wrote, g.wrote)
}

// stall is for one who was live and takes no more.
func (s *shard) stall(sub *subscriber, rest piece, at eventlog.Position) {
	s.unlive(sub, at)
	sub.rest, sub.sent = rest, at.Seq
	if sub.moved {
		sub.moved = false
		sub.wrote = s.wheel.now
	}
	s.halt(sub)
}

// halt lets a subscriber wait until it takes more.
func (s *shard) halt(sub *subscriber) {
	if err := s.poller.awaitWritable(sub); err != nil {
		s.unwatchable(sub, err)
		return
	}
	sub.stage = stalled
	s.setPatience(sub, s.wheel.ticks(s.hub.opts.WriteTimeout))
}

// setPatience sets when one who takes nothing is looked at the next time: not after its end.
func (s *shard) setPatience(sub *subscriber, in int64) {
	if sub.end != 0 {
		in = min(in, sub.end-s.wheel.now)
	}
	s.wheel.set(sub, in)
}

// ready is called when a socket can take more, or its client has gone.
func (s *shard) ready(sub *subscriber, writable, over bool) {
	switch {
	case over && sub.runner != nil:
		sub.runner.abort()
	case over && sub.stage == catching:
		sub.doomed = gone
	case over:
		s.close(sub, gone)
	case !writable:
	case sub.stage == catching:
		sub.writable = true
	case sub.stage == stalled:
		s.replay(sub)
	}
}

// look is called when a subscriber is due on the wheel.
func (s *shard) look(sub *subscriber) {
	switch {
	case sub.end != 0 && s.wheel.now >= sub.end:
		sub.end = 0
		s.expel(sub, sub.over())
		return
	case sub.warn != 0 && s.wheel.now >= sub.warn && (sub.stage == current || sub.stage == waiting):
		sub.warn = 0
		s.say(sub, expiringPiece(sub.group.form, 0, sub.grant.Expires))
		if sub.stage == closed || sub.due != 0 {
			return
		}
	}
	switch sub.stage {
	case stalled:
		timeout := s.wheel.ticks(s.hub.opts.WriteTimeout)
		if silent := s.wheel.now - sub.wrote; silent < timeout {
			s.setPatience(sub, timeout-silent)
			return
		}
		s.close(sub, slow)
	case current:
		if s.silent(sub.group, max(sub.wrote, sub.group.wrote)) {
			s.say(sub, s.beat(sub))
		}
		s.setBeat(sub)
	case waiting:
		if sub.wrote = max(sub.wrote, sub.runner.wrote.Load()); s.silent(sub.group, sub.wrote) {
			sub.runner.beat(s.at)
			sub.wrote = s.wheel.now
		}
		s.setBeat(sub)
	case catching, ahead:
		s.setBeat(sub)
	}
}

// interval returns how long the members of a group may be silent, in ticks.
func (s *shard) interval(g *group) int64 {
	if g.beat > 0 {
		return s.wheel.ticks(time.Duration(g.beat) * time.Millisecond)
	}
	return s.wheel.ticks(s.hub.opts.Heartbeat)
}

// silent reports whether it is time for a heartbeat.
func (s *shard) silent(g *group, wrote int64) bool {
	return s.wheel.now-wrote >= s.interval(g)*3/4
}

// setBeat sets when a subscriber is looked at the next time. Heartbeats are spread, so that those who came together are not
// written to together for ever.
func (s *shard) setBeat(sub *subscriber) {
	if sub.stage == closed || sub.stage == stalled {
		return
	}
	in := s.interval(sub.group)
	if sub.stage == current || sub.stage == waiting {
		wrote := sub.wrote
		if sub.stage == current {
			wrote = max(wrote, sub.group.wrote)
		} else {
			wrote = max(wrote, sub.runner.wrote.Load())
		}
		in = max(in-(s.wheel.now-wrote), 1)
		in -= rand.Int64N(in/8 + 1)
	}
	for _, due := range [2]int64{sub.warn, sub.end} {
		if due != 0 {
			in = min(in, max(due-s.wheel.now, 1))
		}
	}
	s.wheel.set(sub, in)
}

// beat returns what goes out when nothing has for a while: a checkpoint if the log has moved on, or if the subscriber asked for heartbeats
// that it can see.
func (s *shard) beat(sub *subscriber) piece {
	sub.sent = max(sub.sent, sub.group.sent)
	if sub.sent == s.at.Seq && sub.group.beat == 0 {
		return piece{text: heartbeats[sub.group.form], at: s.at.Seq, told: true}
	}
	sub.sent = s.at.Seq
	return piece{text: string(appendControl(nil, sub.group.form, checkpointAt(s.at, 0), time.Now())), at: s.at.Seq, told: true}
}

// say sends a piece to one who is live, or lets its runner do it.
func (s *shard) say(sub *subscriber, p piece) {
	if sub.stage == waiting {
		sub.runner.say(p)
		return
	}
	p.at = s.at.Seq
	s.pieces = append(s.pieces[:0], p)
	all, _, err := sub.push(&s.buf, s.at.Seq, s.pieces)
	switch {
	case err != nil:
		s.close(sub, gone)
	case all:
		sub.wrote = s.wheel.now
	default:
		s.stall(sub, sub.rest, s.at)
	}
}

// expel ends a stream for a reason that its client has to know only so far that it may come back.
func (s *shard) expel(sub *subscriber, why reason) {
	switch sub.stage {
	case catching:
		sub.doomed = why
	case waiting:
		sub.runner.leave(why)
	case current:
		s.say(sub, lastPiece(sub.group.form, s.at))
		if sub.stage == current {
			s.close(sub, why)
			return
		}
		sub.last = true
	default:
		s.sayLast(sub)
		s.close(sub, why)
	}
}

// sayLast tells a subscriber that is behind, and is about to be closed, which position it has reached. One that is inside a block, or
// whose socket is full, is not told: its last ID is good enough.
func (s *shard) sayLast(sub *subscriber) {
	if sub.rest.text != "" || sub.stage == closed {
		return
	}
	at := sub.at
	if sub.cursor != nil {
		at = sub.cursor.query.After
	}
	_, _, _ = sub.push(&s.buf, at.Seq, []piece{lastPiece(sub.group.form, at)}) // a client that has gone comes back anyway
}

// close ends a stream.
func (s *shard) close(sub *subscriber, why reason) {
	g := sub.group
	switch sub.stage {
	case closed:
		return
	case current:
		g.removeLive(sub)
	case waiting:
		g.removeWaiting(sub)
	}
	sub.stage = closed
	s.wheel.clear(sub)
	s.poller.remove(sub)
	if g.members--; g.members == 0 {
		delete(s.groups, g.key())
		s.interest.remove(g)
	}
	sub.cursor, sub.rest = nil, piece{}
	s.hub.closed(sub, why)
}

// wavesPause is the pause between two waves of streams that are closed when the hub drains.
const wavesPause = 50 * time.Millisecond

// drain tells all streams to come back later, some at a time, so that they do not all come back at once. Those that are behind
// get what there is first.
func (s *shard) drain() {
	// First what has come before. Events may go on coming faster than they are delivered; clients get those when they come back.
	s.until = s.hub.window.head()
	if s.at.Gen != s.until.Gen {
		s.deliverNext()
	}
	for s.at.Gen == s.until.Gen && s.at.Seq < s.until.Seq && s.hub.ctx.Err() == nil {
		s.deliverNext()
	}
	s.draining = true
	for _, g := range s.groups {
		for _, m := range g.live {
			s.leaving = append(s.leaving, m.sub)
		}
		s.leaving = append(s.leaving, g.waiting...)
	}
	s.drainWave(max(len(s.leaving)/20, 250))
}

// hasEnough reports whether a cursor has passed everything that came before draining began. A subscriber might never be live while
// publishers are faster than it reads.
func (s *shard) hasEnough(c *cursor) bool {
	at := c.query.After
	return at.Gen != s.until.Gen || at.Seq >= s.until.Seq
}

func (s *shard) drainWave(size int) {
	wave := s.leaving[:min(size, len(s.leaving))]
	s.leaving = s.leaving[len(wave):]
	for _, sub := range wave {
		s.farewell(sub)
	}
	if len(s.leaving) > 0 {
		time.AfterFunc(wavesPause, func() { s.post(func() { s.drainWave(size) }) })
	}
}

// farewell ends a stream that has everything because the hub stops.
func (s *shard) farewell(sub *subscriber) {
	if sub.stage == current || sub.stage == waiting {
		s.expel(sub, drained)
	}
}
