package sse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

func TestSilentConnectionIsReplaced(t *testing.T) {
	tests := map[string]answer{
		"while connecting":  hold,
		"before any event":  stream("").then(hold),
		"after an event":    stream("data: a\n\n").then(hold),
		"inside an event":   stream("data: a\n\ndata: ").then(hold),
		"in a refusal body": status(503).then(hold),
	}
	for name, silent := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{silent}, func(t *testing.T, s *server, c *sse.Client) {
				var life stateLog
				c.IdleTimeout, c.Observe = 40*time.Second, life.observe
				if _, err := collect(c.Subscribe(get(t.Context()))); err != nil {
					t.Error(err)
				}
				want := 41 * time.Second
				if name == "in a refusal body" {
					want = 6 * time.Second // the client waits at most 5 s for the body of a refusal
				} else if !slices.Contains(life, "connecting: "+sse.ErrIdle.Error()) {
					t.Errorf("the states were %q", life)
				}
				if got := s.waits(); !slices.Equal(got, []time.Duration{want}) {
					t.Errorf("the client reconnected after %v, want %v", got, want)
				}
			})
		})
	}
}

func TestCommentsAndSlowConsumersAreNotIdle(t *testing.T) {
	comments := func(w http.ResponseWriter, r *http.Request) {
		for range 10 {
			time.Sleep(30 * time.Second) // the bubble's clock
			fmt.Fprint(w, ":\n")
			_ = http.NewResponseController(w).Flush() // a failure shows as a missing comment
		}
	}
	inBubble(t, []answer{stream("data: a\n\n").then(comments).then(stream("data: b\n\n"))}, func(t *testing.T, s *server, c *sse.Client) {
		c.IdleTimeout = 40 * time.Second
		received := 0
		c.Comment = func([]byte) { received++ }
		for _, err := range c.Subscribe(get(t.Context())) {
			if err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute) // a consumer slower than the timeout
		}
		if len(s.header("")) != 2 || received != 10 {
			t.Errorf("%d requests, %d comments", len(s.header("")), received)
		}
	})
}

func TestCanceledContextEndsTheSequenceAtOnce(t *testing.T) {
	tests := map[string]answer{
		"while connecting": hold,
		"while reading":    stream("").then(hold),
		"while waiting":    status(503, "Retry-After", "1000"),
		"in a refusal":     status(404).then(hold),
	}
	for name, first := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{first}, func(t *testing.T, s *server, c *sse.Client) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				begin := time.Now()
				data, err := collect(c.Subscribe(get(ctx)))
				if !errors.Is(err, context.DeadlineExceeded) || len(data) > 0 || time.Since(begin) != time.Second {
					t.Errorf("after %v: %q, %v", time.Since(begin), data, err)
				}
			})
		})
	}
}

func TestNothingIsYieldedAfterCancellation(t *testing.T) {
	inBubble(t, []answer{stream("id: 1\ndata: a\n\nid: 2\ndata: b\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		source := c.Open(get(ctx))
		n := 0
		for event, err := range source.Events() {
			if n++; n == 1 && (err != nil || event.Data != "a") || n == 2 && !errors.Is(err, context.Canceled) || n > 2 {
				t.Errorf("element %d is %v, %v", n, event, err)
			}
			cancel()
		}
		if n != 2 || source.LastEventID() != "1" || source.State() != sse.Closed {
			t.Errorf("%d elements, position %q, state %v", n, source.LastEventID(), source.State())
		}
	})
}

func TestBreakClosesTheConnection(t *testing.T) {
	disconnected := make(chan struct{})
	first := stream("data: a\n\n").then(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(disconnected)
	})
	inBubble(t, []answer{first}, func(t *testing.T, s *server, c *sse.Client) {
		var life stateLog
		c.Observe = life.observe
		for event, err := range c.Subscribe(get(t.Context())) {
			if err != nil || event.Data != "a" {
				t.Errorf("got %v, %v", event, err)
			}
			break
		}
		<-disconnected
		if !slices.Equal(life, []string{"connecting", "open", "closed"}) {
			t.Errorf("the states were %q", life)
		}
	})
}

func TestRestartReconnectsAtOnce(t *testing.T) {
	answers := []answer{stream("id: 1\ndata: a\n\n").then(hold), status(503, "Retry-After", "3000"), stream("data: b\n\n")}
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		var source *sse.Source
		begin := time.Now()
		c.Observe = func(state sse.State, f *sse.Failure) {
			if f != nil {
				source.Restart() // before the delay of 3000 s begins
			}
		}
		source = c.Open(get(t.Context()))
		source.Restart() // does nothing before the range
		var data []string
		for event, err := range source.Events() {
			if err != nil {
				t.Fatal(err)
			}
			data = append(data, event.Data)
			if event.Data == "a" {
				source.Restart()
			}
		}
		source.Restart() // does nothing after the range
		if !slices.Equal(data, []string{"a", "b"}) || time.Since(begin) > 10*time.Second {
			t.Errorf("after %v: %q", time.Since(begin), data)
		}
		if got := s.header("Last-Event-ID"); !slices.Equal(got, []string{"", "1", "1", "1"}) {
			t.Errorf("Last-Event-ID was %q", got)
		}
	})
}

func TestCloseEndsWithoutAnError(t *testing.T) {
	t.Run("while reading", func(t *testing.T) {
		inBubble(t, []answer{stream("data: a\n\ndata: b\n\n").then(hold)}, func(t *testing.T, s *server, c *sse.Client) {
			source := c.Open(get(t.Context()))
			for event, err := range source.Events() {
				if err != nil || event.Data != "a" {
					t.Errorf("got %v, %v", event, err)
				}
				source.Close()
				source.Close()
			}
			if source.State() != sse.Closed {
				t.Errorf("the state is %v", source.State())
			}
		})
	})
	t.Run("from elsewhere", func(t *testing.T) {
		inBubble(t, []answer{hold}, func(t *testing.T, s *server, c *sse.Client) {
			source := c.Open(get(t.Context()))
			time.AfterFunc(time.Minute, source.Close)
			if data, err := collect(source.Events()); len(data) > 0 || err != nil {
				t.Errorf("got %q, %v", data, err)
			}
		})
	})
	t.Run("before the range", func(t *testing.T) {
		inBubble(t, nil, func(t *testing.T, s *server, c *sse.Client) {
			source := c.Open(get(t.Context()))
			source.Close()
			if data, err := collect(source.Events()); len(data) > 0 || err != nil || len(s.header("")) > 0 {
				t.Errorf("got %q, %v, and %d requests", data, err, len(s.header("")))
			}
		})
	})
}
