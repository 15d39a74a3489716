package sse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/internal/blockcheck"
	"github.com/tidings-sse/tidings/sse"
)

// overEach runs a test in a synctest bubble over each protocol. The server's timeouts are short, so that the tests fail
// if a stream does not remove them.
func overEach(t *testing.T, h http.Handler, test func(t *testing.T, c *http.Client)) {
	t.Helper()
	for name, speak := range protocols {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &http.Server{Handler: h, WriteTimeout: time.Second, ReadTimeout: time.Second, IdleTimeout: time.Hour}
				test(t, serveWith(t, s, speak))
			})
		})
	}
}

// do sends a request. If the response is a stream, package blockcheck checks that clients which dispatch at every blank
// line read it correctly.
func do(t *testing.T, c *http.Client, method string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://server.test/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.Header.Get("Content-Type") == "text/event-stream" {
		resp.Body = blockcheck.Body(resp.Body, func(fault error) { t.Error(fault) })
	}
	return resp
}

func accept(o *sse.Options, f func(*sse.Stream)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sse.Accept(w, r, o)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer s.Close()
		f(s)
	})
}

func TestAcceptOpensTheConnectionAtOnce(t *testing.T) {
	h := accept(&sse.Options{Retry: 3 * time.Second}, func(s *sse.Stream) { <-s.Context().Done() })
	overEach(t, h, func(t *testing.T, c *http.Client) {
		resp := do(t, c, "GET") // the handler sends nothing, so this returns only if Accept flushes
		want := map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-store, no-transform", "X-Accel-Buffering": "no"}
		for name, value := range want {
			if got := resp.Header.Get(name); got != value {
				t.Errorf("%s is %q, want %q", name, got, value)
			}
		}
		start := make([]byte, len("retry: 3000\n"))
		if _, err := io.ReadFull(resp.Body, start); err != nil || string(start) != "retry: 3000\n" {
			t.Errorf("the stream begins with %q, %v", start, err)
		}
	})
}

// TestStreamOutlivesTheServersTimeouts: otherwise WriteTimeout ends every stream, and ReadTimeout cancels the request's
// context even when nothing is left to read.
func TestStreamOutlivesTheServersTimeouts(t *testing.T) {
	for name, options := range map[string]*sse.Options{"defaults": nil, "no timeouts": {WriteTimeout: -1, KeepAlive: -1}} {
		t.Run(name, func(t *testing.T) {
			h := accept(options, func(s *sse.Stream) {
				for i := range 5 {
					time.Sleep(time.Hour) // the bubble's clock
					if err := s.Send(sse.Event{Data: fmt.Sprint(i)}); err != nil {
						t.Errorf("event %d: %v", i, err)
					}
				}
			})
			overEach(t, h, func(t *testing.T, c *http.Client) {
				data, err := collect(sse.ReadResponse(do(t, c, "GET"), nil))
				if err != nil || strings.Join(data, "") != "01234" {
					t.Errorf("got %q, %v", data, err)
				}
			})
		})
	}
}

func TestStuckClientEndsItsStreamAfterTheWriteTimeout(t *testing.T) {
	var took time.Duration
	var sent error
	ended := make(chan struct{})
	h := accept(&sse.Options{WriteTimeout: 7 * time.Second}, func(s *sse.Stream) {
		defer close(ended)
		begin := time.Now()
		for sent == nil {
			sent = s.Send(sse.Event{Data: strings.Repeat("x", 32<<10)})
		}
		took = time.Since(begin)
		if again := s.Send(sse.Event{Data: "x"}); !errors.Is(again, sent) || s.Context().Err() == nil {
			t.Errorf("then Send returned %v, the context %v", again, s.Context().Err())
		}
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		ended, sent = make(chan struct{}), nil
		do(t, c, "GET") // the body is not read
		<-ended
		if _, ok := errors.AsType[*sse.WriteError](sent); !ok || took < 7*time.Second || took > 8*time.Second {
			t.Errorf("after %v Send gave %v", took, sent)
		}
	})
}

