package sse_test

// Each test in this file holds a fault that an adversarial review found. Its comment says what went wrong.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// TestBreakWinsOverRestart: after a Restart and a break, the source must not reconnect. It would yield into the finished
// loop, which panics.
func TestBreakWinsOverRestart(t *testing.T) {
	inBubble(t, []answer{stream("data: a\n\n").then(hold), stream("data: b\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
		source := c.Open(get(t.Context()))
		for range source.Events() {
			source.Restart()
			break
		}
		if len(s.header("")) != 1 || source.State() != sse.Closed {
			t.Errorf("%d requests, %v", len(s.header("")), source.State())
		}
	})
}

// TestMissingRequestBodyDoesNotDelayTheStream: net/http reads the rest of the body before it sends the header. Without a
// read deadline, one client could block every goroutine that sends to the stream.
func TestMissingRequestBodyDoesNotDelayTheStream(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"Handler": sse.Handler(nil, func(s *sse.Stream) error { return s.Send(sse.Event{Data: "x"}) }),
		"Accept":  accept(nil, func(s *sse.Stream) { _ = s.Send(sse.Event{Data: "x"}) }), // the client checks that it arrives
		"status":  sse.Handler(nil, func(*sse.Stream) error { return &sse.StatusError{Code: 403, Message: "data: x"} }),
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(h)
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if name != "status" { // net/http itself waits for the body before it sends a status
				r := bufio.NewReader(conn)
				for line := ""; !strings.HasPrefix(line, "data: x"); {
					if line, err = r.ReadString('\n'); err != nil {
						t.Fatal(err)
					}
				}
			}
			_ = conn.Close() // otherwise the server waits for its read deadline
			server.Close()
		})
	}
}

// TestSlowUploadArrivesCompletely: a stream opens after one second even if nothing is sent. A request body that is still
// arriving by then must not lose its rest.
func TestSlowUploadArrivesCompletely(t *testing.T) {
	h := sse.Handler(nil, func(s *sse.Stream) error {
		body, err := io.ReadAll(s.Request().Body)
		if err != nil {
			return err
		}
		return s.Send(sse.Event{Data: string(body)})
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		r, w := io.Pipe()
		go func() {
			for i := range 10 {
				fmt.Fprintf(w, "%d ", i)
				time.Sleep(90 * time.Millisecond) // the bubble's clock
			}
			time.Sleep(3 * time.Second)
			fmt.Fprint(w, "end")
			_ = w.Close() // always nil
		}()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://server.test/", r)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := collect(sse.ReadResponse(resp, nil)); err != nil || !slices.Equal(data, []string{"0 1 2 3 4 5 6 7 8 9 end"}) {
			t.Errorf("got %q, %v", data, err)
		}
	})
}

// TestRequestCanceledBeforeTheFirstByteIsAnswered: middleware or a shutdown may cancel the context while the client is
// connected. An empty response without a content type would keep the client from reconnecting.
func TestRequestCanceledBeforeTheFirstByteIsAnswered(t *testing.T) {
	for name, test := range map[string]struct {
		err    func(s *sse.Stream) error
		status int
	}{
		"status":  {func(*sse.Stream) error { return &sse.StatusError{Code: 503, Message: "later"} }, 503},
		"stop":    {func(*sse.Stream) error { return sse.ErrStop }, 204},
		"context": {func(s *sse.Stream) error { return s.Context().Err() }, 200},
		"send":    {func(s *sse.Stream) error { return s.Send(sse.Event{}) }, 200},
	} {
		t.Run(name, func(t *testing.T) {
			h := sse.Handler(nil, test.err)
			late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithCancel(r.Context())
				cancel()
				h.ServeHTTP(w, r.WithContext(ctx))
			})
			overEach(t, late, func(t *testing.T, c *http.Client) {
				resp := do(t, c, "GET")
				if resp.StatusCode != test.status || test.status == 200 && resp.Header.Get("Content-Type") != "text/event-stream" {
					t.Errorf("got %s with %v", resp.Status, resp.Header)
				}
			})
		})
	}
}

// TestEndOfResponseHasADeadline: net/http writes the last chunk after the handler returns. Without a deadline for that
// write, a client that has stopped reading holds the connection forever.
func TestEndOfResponseHasADeadline(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"Handler": sse.Handler(&sse.Options{WriteTimeout: time.Second}, func(s *sse.Stream) error { return s.Send(sse.Event{Data: "x"}) }),
		"Accept":  accept(&sse.Options{WriteTimeout: time.Second}, func(s *sse.Stream) { _ = s.Send(sse.Event{Data: "x"}) }), // the client checks that it arrives
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := ssetest.NewListener()
				l.Buffer = 1
				server := &http.Server{Handler: h}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_ = server.Serve(l) // always ErrServerClosed
				}()
				conn, err := l.Dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				r := bufio.NewReaderSize(conn, 16)
				for line := []byte(nil); !bytes.HasPrefix(line, []byte("data: x")); {
					if line, err = r.ReadSlice('\n'); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
						t.Fatal(err)
					}
				}
				if _, err := io.ReadFull(r, make([]byte, len("\n\r\n"))); err != nil { // the rest of the event's chunk
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if rest, _ := io.ReadAll(r); bytes.HasSuffix(rest, []byte("0\r\n\r\n")) {
					t.Errorf("a minute later the rest arrives: %q", rest)
				}
				_, _ = conn.Close(), server.Close() // errors do not matter here
				<-ended
			})
		})
	}
}

