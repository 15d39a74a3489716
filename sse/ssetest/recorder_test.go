package ssetest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

func request(t *testing.T) *http.Request {
	return httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
}

func send(t *testing.T, w http.ResponseWriter, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Error(err)
	}
}

func flush(t *testing.T, w http.ResponseWriter) {
	t.Helper()
	if err := http.NewResponseController(w).Flush(); err != nil {
		t.Error(err)
	}
}

func TestRecorderShowsEventsAndFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := ssetest.Record(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			flush(t, w)
			<-time.After(time.Minute)
			send(t, w, "data: 1\n")
			send(t, w, "\ndata:")
			flush(t, w)
			flush(t, w)
			<-time.After(time.Minute)
			send(t, w, " 2\n\n: bye\n")
		}), request(t))
		start := time.Now()
		status, header, err := rec.Opened(t.Context())
		if status != 200 || header.Get("Content-Type") != "text/event-stream" || err != nil {
			t.Errorf("the stream opened with %d, %v, %v", status, header, err)
		}
		for i, want := range []string{"1", "2"} {
			e, err := rec.Events().Next(t.Context())
			if e.Data != want || err != nil || time.Since(start) != time.Duration(i+1)*time.Minute {
				t.Errorf("after %v: %+v and %v", time.Since(start), e, err)
			}
		}
		if _, err := rec.Events().Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("the stream ends with %v", err)
		}
		if diff := cmp.Diff([]string{"data: 1\n\ndata:", " 2\n\n: bye\n"}, rec.Flushes()); diff != "" {
			t.Error(diff)
		}
		if got := rec.Comments(); !slices.Equal(got, []string{"bye"}) {
			t.Errorf("the comments are %q", got)
		}
	})
}

func TestRecorderHidesUnflushedBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := ssetest.NewRecorder(t)
		rec.WriteHeader(100) // has no effect: it is informational
		rec.WriteHeader(201)
		rec.WriteHeader(202) // has no effect: only the first call counts
		send(t, rec, "data: 1\n\n")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, _, err := rec.Opened(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for the header gives %v", err)
		}
		if got := rec.Events().All(); len(got) != 0 || len(rec.Flushes()) != 0 {
			t.Errorf("before the flush the client sees %v", got)
		}
		rec.Flush()
		e, err := rec.Events().Next(t.Context())
		if e.Data != "1" || err != nil {
			t.Errorf("after the flush the client sees %+v and %v", e, err)
		}
		if status, _, _ := rec.Opened(t.Context()); status != 201 {
			t.Errorf("the status is %d", status)
		}
		rec.Finish()
		rec.Finish()
		if _, err := rec.Write(nil); err == nil {
			t.Error("a write after the end succeeds")
		}
	})
}

func TestRecorderWorksWithSSEHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := sse.Handler(&sse.Options{KeepAlive: time.Minute}, func(s *sse.Stream) error {
			if err := s.Send(sse.Event{ID: "1", Data: "a"}); err != nil {
				return err
			}
			<-s.Context().Done()
			return context.Cause(s.Context())
		})
		rec := ssetest.Record(t, handler, request(t))
		if e, err := rec.Events().Next(t.Context()); e.ID != "1" || err != nil {
			t.Errorf("got %+v and %v", e, err)
		}
		synctest.Wait() // the handler removes the deadline after the write
		if d := time.Until(rec.WriteDeadline()); d > 0 {
			t.Errorf("between writes there is a deadline in %v", d)
		}
		<-time.After(150 * time.Second)
		if n := len(rec.Comments()); n != 2 {
			t.Errorf("in two and a half minutes there were %d comments, want 2", n)
		}
		rec.Leave()
		if _, err := rec.Events().End(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after Leave the events end with %v", err)
		}
	})
}

func TestRecorderReportsAnAbortedResponse(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w http.ResponseWriter)
		want error
	}{
		"return": {func(http.ResponseWriter) {}, nil},
		"abort":  {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, io.ErrUnexpectedEOF},
		"deadline": {func(w http.ResponseWriter) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
		}, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec := ssetest.Record(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					send(t, w, "data: 1\n\n")
					flush(t, w)
					c.end(w)
				}), request(t))
				events, err := rec.Events().End(t.Context())
				if len(events) != 1 || !errors.Is(err, c.want) {
					t.Errorf("got %v and %v, want one event and %v", events, err, c.want)
				}
			})
		})
	}
}

func TestPanicOfTheHandlerFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &errorsOf{TB: t}
		rec := ssetest.Record(inner, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") }), request(t))
		if _, err := rec.Events().End(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the stream ends with %v", err)
		}
		if len(inner.errors) != 1 || !strings.Contains(inner.errors[0], "panicked: oh") {
			t.Errorf("the errors are %q", inner.errors)
		}
		if status, _, err := rec.Opened(t.Context()); status != 0 || err != nil {
			t.Errorf("the stream opened with %d and %v", status, err)
		}
	})
}

func TestRecorderWritesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := errors.New("connection broken")
		for name, c := range map[string]struct {
			prepare func(*ssetest.Recorder)
			want    error
		}{
			"Fail was called":    {func(r *ssetest.Recorder) { r.Fail(failure); r.Leave() }, failure},
			"Leave was called":   {(*ssetest.Recorder).Leave, syscall.EPIPE},
			"after the deadline": {func(r *ssetest.Recorder) { _ = r.SetWriteDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		} {
			rec := ssetest.NewRecorder(t)
			rec.Flush()
			c.prepare(rec)
			if _, err := rec.Write([]byte("x")); !errors.Is(err, c.want) {
				t.Errorf("%s: a write gives %v", name, err)
			}
			if err := rec.FlushError(); !errors.Is(err, c.want) {
				t.Errorf("%s: a flush gives %v", name, err)
			}
		}
		rec := ssetest.NewRecorder(t)
		_ = rec.SetWriteDeadline(time.Now().Add(time.Second))
		_ = rec.SetReadDeadline(time.Now())
		send(t, rec, "x")
		_ = rec.SetWriteDeadline(time.Time{})
		<-time.After(time.Minute)
		send(t, rec, "x")
		rec = ssetest.NewRecorder(t)
		rec.WriteHeader(204)
		if _, err := rec.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
			t.Errorf("a body for 204 gives %v", err)
		}
	})
}

func TestEndOfTheTestEndsTheHandler(t *testing.T) {
	var err error
	t.Run("", func(t *testing.T) {
		ssetest.Record(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			_, err = w.Write([]byte("x"))
		}), httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil))
	})
	if !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the handler saw %v", err)
	}
}

func TestWrapFlushesAndBareDoesNot(t *testing.T) {
	rec := ssetest.NewRecorder(t)
	for _, w := range []http.ResponseWriter{ssetest.Wrap(rec), ssetest.Wrap(ssetest.Wrap(rec))} {
		if _, ok := w.(http.Flusher); ok {
			t.Error("the wrapped writer has a Flush method")
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("the wrapped writer cannot be flushed: %v", err)
		}
		w.Header().Set("X-A", "1")
		w.WriteHeader(200)
		send(t, w, "data: 1\n\n")
	}
	bare := ssetest.Bare(rec)
	if err := http.NewResponseController(bare).Flush(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("flushing the bare writer gives %v", err)
	}
	rec.Finish()
	if events, err := rec.Events().End(t.Context()); len(events) != 2 || err != nil {
		t.Errorf("got %v and %v", events, err)
	}
}
