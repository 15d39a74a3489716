package fanout

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// tcpPair returns both ends of a connection.
func tcpPair(t *testing.T) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	return far.(*net.TCPConn), near.(*net.TCPConn)
}

// awaitWindow waits until the window has all records.
func awaitWindow(f *Fanout, log eventlog.Log) {
	for f.window.head() != log.Head() {
		runtime.Gosched()
	}
}

// revocable is a client whose permission a test revokes.
type revocable struct {
	revoked atomic.Bool
	closed  chan End
}

func (c *revocable) Expires() time.Time { return time.Time{} }
func (c *revocable) Revoked() bool      { return c.revoked.Load() }
func (c *revocable) Boards() []Board    { return nil }
func (c *revocable) Closed(e End)       { c.closed <- e }

// TestRevokedClientGetsNoEventsPublishedLater: the client is revoked after its stream is opened and before the shard adopts it.
func TestRevokedClientGetsNoEventsPublishedLater(t *testing.T) {
	for _, n := range []int{5, 2000} {
		f, log := start(t)
		s := subscription()
		c := &revocable{closed: make(chan End, 1)}
		s.Client = c
		s.From.Positions = []string{log.Head().String()}
		st := stream(t, f, s)
		c.revoked.Store(true)
		f.EndRevoked()
		for range n {
			publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "secret"})
		}
		awaitWindow(f, log)
		server, client := tcpPair(t)
		st.Attach(server, []byte("head\n"), 0)
		b, _ := io.ReadAll(client)
		if got := strings.Count(string(b), "secret"); got > 0 {
			t.Errorf("the client got %d of %d events", got, n)
		}
		if e := <-c.closed; e.Reason != Revoked {
			t.Errorf("the stream ended for the reason %v", e.Reason)
		}
	}
}

// TestPanicOfAnEncodingLeavesNoStreamOpen: Shutdown must not wait for a stream whose Open has panicked.
func TestPanicOfAnEncodingLeavesNoStreamOpen(t *testing.T) {
	f, _ := start(t)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Open with no encoding does not panic")
			}
		}()
		s := subscription()
		s.Encoding = nil
		_, _ = f.Open(t.Context(), s)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// TestPanicOfAFilterBlocksNoOtherReader: other readers of a page must not wait for a read that has panicked.
