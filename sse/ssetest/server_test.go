package ssetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// overBothNetworks runs test with an in-memory server in a synctest bubble, and with a TCP server.
func overBothNetworks(t *testing.T, test func(t *testing.T, start func(...ssetest.Answer) *ssetest.Server)) {
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, func(a ...ssetest.Answer) *ssetest.Server { return ssetest.NewServer(t, a...) })
		})
	})
	t.Run("TCP", func(t *testing.T) {
		test(t, func(a ...ssetest.Answer) *ssetest.Server { return ssetest.NewTCPServer(t, a...) })
	})
}

func get(t *testing.T, s *ssetest.Server, path string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the body gives %v after %q", err, b)
	}
	return string(b)
}

func TestAnswersAreSentInOrder(t *testing.T) {
	overBothNetworks(t, func(t *testing.T, start func(...ssetest.Answer) *ssetest.Server) {
		server := start(
			ssetest.Stream(ssetest.Send("data: 1\n\n")),
			ssetest.Status(503, ssetest.Send("later")).With("Retry-After", "5").With("Content-Type", "text/plain"),
			ssetest.Status(204),
		)
		if n := server.Remaining(); n != 3 {
			t.Errorf("%d answers remain, want 3", n)
		}
		first := get(t, server, "/a?b=c")
		if got := body(t, first); first.StatusCode != 200 || first.Header.Get("Content-Type") != "text/event-stream" || got != "data: 1\n\n" {
			t.Errorf("the first answer is %d %v %q", first.StatusCode, first.Header, got)
		}
		second := get(t, server, "/")
		if got := body(t, second); second.StatusCode != 503 || second.Header.Get("Retry-After") != "5" || got != "later" {
			t.Errorf("the second answer is %d %v %q", second.StatusCode, second.Header, got)
		}
		if third := get(t, server, "/"); third.StatusCode != 204 || body(t, third) != "" {
			t.Errorf("the third answer is %d", third.StatusCode)
		}
		if n := server.Remaining(); n != 0 {
			t.Errorf("%d answers remain, want none", n)
		}
		if got := server.Requests()[0].URL.String(); got != server.URL+"/a?b=c" {
			t.Errorf("the first request went to %s", got)
		}
	})
}

func TestRequestsAreRecorded(t *testing.T) {
	overBothNetworks(t, func(t *testing.T, start func(...ssetest.Answer) *ssetest.Server) {
		server := start(ssetest.Stream())
		before := time.Now()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/chat", strings.NewReader(`{"n":1}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Own", "1")
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body(t, resp)
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		x, err := server.Request(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if x.Method != "POST" || x.URL.Path != "/chat" || x.Header.Get("X-Own") != "1" || string(x.Body) != `{"n":1}` || x.Remote == "" {
			t.Errorf("recorded was %+v", x)
		}
		<-x.Done()
		ended, left := x.Ended()
		if x.At.Before(before) || ended.Before(x.At) || left {
			t.Errorf("the request came at %v, its answer ended at %v, the client disconnected: %v", x.At, ended, left)
		}
	})
}

func TestRequestWaitsForItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t, ssetest.Stream(), ssetest.Stream(ssetest.Pause(time.Minute)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() {
			body(t, get(t, server, "/1"))
			<-time.After(time.Minute)
			body(t, get(t, server, "/2"))
		}()
		x, err := server.Request(ctx, 1)
		if err != nil || x.URL.Path != "/2" {
			t.Fatalf("got %v and %v", x, err)
		}
		if at, _ := x.Ended(); !at.IsZero() {
			t.Error("the answer ended before its pause")
		}
		<-x.Done()
		if at, left := x.Ended(); at.Sub(x.At) != time.Minute || left {
			t.Errorf("the answer took %v, the client disconnected: %v", at.Sub(x.At), left)
		}
		if _, err := server.Request(ctx, 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for a third request gives %v", err)
		}
	})
}

