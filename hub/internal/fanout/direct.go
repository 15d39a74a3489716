package fanout

import (
	"net"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// direct is a subscriber that its shard sends to: it has no goroutine and no buffer, and sends do not block. On Linux, HTTP/1.1 connections are
// direct: their sockets belong to the shard, and direct_linux.go has the system calls. A sealed subscriber is the same over TLS. Lanes are direct,
// too.
//
// The shard owns a direct subscriber, except at the stage catching. Then a replayer owns all but stage, writable, pendingEnd and the fields of the wheel,
// and both the shard and the replayer write to the socket, under cursor.writing.
type direct struct {
	subscriber

	fd, slot   int32  // fd is -1 if it has a lane; slot is its place at the poller, or in shard.lanes
	stray      int32  // bytes that the client has sent after its request
	watched    bool   // the poller reports when the socket can take more
	last       bool   // nothing comes after rest
	why        Reason // the reason for which the stream ends after rest; open: it is complete
	moved      bool   // the socket has accepted bytes since the shard's last check
	writable   bool   // its socket can take more; set at the stage catching
	pendingEnd Reason // the reason for which it must end; set at the stage catching

	at     eventlog.Position // everything up to here was sent; a live subscriber is at the position of its shard instead
	sent   uint64            // sequence number of the last position that the client has, unless group.sent is newer
	rest   chunk             // the unsent rest of a chunk
	cursor *cursor           // while it is not live
}

// attachDirect makes a direct subscriber of a stream, if the connection is of a kind that allows it. It sends the first bytes.
func (st *Stream) attachDirect(conn net.Conn, head []byte, early int) (ok bool) {
	f := st.f
	d, ok, err := takeDirect(conn, f.opts.WriteTimeout, min(early, maxStray))
	if !ok {
		return false
	}
	d.cursor = st.cursor
	d.subscriber = st.subscriberOf(f.leastShard(), d.via)
	d.bytes.Store(-int64(len(head)))
	if err != nil {
		_ = conn.Close()
		f.leave(&d.subscriber, Gone)
		return true
	}
	d.beginWith(append(head, st.first...))
	return true
}

// takeDirect takes the socket out of a connection. ok is false if the connection must have a runner.
func takeDirect(conn net.Conn, timeout time.Duration, early int) (d *direct, ok bool, err error) {
	if secure, below, ok := belowTLS(conn); ok {
		t := &sealed{direct: direct{slot: -1}, conn: secure}
		t.via = t
		if t.sock, err = below.Detach(timeout, maxStray-early); err == nil {
			t.fd = t.sock.FD()
			shortcut(secure, t.sock)
		}
		return &t.direct, true, err
	}
	d = &direct{slot: -1, stray: int32(early)}
	d.via = d
	d.fd, ok, err = socket.Take(conn, timeout)
	return d, ok || err != nil, err
}

// beginWith sends the first bytes, and gives the subscriber to its shard.
func (d *direct) beginWith(first []byte) {
	d.rest = chunk{text: string(first), at: d.cursor.query.After.Seq, control: true}
	if got, err := d.push(&first, 0, nil); err != nil || got.all {
		d.rest = chunk{} // a client that has disconnected is soon reported
	}
	if s := d.shard; !s.post(func() { s.adopt(&d.subscriber) }) {
		d.closeConnection(false)
		s.f.leave(&d.subscriber, Drained)
	}
}

// watch makes the shard learn what happens to the connection.
func (d *direct) watch() (err error) {
	s := d.shard
	if l := d.lane(); l != nil {
		d.slot = int32(len(s.lanes))
		s.lanes = append(s.lanes, l)
		l.out.Watch(l)
		return nil
	}
	d.slot, err = s.poller.add(&d.subscriber, d.fd)
	return err
}

func (d *direct) unwatch() {
	s := d.shard
	switch {
	case d.slot < 0:
	case d.lane() == nil:
		s.poller.remove(d.slot)
	default:
		last := len(s.lanes) - 1
		s.lanes[d.slot] = s.lanes[last]
		s.lanes[d.slot].slot = d.slot
		s.lanes[last] = nil
		s.lanes = s.lanes[:last]
	}
	d.slot = -1
}

// closeConnection ends the stream for its client.
func (d *direct) closeConnection(complete bool) {
	switch via := d.via.(type) {
	case *lane:
		via.out.Close(complete)
		d.shard.f.trunks.leave(via.trunk)
	case *sealed:
		via.close(complete)
	default:
		closeSocket(d.fd) // closing it also removes it from the epoll set
	}
	d.fd = -1
}

func (d *direct) start() {
	s := d.shard
	d.at, d.cursor.group = d.cursor.query.After, d.group
	if d.client.Revoked() {
		d.sendLeaving()
		s.close(&d.subscriber, Revoked)
		return
	}
	if err := d.watch(); err != nil {
		d.unwatchable(err)
		return
	}
	if t, ok := d.via.(*sealed); ok && !t.read() { // crypto/tls may have read more than the request, of which the poller knows nothing
		s.close(&d.subscriber, Gone)
		return
	}
	if d.rest.text != "" {
		d.awaitWritable()
		return
	}
	s.scheduleHeartbeat(&d.subscriber)
	c := d.cursor
	if c.once || c.missesMore(s.at) {
		d.replay()
		return
	}
	d.join()
}

func (d *direct) unwatchable(err error) {
	d.shard.f.opts.Logger.Error("a stream cannot be watched, and is closed; its client comes back", "err", err.Error())
	d.shard.close(&d.subscriber, Failed)
}

func (d *direct) send(c chunk) {
	s := d.shard
	d.group.live[d.place].inStep = false
	s.touch(d)
	c.at = s.at.Seq
	s.chunks = append(s.chunks[:0], c)
	got, err := d.push(&s.buf, s.at.Seq, s.chunks)
	switch {
	case err != nil:
		s.close(&d.subscriber, whyLost(err))
	case got.all && !c.aside:
		d.wrote = s.wheel.now
	case !got.all:
		d.stall(d.rest, s.at)
	}
}

// heartbeat sends a checkpoint if the log has moved on, or if the subscriber asked for heartbeats that it can see.
func (d *direct) heartbeat() {
	s, g := d.shard, d.group
	if d.stage != live {
		d.wrote = s.wheel.now
		d.heartbeatBehind()
		return
	}
	if g.coder != nil { // the group was silent, and all its members get heartbeats now
		g.coder.forget()
	}
	d.sent = max(d.sent, g.sent)
	if d.sent != s.at.Seq || g.heartbeat > 0 {
		if c := g.control(Control{Kind: ControlCheckpoint, At: s.at}); c.text != "" {
			d.sent = s.at.Seq
			d.send(c)
			return
		}
	}
	d.send(g.control(Control{Kind: ControlHeartbeat}))
}

func (d *direct) leave(why Reason) {
	s := d.shard
	switch d.stage {
	case catching:
		d.pendingEnd = why
	case live:
		d.send(d.group.leaving(s.at))
		if d.stage == live {
			s.close(&d.subscriber, why)
			return
		}
		d.last, d.why = true, why
	default:
		d.sendLeaving()
		s.close(&d.subscriber, why)
	}
}

// sendLeaving sends the last position to a client that is behind, before its stream is closed. It sends nothing if the socket is full; the
// client then resumes from its last id.
func (d *direct) sendLeaving() {
	if d.rest.text != "" || d.stage == closed {
		return
	}
	at := d.at
	if d.cursor != nil {
		at = d.cursor.query.After
	}
	d.shard.touch(d)
	_, _ = d.push(&d.shard.buf, at.Seq, []chunk{d.group.leaving(at)}) // on an error the client has disconnected, and resumes from its last id
}

func (d *direct) abort(why Reason) {
	if d.stage == catching {
		d.pendingEnd = why
		return
	}
	d.shard.close(&d.subscriber, why)
}

func (d *direct) ready(readable, writable bool) {
	switch {
	case readable && !d.discardInput():
		d.abort(Gone)
	case !writable:
	case d.stage == catching:
		d.writable = true
	case d.stage == stalled:
		d.replay()
	}
}

func (d *direct) lastWrite() int64 {
	if d.stage == live {
		return max(d.wrote, d.group.wrote)
	}
	return d.wrote
}

func (d *direct) lag() uint64 {
	at := d.at
	switch {
	case d.stage == live || d.stage == ahead:
		return 0
	case d.stage == stalled && d.cursor != nil:
		at = d.cursor.query.After
	}
	return d.shard.behind(at)
}

// behind returns by how many records a position is behind the shard, 0 if it is of another generation.
func (s *shard) behind(at eventlog.Position) uint64 {
	if at.Gen != s.at.Gen || at.Seq > s.at.Seq {
		return 0
	}
	return s.at.Seq - at.Seq
}

func (d *direct) release(why Reason) {
	if d.stage == live {
		d.group.removeLive(d)
	}
	d.stage = closed
	d.unwatch()
	d.shard.touch(d)
	d.closeConnection(why != Gone && why != Slow && d.rest.text == "")
	d.cursor, d.rest = nil, chunk{}
	d.shard.f.leave(&d.subscriber, why)
}
