package fanout

import (
	"errors"
	"os"
	"sync"
)

// Lane is one of several streams that share a connection, as in HTTP/2. It takes bytes without blocking, so the shard sends to it directly. All
// lanes of a connection belong to one shard, which flushes the connection once after each pass: one write to the socket serves all of them.
type Lane interface {
	// Connection identifies the connection. It is comparable.
	Connection() any

	// Send adds bytes to what the connection sends, as many as it takes. It does not change or keep b. The error is os.ErrDeadlineExceeded if the client
	// has accepted no bytes for too long; another one means that it has disconnected.
	Send(b []byte) (int, error)

	// Room returns how many bytes Send takes now, about, or more than 0 if the lane has ended. If it is 0, LaneEvents.Writable is called when
	// there is room.
	Room() int

	// Taken returns how many bytes the connection has taken from all its lanes. It returns 0 if the client accepts no bytes of this lane, whatever the
	// others send.
	Taken() int64

	// Flush sends what the lanes of the connection have added.
	Flush()

	// Watch sets who is told when Send may take more, and when the client disconnects.
	Watch(LaneEvents)

	// Close ends the lane. complete says that the client has got all its bytes. The next Flush sends the end.
	Close(complete bool)
}

// LaneEvents are told what happens to a [Lane]. The methods do not block.
type LaneEvents interface {
	Writable()
	Ended(slow bool) // slow: the client has accepted no bytes for too long
}

// lane is a direct subscriber that has a Lane instead of a socket.
type lane struct {
	direct
	out   Lane
	trunk *trunk
	taken int64 // by the connection when the lane was last known to be no slow one
}

var (
	_ delivery   = (*lane)(nil)
	_ LaneEvents = (*lane)(nil)
)

// lane returns the lane of a subscriber, nil if it has a socket.
func (d *direct) lane() *lane {
	l, _ := d.via.(*lane)
	return l
}

// Writable implements [LaneEvents].
func (l *lane) Writable() {
	l.shard.post(func() { l.ready(false, true) })
}

// Ended implements [LaneEvents].
func (l *lane) Ended(slow bool) {
	why := Gone
	if slow {
		why = Slow
	}
	l.shard.post(func() { l.abort(why) })
}

// takesTurns reports whether the connection has taken bytes of other lanes since the last check, although none of this one. Then the client is not
// slow: the lane waits for its turn.
func (l *lane) takesTurns() bool {
	was := l.taken
	l.taken = l.out.Taken()
	return l.taken > was
}

// whyLost returns the reason for which a client has accepted no more bytes.
func whyLost(err error) Reason {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return Slow
	}
	return Gone
}

// AttachLane gives the stream a lane, whose header was sent.
func (st *Stream) AttachLane(out Lane) {
	st.used = true
	f := st.f
	l := &lane{direct: direct{fd: -1, slot: -1, cursor: st.cursor}, out: out, trunk: f.trunks.of(out, f.leastShard)}
	l.subscriber = st.subscriberOf(l.trunk.shard, l)
	l.beginWith(st.first)
	out.Flush()
}

// trunk is the connection of some lanes.
type trunk struct {
	connection any
	shard      *shard
	lanes      int  // guarded by trunks.mu
	touched    bool // owned by the shard: one of its lanes is in shard.dirty
}

// trunks are the connections that have lanes.
type trunks struct {
	mu  sync.Mutex // guards the following
	all map[any]*trunk
}

// of returns the connection of a new lane. The first lane of a connection chooses the shard.
func (t *trunks) of(lane Lane, least func() *shard) *trunk {
	key := lane.Connection()
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.all[key]
	if found == nil {
		if t.all == nil {
			t.all = make(map[any]*trunk)
		}
		found = &trunk{connection: key, shard: least()}
		t.all[key] = found
	} else {
		found.shard.members.Add(1)
	}
	found.lanes++
	return found
}

// leave is called when a lane has ended.
func (t *trunks) leave(one *trunk) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.lanes--; one.lanes == 0 {
		delete(t.all, one.connection)
	}
}

// touch makes the shard flush the connection of a subscriber that was sent something. It does nothing for sockets, which have no buffer.
func (s *shard) touch(d *direct) {
	if l := d.lane(); l != nil && !l.trunk.touched {
		l.trunk.touched = true
		s.dirty = append(s.dirty, l)
	}
}

// flush sends what was added to connections. The shard calls it after each pass, and after posted functions.
func (s *shard) flush() {
	for _, l := range s.dirty {
		l.trunk.touched = false
		l.out.Flush()
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
}