func TestChunksArriveAsSent(t *testing.T) {
	want := []string{"da", "ta: 1\r", "\n", "\r\n", ": x\n\n"}
	for name, answer := range map[string]ssetest.Answer{
		"chunked": ssetest.Stream(ssetest.Send(want...)),
		"raw":     ssetest.Raw(ssetest.Send("HTTP/1.1 200 OK\r\n\r\n"), ssetest.Send(want...)),
	} {
		t.Run(name, func(t *testing.T) {
			server := ssetest.NewServer(t, answer)
			got, err := reads(get(t, server, "/").Body, 1000)
			if diff := cmp.Diff(want, slices.DeleteFunc(got, func(s string) bool { return s == "" })); diff != "" || !errors.Is(err, io.EOF) {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestPausesDelayTheSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t, ssetest.Stream(
			ssetest.Send("data: 1\n\n"), ssetest.Pause(time.Hour), ssetest.Send("data: 2\n\n"),
			ssetest.Trickle("data: 3\n\n", 4, time.Second), ssetest.End(), ssetest.Send("never"),
		))
		start := time.Now()
		var at []time.Duration
		for e, err := range sse.ReadResponse(get(t, server, "/"), nil) {
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprint(len(at) + 1); e.Data != want {
				t.Errorf("got %q, want %q", e.Data, want)
			}
			at = append(at, time.Since(start))
		}
		if want := []time.Duration{0, time.Hour, time.Hour + 3*time.Second}; !slices.Equal(at, want) {
			t.Errorf("events came after %v, want %v", at, want)
		}
	})
}

func TestWaitForHoldsUntilReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		server := ssetest.NewServer(t, ssetest.Stream(ssetest.WaitFor(release), ssetest.SendEvent(sse.Event{ID: "1", Data: "x"})))
		got := ssetest.Collect(t, sse.ReadResponse(get(t, server, "/"), nil))
		<-time.After(time.Hour)
		if events := got.All(); len(events) != 0 {
			t.Errorf("before the release: %v", events)
		}
		close(release)
		events, err := got.End(t.Context())
		if diff := cmp.Diff([]sse.Event{{Type: "message", ID: "1", Data: "x"}}, events); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

func TestClientSeesHowAnAnswerEnds(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
	for name, c := range map[string]struct {
		answer ssetest.Answer
		want   error
	}{
		"cut":          {ssetest.Stream(ssetest.Send("data: 1\n\n"), ssetest.Cut(), ssetest.Send("never")), io.ErrUnexpectedEOF},
		"reset":        {ssetest.Stream(ssetest.Send("data: 1\n\n"), ssetest.Reset()), syscall.ECONNRESET},
		"raw cut":      {ssetest.Raw(ssetest.Send(head, "data: 1\n\n"), ssetest.Cut()), syscall.ECONNRESET},
		"raw reset":    {ssetest.Raw(ssetest.Send(head, "data: 1\n\n"), ssetest.Reset()), syscall.ECONNRESET},
		"raw end":      {ssetest.Raw(ssetest.Send(head, "data: 1\n\n")), io.EOF},
		"end":          {ssetest.Stream(ssetest.Send("data: 1\n\n")), io.EOF},
		"short length": {ssetest.Stream(ssetest.Send("data: 1\n\n")).With("Content-Length", "100"), io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			overBothNetworks(t, func(t *testing.T, start func(...ssetest.Answer) *ssetest.Server) {
				server := start(c.answer)
				resp := get(t, server, "/")
				first := make([]byte, len("data: 1\n\n"))
				if _, err := io.ReadFull(resp.Body, first); err != nil && !errors.Is(err, c.want) {
					t.Fatal(err)
				}
				if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, c.want) {
					t.Errorf("the stream ends with %v, want %v", err, c.want)
				}
			})
		})
	}
}

