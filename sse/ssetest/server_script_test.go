package ssetest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// errorsOf is a testing.TB that records errors instead of failing.
type errorsOf struct {
	testing.TB
	errors []string
}

func (e *errorsOf) Errorf(format string, args ...any) {
	e.errors = append(e.errors, fmt.Sprintf(format, args...))
}

func TestRequestAfterTheLastAnswerFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &errorsOf{TB: t}
		server := ssetest.NewServer(inner, ssetest.Stream())
		body(t, get(t, server, "/first"))
		if len(inner.errors) > 0 {
			t.Fatalf("the scripted request failed the test: %q", inner.errors)
		}
		if resp := get(t, server, "/second"); resp.StatusCode != http.StatusGone {
			t.Errorf("the second request gets %s", resp.Status)
		}
		if want := "ssetest: no answer for request number 1, GET http://sse.example/second: the script has 1; if the client should not reconnect, end the last answer with Hold()"; !slices.Equal(inner.errors, []string{want}) {
			t.Errorf("the errors are %q, want %q", inner.errors, want)
		}
	})
}

// TestScriptThatIsTooShortEndsTheTest: the client must not reconnect forever after the last answer. In a bubble its
// retries take no time but a whole core, and the test would time out without showing the reason.
func TestScriptThatIsTooShortEndsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &errorsOf{TB: t}
		server := ssetest.NewServer(inner, ssetest.Stream(ssetest.Send("data: 1\n\n")))
		for _, policy := range []func(*sse.Failure) (time.Duration, bool){nil, neverGiveUp} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			c := sse.Client{HTTP: server.Client(), Recover: policy}
			got := ssetest.Collect(t, c.Subscribe(req))
			if _, err := got.Wait(t.Context(), 2); err == nil {
				t.Error("there are two events")
			}
		}
		if n := len(server.Requests()); n > 4 || len(inner.errors) != 1 {
			t.Errorf("%d requests, errors %q", n, inner.errors)
		}
	})
}

func neverGiveUp(*sse.Failure) (time.Duration, bool) { return time.Second, true }

func TestScriptCanGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t)
		server.Add(ssetest.Status(201), ssetest.Status(202))
		server.Otherwise(ssetest.Status(204))
		var got []int
		for range 4 {
			got = append(got, get(t, server, "/").StatusCode)
		}
		if want := []int{201, 202, 204, 204}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if n := server.Remaining(); n != 0 {
			t.Errorf("%d answers remain", n)
		}
	})
}

func TestAnswerHasNoImplicitHeader(t *testing.T) {
	server := ssetest.NewServer(t, ssetest.Status(200, ssetest.Send("<html>")))
	resp := get(t, server, "/")
	resp.Header.Del("Date")
	if len(resp.Header) != 0 {
		t.Errorf("the header is %v", resp.Header)
	}
}

func TestAnswersAreValues(t *testing.T) {
	a := ssetest.Stream(ssetest.Send("1")).With("X-A", "1")
	b := a.With("X-A", "2", "3").Then(ssetest.Send("2"))
	c := a.With("X-A")
	server := ssetest.NewServer(t, a, b, c, a)
	for i, want := range []string{"[1] 1", "[2 3] 12", "[] 1", "[1] 1"} {
		resp := get(t, server, "/")
		if got := fmt.Sprint(resp.Header.Values("X-A"), " ", body(t, resp)); got != want {
			t.Errorf("answer %d is %q, want %q", i, got, want)
		}
	}
}

func TestDoCallsItsFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reached := make(chan int, 2)
		server := ssetest.NewServer(t, ssetest.Stream(
			ssetest.Do(func() { reached <- 1 }), ssetest.Pause(time.Hour), ssetest.Do(func() { reached <- 2 }),
		))
		get(t, server, "/")
		start := time.Now()
		if first, second := <-reached, <-reached; first != 1 || second != 2 || time.Since(start) != time.Hour {
			t.Errorf("reached %d and %d after %v", first, second, time.Since(start))
		}
	})
}

func TestScriptServesHTTP2(t *testing.T) {
	inner := &errorsOf{TB: t}
	script := ssetest.NewScript(inner,
		ssetest.Stream(ssetest.Send("data: 1\n\n")),
		ssetest.Stream(ssetest.Send("data: 1\n\n"), ssetest.Cut()),
		ssetest.Stream(ssetest.Send("data: 1\n\n"), ssetest.Reset()),
		ssetest.Raw(ssetest.Send("x")),
	)
	server := httptest.NewUnstartedServer(script)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	for i, whole := range []bool{true, false, false} {
		resp, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if resp.ProtoMajor != 2 || !bytes.HasPrefix(got, []byte("data: 1\n\n")) || (err == nil) != whole {
			t.Errorf("answer %d, by %s: got %q and %v", i, resp.Proto, got, err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if url := script.Requests()[0].URL.String(); url != server.URL+"/" {
		t.Errorf("the first request went to %s, want %s/", url, server.URL)
	}
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if len(inner.errors) != 1 || !strings.Contains(inner.errors[0], "HTTP/1") {
		t.Errorf("a raw answer over HTTP/2 gives the errors %q", inner.errors)
	}
}

func TestSendEventPanicsForAnUnsendableEvent(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("SendEvent did not panic")
		}
	}()
	ssetest.SendEvent(sse.Event{Type: "a\nb"})
}
