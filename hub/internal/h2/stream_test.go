package h2_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/tidings-sse/tidings/hub/internal/h2"
)

var _ h2.Events = (*events)(nil)

// events are the events of a stream, as channels.
type events struct {
	writable chan struct{}
	ended    chan bool
}

func newEvents() *events { return &events{make(chan struct{}, 1000), make(chan bool, 1)} }

func (e *events) Writable()       { e.writable <- struct{}{} }
func (e *events) Ended(slow bool) { e.ended <- slow }

// await returns what comes from a channel, or fails the test.
func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain: %s", what)
	}
	return v
}

// detacher is a handler that detaches every stream.
type detacher chan *h2.Stream

func (d detacher) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	if st, ok := h2.Detach(w); ok {
		d <- st
	}
}

// detached opens a stream and detaches it.
func detached(t *testing.T, d detacher, p *peer, id uint32) *h2.Stream {
	t.Helper()
	p.get(id, "/")
	st := await(t, "the stream is detached", d)
	st.Flush()
	if got := p.head(id); got[":status"] != "200" || got["content-type"] != "text/event-stream" || got["content-length"] != "" {
		t.Fatal(got)
	}
	return st
}

// sendAll sends a text, waiting for the client.
func sendAll(t *testing.T, st *h2.Stream, e *events, text string) {
	t.Helper()
	for {
		n, err := st.Send([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		st.Flush()
		if text = text[n:]; text == "" {
			return
		}
		await(t, "the stream is writable", e.writable)
	}
}

// TestDetachedStreamOutlivesItsHandler, and ends when its owner says so.
func TestDetachedStreamOutlivesItsHandler(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		d := make(detacher, 1)
		p := connect(t, serve(t, way, d, nil))
		for id, complete := range map[uint32]bool{1: true} {
			st := detached(t, d, p, id)
			e := newEvents()
			st.Watch(e)
			sendAll(t, st, e, "hello")
			if got := p.data(id, 5); got != "hello" {
				t.Error(got)
			}
			st.Close(complete)
			st.Flush()
			if f, ok := p.next().(*http2.DataFrame); !ok || !f.StreamEnded() || len(f.Data()) > 0 {
				t.Errorf("%v, want the end", f)
			}
			if _, err := st.Send([]byte("more")); !errors.Is(err, h2.ErrEnded) {
				t.Error(err)
			}
		}
		st := detached(t, d, p, 3)
		st.Close(false)
		st.Flush()
		if code := p.resetOf(3); code != http2.ErrCodeCancel {
			t.Error(code)
		}
	})
}

// TestOwnerLearnsThatTheClientIsGone: by a reset, or by the end of the connection.
func TestOwnerLearnsThatTheClientIsGone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		d := make(detacher, 1)
		p := connect(t, serve(t, way, d, nil))
		first, second, late := detached(t, d, p, 1), detached(t, d, p, 3), detached(t, d, p, 5)
		e1, e2, e3 := newEvents(), newEvents(), newEvents()
		first.Watch(e1)
		second.Watch(e2)
		p.check(p.in.WriteRSTStream(1, http2.ErrCodeCancel))
		if await(t, "the first stream has ended", e1.ended) {
			t.Error("a reset counts as slow")
		}
		if _, err := first.Send([]byte("x")); err == nil {
			t.Error("the stream takes bytes after the reset")
		}
		_ = p.conn.Close()
		if await(t, "the second stream has ended", e2.ended) {
			t.Error("a closed connection counts as slow")
		}
		late.Watch(e3)
		await(t, "a stream that has ended is reported at once", e3.ended)
		first.Close(true) // does nothing
	})
}

// TestTinyWindowsDeliverEveryByte: the client grants one byte at a time, on a stream whose window is zero.
func TestTinyWindowsDeliverEveryByte(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		d := make(detacher, 1)
		p := connect(t, serve(t, way, d, nil), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		st := detached(t, d, p, 1)
		e := newEvents()
		st.Watch(e)
		const text = "data: hello\n\n"
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for left := text; left != ""; {
				n, err := st.Send([]byte(left))
				if err != nil {
					t.Error(err)
					return
				}
				st.Flush()
				if left = left[n:]; left != "" {
					<-e.writable
				}
			}
		}()
		var got strings.Builder
		for range len(text) {
			p.check(p.in.WriteWindowUpdate(1, 1))
			got.WriteString(p.data(1, 1))
		}
		await(t, "all is sent", sent)
		if got.String() != text {
			t.Errorf("%q", got.String())
		}
	})
}

// TestStreamWithoutWindowDoesNotDelayOthers of its connection.
func TestStreamWithoutWindowDoesNotDelayOthers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		d := make(detacher, 1)
		p := connect(t, serve(t, way, d, nil), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
		full, free := detached(t, d, p, 1), detached(t, d, p, 3)
		e := newEvents()
		full.Watch(e)
		if n, err := full.Send(make([]byte, 100)); n != 10 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := free.Send([]byte("hello")); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		free.Flush()
		p.data(1, 10)
		if got := p.data(3, 5); got != "hello" {
			t.Error(got)
		}
		// A larger initial window changes open streams, too (RFC 9113, section 6.9.2).
		p.check(p.in.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 30}))
		await(t, "the stream is writable", e.writable)
		if n, err := full.Send(make([]byte, 90)); n != 20 || err != nil {
			t.Error(n, err)
		}
		// A smaller one may make windows negative.
		p.check(p.in.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
		p.check(p.in.WriteWindowUpdate(1, 31))
		await(t, "the stream is writable", e.writable)
		if n, err := full.Send(make([]byte, 90)); n != 1 || err != nil {
			t.Error(n, err)
		}
	})
}