func TestKeepAliveIsSentOnlyDuringSilence(t *testing.T) {
	h := accept(&sse.Options{KeepAlive: 10 * time.Second}, func(s *sse.Stream) {
		for _, seconds := range []int{9, 9, 9, 25, 9} {
			time.Sleep(time.Duration(seconds) * time.Second)
			if err := s.Send(sse.Event{Data: "x"}); err != nil {
				t.Error(err)
			}
		}
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		body, err := io.ReadAll(do(t, c, "GET").Body)
		x := "data: x\n\n"
		if want := x + x + x + ":\n:\n" + x + x; err != nil || string(body) != want {
			t.Errorf("got %q, %v; want %q", body, err, want)
		}
	})
}

func TestMaxAgeEndsAStreamWithJitter(t *testing.T) {
	ages := map[time.Duration]bool{}
	h := sse.Handler(&sse.Options{MaxAge: 100 * time.Second}, func(s *sse.Stream) error {
		begin := time.Now()
		<-s.Context().Done()
		age := time.Since(begin)
		ages[age] = true
		if age < 80*time.Second || age > 100*time.Second || !errors.Is(context.Cause(s.Context()), sse.ErrMaxAge) {
			t.Errorf("after %v: %v", age, context.Cause(s.Context()))
		}
		return s.Send(sse.Event{Data: "too late"})
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		for range 5 {
			if body, err := io.ReadAll(do(t, c, "GET").Body); err != nil || strings.Contains(string(body), "late") {
				t.Errorf("got %q, %v", body, err)
			}
		}
	})
	if len(ages) < 5 {
		t.Errorf("10 streams had %d ages", len(ages))
	}
}

func TestClientDisconnectEndsTheContext(t *testing.T) {
	left := make(chan error)
	h := sse.Handler(nil, func(s *sse.Stream) error {
		if err := s.Send(sse.Event{Data: "x"}); err != nil {
			return err
		}
		<-s.Context().Done()
		left <- s.Send(sse.Event{Data: "y"})
		return errors.New("must not be logged: the client has disconnected")
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		log := captureLog(t)
		for range sse.ReadResponse(do(t, c, "GET"), nil) {
			break
		}
		if err := <-left; err == nil {
			t.Error("an event was sent to a disconnected client")
		}
		synctest.Wait()
		if log() != "" {
			t.Errorf("logged: %s", log())
		}
	})
}

func TestConcurrentCallsDoNotInterleave(t *testing.T) {
	frame, err := sse.Event{Data: strings.Repeat("frame\n", 50)}.Frame()
	if err != nil {
		t.Fatal(err)
	}
	h := accept(&sse.Options{KeepAlive: time.Microsecond}, func(s *sse.Stream) {
		var senders sync.WaitGroup
		for range 4 {
			senders.Go(func() {
				for range 50 {
					if err := errors.Join(
						s.Send(sse.Event{Data: strings.Repeat("event\n", 50)}),
						s.SendFrame(frame, frame),
						s.SendFrame(frame),
						s.SendJSON("json", "json"),
						s.Comment("comment"),
					); err != nil {
						t.Error(err)
					}
				}
			})
		}
		senders.Wait()
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		counts := map[string]int{}
		for event, err := range sse.ReadResponse(do(t, c, "GET"), nil) {
			if err != nil {
				t.Fatal(err)
			}
			counts[event.Data]++
		}
		if len(counts) != 3 || counts[strings.Repeat("event\n", 50)] != 200 || counts[strings.Repeat("frame\n", 50)] != 600 || counts[`"json"`] != 200 {
			t.Errorf("%d kinds of events arrived: %v", len(counts), counts)
		}
	})
}

func TestUnsendableEventLeavesTheStreamUsable(t *testing.T) {
	h := accept(nil, func(s *sse.Stream) {
		if err := s.Send(sse.Event{ID: "a\nb"}); !isType[*sse.FieldError](err) {
			t.Errorf("Send gave %v", err)
		}
		if err := s.SendJSON("x", make(chan int)); err == nil {
			t.Error("SendJSON sent a channel")
		}
		if err := s.Send(sse.Event{Data: "good"}); err != nil {
			t.Error(err)
		}
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		if body, err := io.ReadAll(do(t, c, "GET").Body); err != nil || string(body) != "data: good\n\n" {
			t.Errorf("got %q, %v", body, err)
		}
	})
}

