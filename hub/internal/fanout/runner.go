package fanout

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// runner is a subscriber whose writes block, because its connection cannot be taken over, or because the system has no direct sockets. It keeps one cursor from start to
// end, and the shard wakes it. It occupies a goroutine of the shard's pool only while it has something to send, so that idle subscribers
// have no stack.
type runner struct {
	subscriber
	fd, slot int32 // of the socket that the poller watches for hang-ups; -1: none

	out    Socket
	cursor *cursor // owned by the goroutine once the runner has started

	turn        atomic.Uint32                     // 0: asleep; otherwise it has or awaits a turn, and each wake adds one
	pending     atomic.Uint64                     // 1 + the number of the first event to send since the cursor last moved; 0: none
	heartbeatAt atomic.Pointer[eventlog.Position] // a heartbeat is due; all matching events up to here have caused a wake
	wroteAt     atomic.Int64                      // tick of the shard's wheel at its last write
	leaving     atomic.Uint32                     // the Reason for which it must end at the head

	mu       sync.Mutex         // guards the following
	messages []chunk            // control messages that are to be sent
	stop     context.CancelFunc // cancels its current read of the log

	awake bool // it has had a turn; owned by the goroutine
}

// newRunner returns a runner that first sends the given bytes.
func (st *Stream) newRunner(out Socket, first []byte) *runner {
	r := &runner{fd: -1, slot: -1, out: out, cursor: st.cursor, messages: []chunk{{text: string(first), control: true}}}
	r.subscriber = st.subscriberOf(st.f.leastShard(), r)
	r.cursor.reached, r.cursor.lock = r.cursor.query.After, make(chan struct{}, 1)
	return r
}

// admit gives the runner to its shard.
func (r *runner) admit() {
	if !r.shard.post(func() { r.shard.adopt(&r.subscriber) }) {
		r.turn.Store(1) // so that nothing wakes it after its end
		r.end(Drained)
	}
}

func (r *runner) start() {
	s, g := r.shard, r.group
	r.cursor.group = g
	r.stage = live
	g.addRunner(r)
	if r.client.Revoked() {
		r.leaving.CompareAndSwap(uint32(open), uint32(Revoked)) // before its first turn
	}
	if r.fd >= 0 {
		slot, err := s.poller.add(&r.subscriber, r.fd)
		if r.slot = slot; err != nil {
			r.disconnected()
		}
	}
	r.schedule()
	s.scheduleHeartbeat(&r.subscriber)
	if s.draining {
		r.leave(Drained)
	}
}

// wake tells the runner the sequence number of an event in the window that it wants. With 0 the runner has to search the window. The shard
// calls wake in log order, so the runner remembers only the first number.
func (r *runner) wake(seq uint64) {
	r.pending.CompareAndSwap(0, seq+1)
	r.schedule()
}

// schedule gives the runner a turn, or another one after its current turn.
func (r *runner) schedule() {
	if r.turn.Add(1) == 1 {
		r.shard.pool.add(r)
	}
}

// leave makes the runner end. A drain sends the remaining events first. A client whose permission has ended gets no more events, even if
// the hub drains at the same time.
func (r *runner) leave(why Reason) {
	for was := r.leaving.Load(); Reason(was) != Gone && (Reason(was) == open || why != Drained); was = r.leaving.Load() {
		if r.leaving.CompareAndSwap(was, uint32(why)) {
			break
		}
	}
	r.schedule()
}

// disconnected ends the runner because its client has disconnected, the poller cannot watch its socket, or its shard has stopped. A
// blocked write fails. Any goroutine may call it.
func (r *runner) disconnected() {
	r.leave(Gone)
	r.out.Abort()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil {
		r.stop()
	}
}

func (r *runner) abort(Reason) { r.disconnected() }

func (r *runner) ready(readable, writable bool) {}

func (r *runner) lastWrite() int64 { return max(r.wrote, r.wroteAt.Load()) }

func (r *runner) lag() uint64 {
	first := r.pending.Load()
	if first <= 1 {
		return 0
	}
	return r.shard.behind(eventlog.Position{Gen: r.shard.at.Gen, Seq: first - 2})
}

func (r *runner) release(Reason) {
	if r.stage == live {
		r.group.removeRunner(r)
	}
	r.stage = closed
	if r.slot >= 0 {
		r.shard.poller.remove(r.slot)
		r.shard.poller.unwatch(r.fd) // the socket stays open until the runner has ended
		r.slot = -1
	}
}

func (r *runner) send(c chunk) {
	r.mu.Lock()
	r.messages = append(r.messages, c)
	r.mu.Unlock()
	r.schedule()
}

