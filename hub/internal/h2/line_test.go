package h2_test

import (
	"math"
	"slices"
	"sync"
	"testing"

	"golang.org/x/net/http2"
)

// turns is the owner of the streams of a connection. It serves them in the order in which they become writable.
type turns struct {
	mu    sync.Mutex
	ready []int
	woken chan struct{} // has a value when ready has one
}

// turn is the events of one stream.
type turn struct {
	*turns
	stream int
}

func (t turn) Writable() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ready = append(t.ready, t.stream)
	select {
	case t.woken <- struct{}{}:
	default:
	}
}

func (turn) Ended(bool) {}

func (t *turns) take() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	ready := t.ready
	t.ready = nil
	return ready
}

// TestStreamsOfAFullConnectionTakeTurns: each of a hundred streams has more to send than the client reads. They used to be woken in random order, so
// that one of them could wait for many times as long as the others, and was closed as slow. All ways to the socket share the line.
func TestStreamsOfAFullConnectionTakeTurns(t *testing.T) {
	t.Parallel()
	const streams, rounds = 100, 8
	d := make(detacher, 1)
	s := serve(t, "blocking", d, nil)
	p := connect(t, s, http2.Setting{ID: http2.SettingInitialWindowSize, Val: math.MaxInt32})
	p.check(p.in.WriteWindowUpdate(0, 1<<30))
	owner := &turns{woken: make(chan struct{}, 1)}
	send := make([]func() bool, streams) // sends as much as the connection takes, and says whether that is something
	for i := range send {
		st := detached(t, d, p, uint32(1+2*i))
		st.Watch(turn{owner, i})
		page := make([]byte, 64<<10)
		send[i] = func() bool {
			room := st.Room()
			if room == 0 {
				return false
			}
			if _, err := st.Send(page[:room]); err != nil {
				t.Error(err)
			}
			for st.Room() > 0 {
				if _, err := st.Send(page[:1]); err != nil {
					t.Error(err)
				}
			}
			st.Flush()
			return true
		}
	}
	for _, f := range send {
		f()
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for {
			if _, err := p.in.ReadFrame(); err != nil {
				return
			}
		}
	}()
	got := make([]int, streams)
	for all := 0; all < streams*rounds; {
		await(t, "a stream is writable", owner.woken)
		for _, i := range owner.take() {
			if send[i]() {
				got[i]++
				all++
			}
		}
	}
	_ = p.conn.Close()
	<-read
	t.Logf("the streams had between %d and %d turns", slices.Min(got), slices.Max(got))
	if least := slices.Min(got); least <= rounds/2 {
		t.Errorf("a stream had %d turns while the others had %d on average", least, rounds)
	}
}

// TestTakenTellsATurnFromAClosedWindow: it grows with what other streams send, except for a stream that its client gives no window.
func TestTakenTellsATurnFromAClosedWindow(t *testing.T) {
	t.Parallel()
	d := make(detacher, 1)
	p := connect(t, serve(t, "plain", d, nil), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	closed, open := detached(t, d, p, 1), detached(t, d, p, 3)
	if n, err := closed.Send(make([]byte, 11)); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := open.Send(make([]byte, 5)); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if a, b := closed.Taken(), open.Taken(); a != 0 || b != 15 {
		t.Errorf("%d and %d bytes are taken, want 0 and 15", a, b)
	}
}