func TestStreamProvidesItsRequest(t *testing.T) {
	h := accept(nil, func(s *sse.Stream) {
		_ = s.Send(sse.Event{Data: s.Request().URL.Path + " " + s.LastEventID()}) // the client checks that it arrives
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		req := get(t.Context())
		req.Header.Set("Last-Event-ID", "näch-7")
		for event, err := range (&sse.Client{HTTP: c}).Subscribe(req) {
			if err != nil || event.Data != "/events näch-7" {
				t.Errorf("got %v, %v", event, err)
			}
			break
		}
	})
}

// mute is a response writer that cannot flush. wrapped is middleware with an Unwrap method.
type (
	mute    struct{ http.ResponseWriter }
	wrapped struct{ http.ResponseWriter }
)

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestStreamWorksThroughMiddleware(t *testing.T) {
	h := accept(nil, func(s *sse.Stream) {
		time.Sleep(time.Hour) // longer than the server's timeouts, which the stream removes through the middleware
		_ = s.Send(sse.Event{Data: "x"})
	})
	through := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(wrapped{wrapped{w}}, r) })
	overEach(t, through, func(t *testing.T, c *http.Client) {
		if data, err := collect(sse.ReadResponse(do(t, c, "GET"), nil)); err != nil || len(data) != 1 {
			t.Errorf("got %q, %v", data, err)
		}
	})
}

func TestAcceptWritesNothingWhenItFails(t *testing.T) {
	rec := httptest.NewRecorder()
	s, err := sse.Accept(mute{wrapped{mute{rec}}}, httptest.NewRequest("GET", "/", nil), nil)
	if s != nil || !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "Unwrap") {
		t.Errorf("Accept gave %v, %v", s, err)
	}
	if rec.Body.Len() > 0 || len(rec.Header()) > 0 || rec.Flushed {
		t.Errorf("Accept wrote %v %q", rec.Header(), rec.Body)
	}
	captureLog(t)
	h := sse.Handler(nil, func(*sse.Stream) error { return nil })
	if h.ServeHTTP(mute{rec}, httptest.NewRequest("GET", "/", nil)); rec.Code != 500 {
		t.Errorf("Handler answered %d", rec.Code)
	}
}

func TestResponseWriterNeedsNoDeadlines(t *testing.T) {
	rec := httptest.NewRecorder()
	s, err := sse.Accept(rec, httptest.NewRequest("GET", "/", nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Send(sse.Event{Data: "x"}), s.Close(), s.Close()); err != nil || rec.Body.String() != "data: x\n\n" {
		t.Errorf("got %q, %v", rec.Body, err)
	}
}

// discard is a response writer that discards everything.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
func (d discard) FlushError() error           { return nil }

func (d discard) SetWriteDeadline(time.Time) error { return nil }

func TestSendingAllocatesNothing(t *testing.T) {
	s, err := sse.Accept(discard{http.Header{}}, httptest.NewRequest("GET", "/", nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	frame, err := sse.Event{Data: "x"}.Frame()
	if err != nil {
		t.Fatal(err)
	}
	event := sse.Event{Type: "add", ID: "17", Data: "one\ntwo"}
	if n := testing.AllocsPerRun(100, func() {
		if s.Send(event) != nil || s.SendFrame(frame) != nil || s.SendFrame(frame, frame) != nil {
			t.Error("sending failed")
		}
	}); n != 0 {
		t.Errorf("sending allocates %v times", n)
	}
}

func TestStreamOverTLSConnections(t *testing.T) {
	h := sse.Handler(nil, func(s *sse.Stream) error {
		for i := range 100 {
			if err := s.Send(sse.Event{ID: fmt.Sprint(i), Data: s.Request().Proto}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			s := httptest.NewUnstartedServer(h)
			s.EnableHTTP2 = proto == "HTTP/2.0"
			s.StartTLS()
			defer s.Close()
			c := sse.Client{HTTP: s.Client()}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for event, err := range c.Subscribe(req) {
				if err != nil || event.Data != proto || event.ID != fmt.Sprint(n) {
					t.Fatalf("event %d: %v, %v", n, event, err)
				}
				if n++; n == 100 {
					break
				}
			}
		})
	}
}