func (r *runner) takeMessages() []chunk {
	r.mu.Lock()
	defer r.mu.Unlock()
	messages := r.messages
	r.messages = nil
	return messages
}

// run is one turn of the runner, and another one each time it was woken meanwhile.
func (r *runner) run() {
	for {
		turn := r.turn.Load()
		b := buffers.get()
		why := r.sendAll(&b)
		buffers.put(b)
		if why != open {
			r.end(why)
			return // turn stays as it is, so that nothing wakes the runner
		}
		if r.turn.CompareAndSwap(turn, 0) {
			return
		}
	}
}

// end ends the stream. The shard stops watching the socket before it is closed.
func (r *runner) end(why Reason) {
	s := r.shard
	r.cursor.lock <- struct{}{} // after a heartbeat that began while the runner was reading the log, so that its bytes count
	<-r.cursor.lock
	if why == Gone && s.f.ctx.Err() != nil { // the hub has cut the connection, at the end of a drain
		why = Drained
	}
	s.await(func() { s.close(&r.subscriber, why) })
	s.f.leave(&r.subscriber, why)
	r.out.Close()
}

// sendAll sends everything up to the head. It returns why the stream ends, or open.
func (r *runner) sendAll(buf *[]byte) Reason {
	c := r.cursor
	first := !r.awake // the first write sends the header, even without an event
	b := r.prepare(*buf)
	defer func() { *buf = b }()
	for {
		why := Reason(r.leaving.Load()) // before the cursor moves, so that all events up to this moment are sent
		if why == Gone {
			return Gone
		}
		from := c.query.After // everything up to here was sent
		chunks, now, err := r.next()
		end := Complete
		if err != nil {
			if Reason(r.leaving.Load()) == Gone {
				return Gone
			}
			now, end = atEnd, Failed
			switch {
			case errors.Is(err, errTooSlow):
				end = Slow
			case c.f.stopsReading(err):
				end = Drained
			default:
				c.f.logUnreadable(c.f.ctx, c.query.After, err)
			}
			chunks = []chunk{c.group.leaving(from)}
		}
		if why != open && (now == atHead || why != Drained || r.shard.hasEnough(c.query.After)) {
			if now, end = atEnd, why; why == Drained && err == nil {
				from = c.query.After
			} else {
				chunks = nil // the client's permission has ended, or the chunk is a leaving already
			}
			chunks = append(chunks, c.group.leaving(from))
		}
		if b, err = r.flush(b, c.squeeze(chunks), first); err != nil {
			return r.whyBroken(err)
		}
		first = false
		switch now {
		case atEnd:
			return end
		case atHead:
			return open
		}
	}
}

// write writes bytes that have a number of events. The caller holds cursor.lock.
func (r *runner) write(b []byte, events int) error {
	if err := r.out.Write(b); err != nil {
		return err
	}
	r.bytes.Add(int64(len(b)))
	r.cursor.f.count.sent(1, events, len(b))
	return nil
}

// flush writes what is in b, the messages and some chunks. It returns the emptied b.
func (r *runner) flush(b []byte, chunks []chunk, first bool) ([]byte, error) {
	c := r.cursor
	r.cursor.lock <- struct{}{}
	defer func() { <-r.cursor.lock }()
	counts := first || len(b) > 0
	for _, made := range append(r.takeMessages(), chunks...) {
		counts = counts || !made.aside
		b = append(b, made.text...)
	}
	c.reached = c.query.After
	if len(b) == 0 && !first {
		return b, nil
	}
	err := r.write(b, eventsIn(chunks))
	if counts && err == nil {
		r.noteWrite()
	}
	return b[:0], err
}

// noteWrite notes a write for the heartbeat.
func (r *runner) noteWrite() { r.wroteAt.Store(r.shard.wheel.at(time.Now())) }

// next returns the next chunks. Reading the log ends when the client disconnects.
func (r *runner) next() ([]chunk, outcome, error) {
	c := r.cursor
	if c.query.After.Seq >= c.until && c.f.window.has(c.query.After) {
		return c.next(c.f.ctx, pageBytes)
	}
	ctx, stop := context.WithCancel(c.f.ctx)
	defer stop()
	r.setStop(stop)
	defer r.setStop(nil)
	if Reason(r.leaving.Load()) == Gone {
		stop()
	}
	return c.next(ctx, pageBytes)
}

func (r *runner) setStop(stop context.CancelFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop = stop
}

// whyBroken returns whether a write failed because the client was too slow or because it has disconnected.
func (r *runner) whyBroken(err error) Reason {
	if Reason(r.leaving.Load()) != Gone && errors.Is(err, os.ErrDeadlineExceeded) {
		return Slow
	}
	return Gone
}
