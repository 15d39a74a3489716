package fanout

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// fakeConnection is the connection of fakeLanes.
type fakeConnection struct {
	mu      sync.Mutex
	flushes int
	taken   atomic.Int64 // what Taken returns
}

// fakeLane is a Lane that takes a limited number of bytes.
type fakeLane struct {
	conn *fakeConnection

	mu       sync.Mutex // guards the following
	got      strings.Builder
	room     int // -1: any number of bytes
	vain     int // the most bytes beyond room that a Send had
	refused  int // Sends without room
	end      *byte
	copied   int // bytes of Sends that end elsewhere in memory than the Send before
	blocked  bool
	events   LaneEvents
	closed   bool
	complete bool
	changed  chan struct{} // has a value after each change
}

func newFakeLane(conn *fakeConnection, room int) *fakeLane {
	return &fakeLane{conn: conn, room: room, changed: make(chan struct{}, 1)}
}

func (l *fakeLane) note() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *fakeLane) Connection() any { return l.conn }

func (l *fakeLane) Send(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, errors.New("closed")
	}
	n := len(b)
	if l.room >= 0 {
		l.vain = max(l.vain, n-l.room)
		if l.room == 0 {
			l.refused++
		}
		if end := &b[n-1]; end != l.end {
			l.end = end
			l.copied += n
		}
		n = min(n, l.room)
		l.room -= n
	}
	l.got.Write(b[:n])
	l.blocked = l.blocked || n < len(b)
	l.unblock()
	l.note()
	return n, nil
}

func (l *fakeLane) Room() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.room < 0 {
		return pageBytes
	}
	l.blocked = l.room == 0
	return l.room
}

func (l *fakeLane) Taken() int64 { return l.conn.taken.Load() }

func (l *fakeLane) Flush() {
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	l.conn.flushes++
}

func (l *fakeLane) Watch(events LaneEvents) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = events
	l.unblock()
}

// unblock tells the stream that there is room. The caller holds mu.
func (l *fakeLane) unblock() {
	if l.blocked && l.room != 0 && l.events != nil {
		l.blocked = false
		l.events.Writable()
	}
}

func (l *fakeLane) Close(complete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.complete = true, complete
	l.note()
}

// grant lets the lane take more bytes.
func (l *fakeLane) grant(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.room += n
	l.unblock()
}

// await waits until the lane has got a text.
func (l *fakeLane) await(text string) {
	for !strings.Contains(l.text(), text) {
		<-l.changed
	}
}

func (l *fakeLane) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.got.String()
}

func (l *fakeLane) ended() (closed, complete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed, l.complete
}

// attachLane opens a stream on a lane. closed gets its end.
func attachLane(t *testing.T, f *Fanout, l *fakeLane) (closed chan End) {
	t.Helper()
	closed = make(chan End, 1)
	s := subscription()
	s.Client = anyone{closed}
	stream(t, f, s).AttachLane(l)
	return closed
}

// TestLanesOfAConnectionAreFlushedOnce: a pass sends an event to a hundred streams with one flush.
func TestLanesOfAConnectionAreFlushedOnce(t *testing.T) {
	f, log := start(t)
	const lanes, events = 100, 50
	conn := new(fakeConnection)
	var all []*fakeLane
	for range lanes {
		l := newFakeLane(conn, -1)
		attachLane(t, f, l)
		all = append(all, l)
	}
	shards := make(map[*shard]bool)
	for _, s := range f.shards {
		s.await(func() {
			for _, l := range s.lanes {
				shards[l.shard] = true
			}
		})
	}
	if len(shards) != 1 {
		t.Fatalf("the lanes of one connection are in %d shards", len(shards))
	}
	passes := func() (n uint64) {
		for s := range shards {
			s.await(func() { n = s.pass })
		}
		return n
	}
	flushes := func() int {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		return conn.flushes
	}
	beforePasses, before := passes(), flushes()
	for i := range events {
		publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint("event", i)})
	}
	for _, l := range all {
		l.await(fmt.Sprint("event", events-1))
	}
	if made, n := int(passes()-beforePasses), flushes()-before; n != made {
		t.Errorf("%d passes flushed the connection %d times", made, n)
	}
}

// TestLaneThatTakesFewBytesGetsEveryEvent: in order and once, however many bytes it takes at a time.
func TestLaneThatTakesFewBytesGetsEveryEvent(t *testing.T) {
	f, log := start(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	conn := new(fakeConnection)
	tight, free := newFakeLane(conn, 0), newFakeLane(conn, -1)
	attachLane(t, f, tight)
	attachLane(t, f, free)
	const n = 2000
	var want strings.Builder
	go func() {
		for i := range n {
			publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint("event", i)})
		}
	}()
	for i := range n {
		fmt.Fprintf(&want, "%d event%d\n", i+1, i)
	}
	free.await(fmt.Sprintf("event%d\n", n-1)) // it does not wait for the other one
	for !strings.Contains(tight.text(), fmt.Sprintf("event%d\n", n-1)) {
		tight.grant(1 + random.IntN(300))
		<-tight.changed
	}
	for name, l := range map[string]*fakeLane{"tight": tight, "free": free} {
		var got strings.Builder
		for line := range strings.Lines(l.text()) {
			if strings.Contains(line, " event") {
				got.WriteString(line)
			}
		}
		if got.String() != want.String() {
			t.Errorf("the %s lane got\n%.2000s", name, got.String())
		}
	}
}