// panicking is a response writer whose Write panics.
type panicking struct{ discard }

func (panicking) Write([]byte) (int, error) { panic(http.ErrAbortHandler) }

// TestPanicInKeepAliveEndsOnlyTheStream: net/http does not recover a panic in the timer's goroutine.
func TestPanicInKeepAliveEndsOnlyTheStream(t *testing.T) {
	s, err := sse.Accept(panicking{discard{http.Header{}}}, httptest.NewRequest("GET", "/", nil), &sse.Options{KeepAlive: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	<-s.Context().Done()
	if err := s.Send(sse.Event{}); !isType[*sse.WriteError](err) {
		t.Errorf("Send gives %v", err)
	}
}

// TestLongIDIsNotComparedForEveryEvent: comparing a long last event ID for each event takes a millisecond for an event
// of six bytes. This test would then run for 20 minutes.
func TestLongIDIsNotComparedForEveryEvent(t *testing.T) {
	stream := "id: " + strings.Repeat("9", 8<<20) + "\ndata\n\n" + strings.Repeat("data\n\n", 1<<20)
	n := 0
	for event, err := range sse.Read(strings.NewReader(stream), nil) {
		if err != nil || len(event.ID) != 8<<20 {
			t.Fatalf("an id of %d bytes, %v", len(event.ID), err)
		}
		n++
	}
	if n != 1<<20+1 {
		t.Errorf("%d events", n)
	}
}

// TestContextErrorAtMaxAgeEndsTheStreamCleanly: most functions return the error of their context. At the maximum age
// this error must not abort the stream.
func TestContextErrorAtMaxAgeEndsTheStreamCleanly(t *testing.T) {
	h := sse.Handler(&sse.Options{MaxAge: time.Minute}, func(s *sse.Stream) error {
		if err := s.Send(sse.Event{Data: "x"}); err != nil {
			return err
		}
		<-s.Context().Done()
		return s.Context().Err()
	})
	log := captureLog(t)
	overEach(t, h, func(t *testing.T, c *http.Client) {
		if data, err := collect(sse.ReadResponse(do(t, c, "GET"), nil)); err != nil || len(data) != 1 {
			t.Errorf("got %q, %v", data, err)
		}
	})
	if log() != "" {
		t.Errorf("logged: %s", log())
	}
}

// TestLastIDAndRetryOfABrokenConnectionCount: when a timeout or a restart ends the connection, the client keeps an ID
// without data and the last retry field.
func TestLastIDAndRetryOfABrokenConnectionCount(t *testing.T) {
	inBubble(t, []answer{stream("id: 1\ndata: a\n\nid: 7\nretry: 5000\n\n").then(hold)}, func(t *testing.T, s *server, c *sse.Client) {
		c.IdleTimeout = 10 * time.Second
		if _, err := collect(c.Subscribe(get(t.Context()))); err != nil {
			t.Error(err)
		}
		if got := s.header("Last-Event-ID"); !slices.Equal(got, []string{"", "7"}) {
			t.Errorf("Last-Event-ID was %q", got)
		}
		if got := s.waits(); !slices.Equal(got, []time.Duration{15 * time.Second}) {
			t.Errorf("the client waited %v", got)
		}
	})
}

// TestFieldNameThatBeginsWithDataIsIgnored: when a read ends behind "data", the field "database" must not count as a
// data line.
func TestFieldNameThatBeginsWithDataIsIgnored(t *testing.T) {
	const stream = "data:abc\ndatabase: x\n\n"
	for _, r := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream))} {
		if got := decode(r, 3); got.Err != "" || len(got.Events) != 1 {
			t.Errorf("got %v, %s", got.Events, got.Err)
		}
	}
}

// TestRedirectToAnotherOriginDropsHost: a Host set by the caller must not go to another origin, also if the Location has
// no scheme.
func TestRedirectToAnotherOriginDropsHost(t *testing.T) {
	inBubble(t, []answer{redirect(302, "//user:word@other.test/x"), stream("")}, func(t *testing.T, s *server, c *sse.Client) {
		req := get(t.Context())
		req.Host = "tenant-secret.internal"
		if _, err := collect(c.Subscribe(req)); err != nil {
			t.Error(err)
		}
		if r := s.requests[1]; r.Host != "other.test" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s got %v", r.Host, r.Header)
		}
	})
}

