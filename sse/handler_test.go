package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

func TestHandlerErrorBeforeTheFirstByteBecomesTheStatus(t *testing.T) {
	tests := map[string]struct {
		err    error
		status int
		body   string
	}{
		"none":           {nil, 200, ""},
		"stop":           {fmt.Errorf("finished: %w", sse.ErrStop), 204, ""},
		"status":         {fmt.Errorf("wrapped: %w", &sse.StatusError{Code: 403, Message: "not yours"}), 403, "not yours\n"},
		"useless status": {&sse.StatusError{Code: 200, Message: "secret"}, 500, "Internal Server Error\n"},
		"any other":      {errors.New("secret"), 500, "Internal Server Error\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			log := captureLog(t)
			h := sse.Handler(nil, func(s *sse.Stream) error {
				time.Sleep(900 * time.Millisecond) // less than the second after which the stream opens
				return test.err
			})
			overEach(t, h, func(t *testing.T, c *http.Client) {
				resp := do(t, c, "GET")
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != test.status || string(body) != test.body {
					t.Errorf("got %d %q, %v; want %d %q", resp.StatusCode, body, err, test.status, test.body)
				}
				if !strings.Contains(resp.Header.Get("Cache-Control"), "no-store") {
					t.Errorf("a cache may keep the answer: %v", resp.Header)
				}
			})
			if logged := log(); strings.Contains(logged, "event stream failed") != (test.status == 500) {
				t.Errorf("logged: %s", logged)
			}
		})
	}
}

// TestHandlerErrorAfterTheFirstByteAbortsTheStream: a stream that failed must not look complete.
func TestHandlerErrorAfterTheFirstByteAbortsTheStream(t *testing.T) {
	tests := map[string]struct {
		err   error
		whole bool
	}{
		"none":   {nil, true},
		"stop":   {sse.ErrStop, true},
		"age":    {sse.ErrMaxAge, true},
		"status": {&sse.StatusError{Code: 403}, false},
		"other":  {errors.New("database closed"), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			log := captureLog(t)
			h := sse.Handler(nil, func(s *sse.Stream) error {
				if err := s.Send(sse.Event{Data: "a"}); err != nil {
					t.Error(err)
				}
				return test.err
			})
			overEach(t, h, func(t *testing.T, c *http.Client) {
				data, err := collect(sse.ReadResponse(do(t, c, "GET"), nil))
				if (err == nil) != test.whole || len(data) != 1 {
					t.Errorf("the client sees %q, %v", data, err)
				}
				// The same connection, or a new one, serves the next request.
				if data, _ := collect(sse.ReadResponse(do(t, c, "GET"), nil)); len(data) != 1 {
					t.Errorf("the next request sees %q", data)
				}
			})
			if logged := log(); strings.Contains(logged, "event stream failed") == test.whole {
				t.Errorf("logged: %s", logged)
			}
		})
	}
}

// TestConnectionServesRequestsAfterAStream: a deadline that a stream leaves on the connection would break a later
// response.
func TestConnectionServesRequestsAfterAStream(t *testing.T) {
	h := sse.Handler(&sse.Options{WriteTimeout: time.Second}, func(s *sse.Stream) error {
		if s.Request().Method == "POST" {
			return &sse.StatusError{Code: 403, Message: "no"}
		}
		return s.Send(sse.Event{Data: "a"})
	})
	for name, speak := range protocols {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serveWith(t, &http.Server{Handler: h}, speak)
				for _, method := range []string{"GET", "POST", "GET", "GET"} {
					body, err := io.ReadAll(do(t, c, method).Body)
					if want := map[string]string{"GET": "data: a\n\n", "POST": "no\n"}[method]; err != nil || string(body) != want {
						t.Errorf("%s gave %q, %v", method, body, err)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// captureLog redirects slog.Default until the end of the test. The returned function returns what was logged so far.
func captureLog(t *testing.T) func() string {
	var mu sync.Mutex
	var b bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	}), nil)))
	t.Cleanup(func() { slog.SetDefault(old) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestSilentHandlerOpensTheStreamAfterASecond(t *testing.T) {
	h := sse.Handler(&sse.Options{KeepAlive: -1}, func(s *sse.Stream) error {
		time.Sleep(time.Hour)
		return sse.ErrStop // too late for a 204
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		begin := time.Now()
		resp := do(t, c, "GET")
		if resp.StatusCode != 200 || time.Since(begin) != time.Second {
			t.Errorf("after %v: %s", time.Since(begin), resp.Status)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || len(body) > 0 {
			t.Errorf("then %q, %v", body, err)
		}
	})
}

func TestFlushOpensTheStreamAtOnce(t *testing.T) {
	h := sse.Handler(nil, func(s *sse.Stream) error {
		_ = s.Flush() // fails if the client has the header and disconnects before this returns
		_ = s.Flush() // has no effect
		<-s.Context().Done()
		return s.Flush()
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		begin := time.Now()
		if do(t, c, "GET"); time.Since(begin) != 0 {
			t.Errorf("the stream opened after %v", time.Since(begin))
		}
	})
}

func TestHEADIsAnsweredWithoutAStream(t *testing.T) {
	h := sse.Handler(nil, func(s *sse.Stream) error {
		t.Error("the function was called")
		return nil
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		resp := do(t, c, "HEAD")
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("got %s with %v", resp.Status, resp.Header)
		}
	})
}

// TestNothingIsWrittenAfterTheHandlerReturns: a late keep-alive would panic inside net/http.
func TestNothingIsWrittenAfterTheHandlerReturns(t *testing.T) {
	var streams []*sse.Stream
	h := accept(&sse.Options{KeepAlive: time.Millisecond}, func(s *sse.Stream) {
		streams = append(streams, s)
		time.Sleep(10 * time.Millisecond)
	})
	overEach(t, h, func(t *testing.T, c *http.Client) {
		for range 20 {
			if body, err := io.ReadAll(do(t, c, "GET").Body); err != nil || len(body) < 3 {
				t.Errorf("got %q, %v", body, err)
			}
		}
		time.Sleep(time.Second)
		for _, s := range streams {
			for _, err := range []error{s.Send(sse.Event{}), s.Comment("x"), s.Flush(), s.SendFrame()} {
				if !errors.Is(err, sse.ErrClosed) {
					t.Errorf("after Close: %v", err)
				}
			}
		}
		streams = nil
	})
}