// TestFullConnectionGetsNoPagesInVain: a subscriber that is behind makes only as many bytes as its lane takes, and a lane without room gets none.
// Its streams wake at the same time, and the first ones fill the connection again.
func TestFullConnectionGetsNoPagesInVain(t *testing.T) {
	f, log := start(t)
	const n, room = 3000, 1000
	begin := log.Head()
	for i := range n {
		publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint("event", i)})
	}
	for f.Settled() < n { // after that the events are in the window; pages of the log have one size, because they are shared
		runtime.Gosched()
	}
	s := subscription()
	s.From.Positions = []string{begin.String()}
	l := newFakeLane(new(fakeConnection), 0)
	stream(t, f, s).AttachLane(l)
	l.mu.Lock()
	l.vain = 0 // the first message is made before there is room
	l.mu.Unlock()
	for !strings.Contains(l.text(), fmt.Sprintf("event%d\n", n-1)) {
		l.grant(room)
		<-l.changed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.vain > len("3000 event2999\n") {
		t.Errorf("the lane was sent %d bytes more than it takes", l.vain)
	}
}

// TestFullConnectionGetsNoRestsInVain: a stream that has a part of a large event sends nothing while its lane has no room, however often it wakes. The
// parts are not copied: every stream of a connection would copy all that it has left each time when the connection has room.
func TestFullConnectionGetsNoRestsInVain(t *testing.T) {
	f, log := start(t)
	const size, room = 1 << 20, 10_000
	l := newFakeLane(new(fakeConnection), 1000)
	attachLane(t, f, l)
	settle := func() {
		for _, s := range f.shards {
			s.await(func() {})
		}
	}
	settle() // the stream is live
	text := strings.Repeat("x", size) + "end"
	publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: text})
	l.await("xxx")
	l.mu.Lock()
	l.refused, l.copied = 0, 0
	l.mu.Unlock()
	for !strings.HasSuffix(l.text(), "end\n") {
		for range 10 {
			l.events.Writable() // others have taken the room
			settle()
		}
		l.grant(room)
		<-l.changed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused > 0 {
		t.Errorf("the lane was sent something %d times while it had no room", l.refused)
	}
	if l.copied > 2*size {
		t.Errorf("%d bytes were copied to send %d", l.copied, size)
	}
}

// TestSubscriberThatWaitsKeepsNoPage: its replayer has used the same memory for others since.
func TestSubscriberThatWaitsKeepsNoPage(t *testing.T) {
	f, log := start(t)
	for i := range 1000 {
		publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint("event", i)})
	}
	s := subscription()
	s.From.Seek = new(eventlog.Start)
	l := newFakeLane(new(fakeConnection), 100)
	stream(t, f, s).AttachLane(l)
	l.await("event1\n")
	waits := func() (yes bool) {
		for _, s := range f.shards {
			s.await(func() {
				for _, l := range s.lanes {
					if c := l.cursor; l.stage == stalled {
						if yes = true; cap(c.chunks) > 0 || cap(c.events) > 0 {
							t.Errorf("it keeps %d chunks and %d events", cap(c.chunks), cap(c.events))
						}
					}
				}
			})
		}
		return yes
	}
	for !waits() {
		runtime.Gosched()
	}
}

// TestLaneEndsAsItsStreamDoes: completely, unless the client is gone or has a part of an event.
func TestLaneEndsAsItsStreamDoes(t *testing.T) {
	for name, test := range map[string]struct {
		room     int
		end      func(t *testing.T, f *Fanout, log eventlog.Log, l *fakeLane)
		reason   Reason
		complete bool
	}{
		"all topics have ended": {-1, func(t *testing.T, _ *Fanout, log eventlog.Log, _ *fakeLane) {
			publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "bye", Flags: eventlog.End})
		}, Complete, true},
		"dismissed": {-1, func(t *testing.T, f *Fanout, _ eventlog.Log, _ *fakeLane) {
			f.Dismiss(t.Context(), func(*Info) bool { return true })
		}, Dismissed, true},
		"dismissed inside a message": {3, func(t *testing.T, f *Fanout, _ eventlog.Log, _ *fakeLane) {
			f.Dismiss(t.Context(), func(*Info) bool { return true })
		}, Dismissed, false},
		"reset": {-1, func(_ *testing.T, _ *Fanout, _ eventlog.Log, l *fakeLane) { l.events.Ended(false) }, Gone, false},
		"slow":  {-1, func(_ *testing.T, _ *Fanout, _ eventlog.Log, l *fakeLane) { l.events.Ended(true) }, Slow, false},
	} {
		t.Run(name, func(t *testing.T) {
			f, log := start(t)
			l := newFakeLane(new(fakeConnection), test.room)
			closed := attachLane(t, f, l)
			for _, s := range f.shards {
				s.await(func() {}) // it has adopted the stream
			}
			test.end(t, f, log, l)
			if end := <-closed; end.Reason != test.reason {
				t.Errorf("the reason is %v, want %v", end.Reason, test.reason)
			}
			if ended, complete := l.ended(); !ended || complete != test.complete {
				t.Errorf("ended %v, complete %v", ended, complete)
			}
			if len(f.trunks.all) > 0 {
				t.Error("the connection is remembered after its last stream")
			}
		})
	}
}