// TestPermanentFailuresAreNotRetried: no retry could help these requests, and none of them may panic.
func TestPermanentFailuresAreNotRetried(t *testing.T) {
	for _, location := range []string{"http:///x", "http://x.test:99999/"} {
		inBubble(t, []answer{redirect(302, location)}, func(t *testing.T, s *server, c *sse.Client) {
			if _, err := collect(c.Subscribe(get(t.Context()))); !isType[*sse.RedirectError](err) {
				t.Errorf("%s: %v", location, err)
			}
		})
	}
	relayed := get(t.Context())
	relayed.RequestURI = "/events"
	noScheme := get(t.Context())
	noScheme.URL.Scheme = ""
	c := sse.Client{HTTP: &http.Client{Transport: &http.Transport{}}}
	for _, req := range []*http.Request{relayed, noScheme, (&http.Request{Method: "GET"}).WithContext(t.Context())} {
		if _, err := collect(c.Subscribe(req)); !isType[*sse.RequestError](err) {
			t.Errorf("%v: %v", req.URL, err)
		}
	}
	own := errors.New("not there")
	inBubble(t, []answer{redirect(302, "/x")}, func(t *testing.T, s *server, c *sse.Client) {
		c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return own }
		if _, err := collect(c.Subscribe(get(t.Context()))); !isType[*sse.RedirectError](err) || !errors.Is(err, own) {
			t.Errorf("the caller's own error came back as %v", err)
		}
	})
}

// TestPanicAbortsTheStream: when middleware recovers the panic, the stream must not look complete.
func TestPanicAbortsTheStream(t *testing.T) {
	h := sse.Handler(nil, func(s *sse.Stream) error {
		_ = s.Send(sse.Event{Data: "x"}) // the client checks that it arrives
		panic("a mistake")
	})
	recovering := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { _ = recover() }()
		h.ServeHTTP(w, r)
	})
	overEach(t, recovering, func(t *testing.T, c *http.Client) {
		if data, err := collect(sse.ReadResponse(do(t, c, "GET"), nil)); err == nil || len(data) != 1 {
			t.Errorf("got %q, %v", data, err)
		}
	})
}

// failing is middleware whose second and later writes fail.
type failing struct {
	http.ResponseWriter
	writes *int
}

func (f failing) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (f failing) Write(p []byte) (int, error) {
	if *f.writes++; *f.writes > 1 {
		return 0, io.ErrClosedPipe
	}
	return f.ResponseWriter.Write(p)
}

// TestFailedWriteAbortsTheStream: when the function ignores the error of a write, the stream must not look complete.
func TestFailedWriteAbortsTheStream(t *testing.T) {
	h := sse.Handler(nil, func(s *sse.Stream) error {
		for range 3 {
			_ = s.Send(sse.Event{Data: "x"}) // ignored on purpose
		}
		return nil
	})
	broken := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(failing{w, new(int)}, r) })
	overEach(t, broken, func(t *testing.T, c *http.Client) {
		if data, err := collect(sse.ReadResponse(do(t, c, "GET"), nil)); err == nil || len(data) != 1 {
			t.Errorf("got %q, %v", data, err)
		}
	})
}

func TestInvalidNumbersHaveNoEffect(t *testing.T) {
	for _, b := range []sse.Backoff{{Factor: math.NaN()}, {Jitter: math.NaN()}} {
		if d := sse.DelayAfter(b, &sse.Failure{Attempt: 3, Retry: time.Second}).Delay; d < 4*time.Second || d > 6*time.Second {
			t.Errorf("%+v waits %v", b, d)
		}
	}
	for value, want := range map[string]time.Duration{"4294967296": 4294967295 * time.Second, "99999999999999999999999": 4294967295 * time.Second, "-1": 0, "": 0} {
		if got := sse.ParseRetryAfter(value, time.Now()); got != want {
			t.Errorf("Retry-After: %s is %v", value, got)
		}
	}
}

func TestBackoffBaseHasNoUpperLimit(t *testing.T) {
	inBubble(t, []answer{stream("data: a\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
		c.Backoff.Base = 2 * time.Hour
		if _, err := collect(c.Subscribe(get(t.Context()))); err != nil || s.waits()[0] != 2*time.Hour {
			t.Errorf("waited %v, %v", s.waits(), err)
		}
	})
}

func TestErrorsContainNoPassword(t *testing.T) {
	for _, url := range []string{"http://user:secret@host:bad/", "ftp://user:secret@host/"} {
		if _, err := collect(sse.Subscribe(t.Context(), url)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestFinalEventWithoutDataNeedsNoJSON(t *testing.T) {
	for _, err := range sse.JSON[int](sse.Read(strings.NewReader("data: 1\n\nevent: end\ndata:\n\n"), nil), &sse.JSONOptions{Done: sse.OfType("end")}) {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestZeroDecoderIsReadyAfterReset(t *testing.T) {
	var d sse.Decoder
	d.Reset(bytes.NewReader([]byte("data: 1\n\n")))
	if !d.Next() || string(d.Data()) != "1" || d.Next() || d.Err() != nil {
		t.Errorf("got %q, %v", d.Data(), d.Err())
	}
}