// TestWindowOfTheConnectionIsShared: without it no stream takes bytes.
func TestWindowOfTheConnectionIsShared(t *testing.T) {
	t.Parallel()
	d := make(detacher, 1)
	p := connect(t, serve(t, "plain", d, nil), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	first, second := detached(t, d, p, 1), detached(t, d, p, 3)
	e := newEvents()
	second.Watch(e)
	const window = 65535
	if n, err := first.Send(make([]byte, 100_000)); n != window || err != nil {
		t.Fatal(n, err)
	}
	if n, err := second.Send([]byte("hello")); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	first.Flush()
	p.data(1, window)
	p.check(p.in.WriteWindowUpdate(0, 5))
	await(t, "the stream is writable", e.writable)
	sendAll(t, second, e, "hello")
	if got := p.data(3, 5); got != "hello" {
		t.Error(got)
	}
}

// TestSlowConnectionEnds: the client takes no bytes for the write timeout. Its streams learn that it is slow.
func TestSlowConnectionEnds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		d := make(detacher, 1)
		s := serveWith(t, way, d, func(hs *http.Server) {
			hs.ConnContext = smallBuffer
			h2.Configure(hs, h2.Options{WriteTimeout: 300 * time.Millisecond})
		})
		p := connect(t, s, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		p.check(p.in.WriteWindowUpdate(0, 1<<30))
		st := detached(t, d, p, 1)
		e := newEvents()
		st.Watch(e)
		b := make([]byte, 64<<10)
		for {
			n, err := st.Send(b)
			if err != nil {
				break
			}
			st.Flush()
			if n == len(b) {
				continue
			}
			select {
			case <-e.writable:
			case slow := <-e.ended:
				if !slow {
					t.Error("the stream ended for another reason")
				}
				return
			case <-time.After(patience):
				t.Fatal("a connection that takes nothing stays open")
			}
		}
		if !await(t, "the stream has ended", e.ended) {
			t.Error("the stream ended for another reason")
		}
	})
}

// TestRequestsOnTheirWayAreAnsweredDuringAShutdown: a client that has not read that the connection will end loses no request.
func TestRequestsOnTheirWayAreAnsweredDuringAShutdown(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		s := serve(t, way, http.NotFoundHandler(), nil)
		p := connect(t, s)
		p.get(1, "/")
		p.head(1)
		stopped := make(chan error, 1)
		go func() { stopped <- s.Config.Shutdown(context.Background()) }()
		ping := p.announcement()
		p.get(3, "/")
		if status := p.head(3)[":status"]; status != "404" {
			t.Errorf("status %q", status)
		}
		p.check(p.in.WritePing(true, ping.Data))
		if code := p.goAway(); code != http2.ErrCodeNo {
			t.Error(code)
		}
		p.closed()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// TestShutdownWaitsForDetachedStreams: the client learns that it must open no more streams here.
func TestShutdownWaitsForDetachedStreams(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		d := make(detacher, 1)
		s := serve(t, way, d, nil)
		p := connect(t, s)
		st := detached(t, d, p, 1)
		st.Watch(newEvents())
		stopped := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			stopped <- s.Config.Shutdown(ctx)
		}()
		p.check(p.in.WritePing(true, p.announcement().Data))
		if code := p.goAway(); code != http2.ErrCodeNo {
			t.Error(code)
		}
		p.get(3, "/") // is ignored
		if n, err := st.Send([]byte("last")); n != 4 || err != nil {
			t.Error(n, err)
		}
		st.Flush()
		if got := p.data(1, 4); got != "last" {
			t.Error(got)
		}
		select {
		case err := <-stopped:
			t.Errorf("the server stops before the stream: %v", err)
		default:
		}
		st.Close(true)
		st.Flush()
		p.closed()
		if err := await(t, "the server stops", stopped); err != nil {
			t.Error(err)
		}
	})
}

// TestWaitingStreamsNeedNoGoroutine: a thousand of them need as many as one.
func TestWaitingStreamsNeedNoGoroutine(t *testing.T) {
	d := make(detacher, 1)
	s := serve(t, "tls", d, func(hs *http.Server) { hs.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 1000} })
	p := connect(t, s)
	detached(t, d, p, 1)
	before := runtime.NumGoroutine()
	for i := range uint32(999) {
		detached(t, d, p, 3+2*i)
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before+10; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines with 1 stream, %d with 1,000", before, runtime.NumGoroutine())
		}
	}
}

// TestSendAllocatesNothing: an event for many streams costs no memory.
func TestSendAllocatesNothing(t *testing.T) {
	d := make(detacher, 1)
	p := connect(t, serve(t, "plain", d, nil), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	p.check(p.in.WriteWindowUpdate(0, 1<<30))
	st := detached(t, d, p, 1)
	go func() {
		for b := make([]byte, 64<<10); ; {
			if _, err := p.conn.Read(b); err != nil {
				return
			}
		}
	}()
	b := []byte("data: hello\n\n")
	if n := testing.AllocsPerRun(1000, func() { _, _ = st.Send(b) }); n > 0 {
		t.Errorf("%.1f allocations", n)
	}
}