func TestClientSeesFailuresBeforeTheAnswer(t *testing.T) {
	for name, step := range map[string]ssetest.Step{
		"reset":    ssetest.Reset(),
		"close":    ssetest.End(),
		"no HTTP":  ssetest.Send("hello\r\n\r\n"),
		"no end":   ssetest.Send("HTTP/1.1 200 OK\r\nA: b"),
		"too long": ssetest.Forever(ssetest.Send("HTTP/1.1 200 OK\r\n"), ssetest.Forever(ssetest.Send("A: "+strings.Repeat("b", 1000)+"\r\n"))),
	} {
		t.Run(name, func(t *testing.T) {
			overBothNetworks(t, func(t *testing.T, start func(...ssetest.Answer) *ssetest.Server) {
				server := start(ssetest.Raw(step))
				resp, err := server.Client().Get(server.URL)
				if err == nil {
					_ = resp.Body.Close()
					t.Errorf("the client got an answer: %v", resp.Status)
				}
				if n := len(server.Requests()); n != 1 {
					t.Errorf("there were %d requests, want one", n)
				}
				x, _ := server.Request(t.Context(), 0)
				<-x.Done()
			})
		})
	}
}

func TestClientDisconnectEndsTheAnswer(t *testing.T) {
	for name, answer := range map[string]ssetest.Answer{
		"hold":     ssetest.Stream(ssetest.Hold()),
		"pause":    ssetest.Stream(ssetest.Pause(24 * time.Hour)),
		"forever":  ssetest.Stream(ssetest.Forever(ssetest.Send(": x\n"), ssetest.Pause(time.Millisecond))),
		"raw hold": ssetest.Raw(ssetest.Send("HTTP/1.1 200 OK\r\n\r\n"), ssetest.Hold()),
		"blocked":  ssetest.Stream(ssetest.Forever(ssetest.Send(strings.Repeat("x", 1<<16)))),
	} {
		t.Run(name, func(t *testing.T) {
			overBothNetworks(t, func(t *testing.T, start func(...ssetest.Answer) *ssetest.Server) {
				server := start(answer)
				resp := get(t, server, "/")
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
				x, err := server.Request(t.Context(), 0)
				if err != nil {
					t.Fatal(err)
				}
				<-x.Done()
				if _, left := x.Ended(); !left {
					t.Error("Ended does not report that the client disconnected")
				}
			})
		})
	}
}

func TestClosingTheServerEndsAnswers(t *testing.T) {
	for name, answer := range map[string]ssetest.Answer{
		"hold":     ssetest.Stream(ssetest.Hold()),
		"raw hold": ssetest.Raw(ssetest.Send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"), ssetest.Hold()),
		"blocked":  ssetest.Stream(ssetest.Forever(ssetest.Send(strings.Repeat("x", 1<<16)))),
		"raw blocked": ssetest.Raw(ssetest.Send("HTTP/1.1 200 OK\r\n\r\n"),
			ssetest.Forever(ssetest.Send(strings.Repeat("x", 1<<16)))),
	} {
		t.Run(name, func(t *testing.T) {
			overBothNetworks(t, func(t *testing.T, start func(...ssetest.Answer) *ssetest.Server) {
				server := start(answer)
				_ = get(t, server, "/") // does not read the body
				begun := time.Now()
				server.Close()
				server.Close()
				x, err := server.Request(t.Context(), 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, left := x.Ended(); left {
					t.Error("Ended reports that the client disconnected")
				}
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("closing took %v", took)
				}
			})
		})
	}
}

func TestRedirectIsFollowedToAnyHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t, ssetest.Redirect(307, "https://other.example:1234/there"), ssetest.Stream())
		get(t, server, "/here")
		var got []string
		for _, x := range server.Requests() {
			got = append(got, x.URL.String())
		}
		if want := []string{"http://sse.example/here", "https://other.example:1234/there"}; !slices.Equal(got, want) {
			t.Errorf("requests went to %v, want %v", got, want)
		}
	})
}

func TestEveryRequestHasItsOwnConnection(t *testing.T) {
	overBothNetworks(t, func(t *testing.T, start func(...ssetest.Answer) *ssetest.Server) {
		server := start(ssetest.Stream(), ssetest.Stream(), ssetest.Stream())
		seen := map[string]bool{}
		for range 3 {
			body(t, get(t, server, "/"))
		}
		for _, x := range server.Requests() {
			seen[x.Remote] = true
		}
		if len(seen) != 3 {
			t.Errorf("requests came from %v", seen)
		}
	})
}