func TestPanicOfAFilterBlocksNoOtherReader(t *testing.T) {
	f, log := start(t, func(o *Options) { o.Window = 1 })
	for range 50 {
		publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "x"})
	}
	awaitWindow(f, log)
	var bad atomic.Bool
	open := func() *Stream {
		s := subscription()
		s.Selector = eventlog.Topics("news").Filter(func(*eventlog.Record) bool {
			if bad.Load() {
				panic("a fault of a dialect")
			}
			return true
		})
		s.Filter, s.Once, s.From.Seek = "named", true, &eventlog.Start{}
		return stream(t, f, s)
	}
	first, second := open(), open()
	defer second.Close()
	bad.Store(true)
	func() {
		defer first.Close()
		defer func() {
			if recover() == nil {
				t.Error("the poll does not panic")
			}
		}()
		_ = first.Poll(t.Context(), func([]byte) error { return nil })
	}()
	bad.Store(false)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := second.Poll(ctx, func([]byte) error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestPollEndsWhilePublishersAreFaster: a poll ends at the position that was the head of the log when it began.
func TestPollEndsWhilePublishersAreFaster(t *testing.T) {
	f, log := start(t)
	more := func(n int) {
		for range n {
			publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: strings.Repeat("x", 30_000)})
		}
		awaitWindow(f, log)
	}
	more(10)
	s := subscription()
	s.Once, s.From.Seek = true, &eventlog.Start{}
	st := stream(t, f, s)
	defer st.Close()
	pages := 0
	err := st.Poll(t.Context(), func([]byte) error {
		if pages++; pages == 50 {
			return errors.New("the poll does not end")
		}
		more(4)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// blockedSocket is a socket whose writes block until Abort.
type blockedSocket struct {
	once             sync.Once
	in, aborted, out chan struct{}
}

func (s *blockedSocket) Write([]byte) error {
	close(s.in)
	<-s.aborted
	<-s.out
	return os.ErrDeadlineExceeded
}

func (s *blockedSocket) Abort() { s.once.Do(func() { close(s.aborted) }) }
func (s *blockedSocket) Close() {}

// TestDisconnectedClientStaysDisconnected: a later dismissal does not change the reason for which the stream ended.
func TestDisconnectedClientStaysDisconnected(t *testing.T) {
	f, _ := start(t)
	s := subscription()
	closed := make(chan End, 1)
	s.Client = anyone{closed: closed}
	out := &blockedSocket{in: make(chan struct{}), aborted: make(chan struct{}), out: make(chan struct{})}
	disconnected := stream(t, f, s).Serve(out)
	<-out.in
	disconnected()
	f.Dismiss(t.Context(), func(*Info) bool { return true })
	close(out.out)
	if e := <-closed; e.Reason != Gone {
		t.Errorf("the stream ended for the reason %v", e.Reason)
	}
}

// hiding is an encoding that hides some events.
type hiding struct{ textEncoding }

func (hiding) Key() string { return "hiding" }

func (hiding) Event(b []byte, at eventlog.Position, r *eventlog.Record) []byte {
	if r.Data == "hidden" {
		return b
	}
	return textEncoding{}.Event(b, at, r)
}

// TestHiddenEventIsFollowedByACheckpoint: a hidden event and a visible one arrive in one pass. The heartbeats after it still carry a
// position.
func TestHiddenEventIsFollowedByACheckpoint(t *testing.T) {
	f, log := start(t, func(o *Options) { o.Heartbeat, o.ShortestHeartbeat = 50*time.Millisecond, 50*time.Millisecond })
	s := subscription()
	s.Encoding = hiding{}
	server, client := tcpPair(t)
	stream(t, f, s).Attach(server, nil, 0)
	publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: "1"}, eventlog.Record{Topics: []string{"news"}, Data: "hidden"})
	_ = client.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	for b := make([]byte, 1024); !strings.Contains(string(got), "checkpoint 2"); {
		n, err := client.Read(b)
		if got = append(got, b[:n]...); err != nil {
			t.Fatalf("%v after %q", err, got)
		}
	}
}

// keyed is an encoding with a key of the test's choice.
type keyed struct {
	textEncoding
	key string
}

func (k keyed) Key() string { return k.key }

// secrets is a matcher whose text looks like the end of a native pattern.
type secrets struct{ text string }

func (secrets) Prefix() string          { return "" }
func (secrets) Match(topic string) bool { return strings.HasPrefix(topic, "secret/") }
func (s secrets) String() string        { return s.text }

// TestDifferentSubscriptionsHaveDifferentKeys: even if names of filters and encodings look like other parts of a key.
func TestDifferentSubscriptionsHaveDifferentKeys(t *testing.T) {
	all := func(*eventlog.Record) bool { return true }
	a := newGroup(&Subscription{Selector: eventlog.Topics("a").Filter(all), Filter: "x", Encoding: keyed{key: "a 0 b"}})
	b := newGroup(&Subscription{Selector: eventlog.Topics("a").Filter(all), Filter: "x 0 a", Encoding: keyed{key: "b"}})
	if a.key == b.key {
		t.Errorf("filters and encodings have the key %q", a.key)
	}
	pattern := eventlog.Select(nil, eventlog.MustPattern("fanout.secrets news/*"))
	matcher := eventlog.Select(nil, secrets{"news/*"})
	if key := selectorKey(&pattern, ""); key == selectorKey(&matcher, "") {
		t.Errorf("a pattern and a matcher have the key %q", key)
	}
}
