package fanout

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// numbered is a board with a number.
type numbered struct{ n int }

func (b *numbered) State() (string, uint64) { return fmt.Sprintf("state of %d.", b.n), 0 }

func boards(n int) (all []Board) {
	for i := range n {
		all = append(all, &numbered{i})
	}
	return all
}

// onlooker is a client that watches boards.
type onlooker struct {
	anyone
	watched []Board
}

func (o onlooker) Boards() []Board { return o.watched }

func watching(all []Board) *Subscription {
	s := subscription()
	s.Client = onlooker{watched: all}
	return s
}

// slowTicks makes ticks of the wheel and heartbeats rare.
func slowTicks(o *Options) {
	o.Heartbeat, o.ShortestHeartbeat, o.WriteTimeout = time.Hour, time.Hour, time.Hour
}

// notebook is a socket that keeps what was written.
type notebook struct {
	discard
	mu   sync.Mutex
	text strings.Builder
	room chan struct{} // not nil: each write waits for a value
}

func (n *notebook) Write(b []byte) error {
	if n.room != nil {
		<-n.room
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text.Write(b)
	return nil
}

func (n *notebook) all() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// inShards calls f in each shard, one after the other, after what was posted before.
func inShards(f *Fanout, do func(*shard)) {
	for _, s := range f.shards {
		s.await(func() { do(s) })
	}
}

func owed(s *shard) (n int) {
	for _, by := range s.watchers {
		n += len(by.owed)
	}
	return n
}

// TestRunnerGetsAllStatesAtOnce: a runner that begins to watch does not wait a tick of the wheel for each board.
func TestRunnerGetsAllStatesAtOnce(t *testing.T) {
	t.Parallel()
	f, _ := start(t, slowTicks)
	st := stream(t, f, watching(boards(200)))
	r := st.newRunner(new(notebook), []byte("header\n"))
	r.turn.Store(1) // no goroutine gives it a turn
	r.admit()
	inShards(f, func(s *shard) {
		if n := owed(s); n > 0 {
			t.Errorf("%d states wait for a tick", n)
		}
	})
	var text strings.Builder
	for _, m := range r.takeMessages() {
		text.WriteString(m.text)
	}
	if n := strings.Count(text.String(), "notice state of"); n != 200 || !strings.HasPrefix(text.String(), "header") {
		t.Errorf("%d states wait for the next turn, want 200", n)
	}
	r.turn.Store(0)
	inShards(f, func(*shard) { r.leave(Gone) })
}

// TestBlockedRunnerKeepsFewMessages: a runner that writes nothing is owed the states that do not fit, and gets them later.
func TestBlockedRunnerKeepsFewMessages(t *testing.T) {
	t.Parallel()
	f, _ := start(t, func(o *Options) {
		o.Heartbeat, o.ShortestHeartbeat = time.Minute, time.Minute
		o.WriteTimeout = time.Second
	})
	const n = 10_000 // more than a turn and the messages after it take together, so that some stay owed
	out := &notebook{room: make(chan struct{})}
	st := stream(t, f, watching(boards(n)))
	go st.Serve(out)
	left := 0
	for left == 0 {
		inShards(f, func(s *shard) { left += owed(s) })
	}
	if left > n-1000 || left < n/10 {
		t.Errorf("%d of %d states are owed, want those that do not fit into %d bytes", left, n, mostWaiting)
	}
	close(out.room)
	for seen := 0; seen < n; {
		inShards(f, func(*shard) {})
		seen = strings.Count(out.all(), "notice state of")
	}
}

// TestNewcomerPaysNothingForBlockedStreams: states that blocked streams are owed are not visited by newcomers or by ticks. They come when the
// stream is live again.
func TestNewcomerPaysNothingForBlockedStreams(t *testing.T) {
	t.Parallel()
	f, _ := start(t)
	all := boards(50)
	conn := new(fakeConnection) // all its lanes are in one shard
	var blocked []*fakeLane
	for range 20 {
		l := newFakeLane(conn, 0)
		stream(t, f, watching(all)).AttachLane(l)
		blocked = append(blocked, l)
	}
	free := newFakeLane(conn, -1)
	stream(t, f, watching(all)).AttachLane(free)
	free.await("state of 49.")
	left := 0
	inShards(f, func(s *shard) {
		left += owed(s)
		if len(s.owing) > 0 {
			t.Errorf("%d blocked streams are visited in each tick", len(s.owing))
		}
	})
	if left != 20*50 {
		t.Errorf("%d states are owed, want all of the blocked streams", left)
	}
	blocked[7].grant(1 << 20)
	blocked[7].await("state of 49.")
	if n := strings.Count(blocked[7].text(), "state of"); n != 50 {
		t.Errorf("%d states, want 50", n)
	}
}

// TestNoticesAreNoWritesForTheHeartbeat: they say nothing about the position, which checkpoints move.
func TestNoticesAreNoWritesForTheHeartbeat(t *testing.T) {
	t.Parallel()
	f, _ := start(t, slowTicks)
	l := newFakeLane(new(fakeConnection), -1)
	st := stream(t, f, watching(boards(1)))
	st.AttachLane(l)
	l.await("state of 0.")
	out := new(notebook)
	r := stream(t, f, watching(boards(1))).newRunner(out, nil)
	r.admit()
	for seen := false; !seen; {
		inShards(f, func(*shard) {})
		seen = strings.Contains(out.all(), "state of 0.") && r.turn.Load() == 0 // its turn is over
	}
	inShards(f, func(s *shard) {
		for sub := range s.watchers {
			before, was := sub.via.lastWrite(), s.wheel.now
			s.wheel.now += 1000
			s.sendNotice(sub, "more")
			if !sub.isDirect() { // the write of a runner takes the time of the clock
				r.wroteAt.Store(-1)
				s.sendNotice(sub, "again")
			}
			if got := sub.via.lastWrite(); got > before {
				t.Errorf("direct %v: the last write moves from tick %d to %d", sub.isDirect(), before, got)
			}
			s.wheel.now = was
		}
	})
	for seen := false; !seen; {
		inShards(f, func(*shard) {})
		seen = strings.Contains(out.all(), "again") && r.turn.Load() == 0
	}
	if at := r.wroteAt.Load(); at != -1 {
		t.Errorf("the last write of the runner is in tick %d", at)
	}
	inShards(f, func(*shard) { r.leave(Gone) })
}
