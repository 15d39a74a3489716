package fanout

import "sync"

// Lane is one of several streams that share a connection, as in HTTP/2. It takes bytes without blocking, so the shard sends to it directly. All
// lanes of a connection belong to one shard, which flushes the connection once after each pass: one write to the socket serves all of them.
type Lane interface {
	// Connection identifies the connection. It is comparable.
	Connection() any

	// Send adds bytes to what the connection sends, as many as it takes. The error means that the client has disconnected.
	Send(b []byte) (int, error)

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

var _ LaneEvents = (*direct)(nil)

// Writable is for the [Lane].
func (d *direct) Writable() {
	d.shard.post(func() { d.ready(false, true) })
}

// Ended is for the [Lane].
func (d *direct) Ended(slow bool) {
	why := Gone
	if slow {
		why = Slow
	}
	d.shard.post(func() { d.abort(why) })
}

// AttachLane gives the stream a lane, whose header was sent.
func (st *Stream) AttachLane(lane Lane) {
	st.taken = true
	f := st.f
	d := &direct{fd: -1, slot: -1, cursor: st.cursor, lane: lane}
	d.trunk = f.trunks.of(lane, f.leastShard)
	d.subscriber = st.subscriberOf(d.trunk.shard, d)
	d.beginWith(st.first)
	lane.Flush()
}

// trunk is the connection of some lanes.
type trunk struct {
	connection any
	shard      *shard
	lanes      int  // guarded by trunks.mu
	touched    bool // owned by the shard: it is in shard.trunks
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
	if d.lane == nil || d.trunk.touched {
		return
	}
	d.trunk.touched = true
	s.dirty = append(s.dirty, d)
}

// flush sends what was added to connections. The shard calls it after each pass, and after posted functions.
func (s *shard) flush() {
	for _, d := range s.dirty {
		d.trunk.touched = false
		d.lane.Flush()
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
}
