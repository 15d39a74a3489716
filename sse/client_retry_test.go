package sse_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

func TestTemporaryRefusalsAreRetried(t *testing.T) {
	answers := []answer{status(500), status(503), status(429), status(408), stream("data: a\n\n"), status(502)}
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		data, err := collect(c.Subscribe(get(t.Context())))
		if err != nil || !slices.Equal(data, []string{"a"}) {
			t.Errorf("got %q, %v", data, err)
		}
		second := time.Second
		// The event resets the count: the end of its stream is the first consecutive failure, the 502 the second.
		if got, want := s.waits(), []time.Duration{second, 2 * second, 4 * second, 8 * second, second, 2 * second}; !slices.Equal(got, want) {
			t.Errorf("the client waited %v, want %v", got, want)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server, c *sse.Client) {
		date := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
		s.answers = []answer{status(503, "Retry-After", "20"), status(429, "Retry-After", date), status(503, "Retry-After", "4000000000"), status(503, "Retry-After", "soon")}
		if _, err := collect(c.Subscribe(get(t.Context()))); err != nil {
			t.Error(err)
		}
		// Jitter may add up to a tenth. The date is 90 s after the start, and 20 to 22 s have passed. An invalid value
		// leaves the backoff of the fourth consecutive failure.
		hour := float64(time.Hour)
		wants := [][2]float64{{20e9, 22e9}, {68e9, 77e9}, {hour, hour * 1.1}, {8e9, 8e9}}
		for i, got := range s.waits() {
			if float64(got) < wants[i][0] || float64(got) > wants[i][1] {
				t.Errorf("wait %d was %v, want %v", i, got, wants[i])
			}
		}
	})
}

func TestServerRetryReplacesTheBase(t *testing.T) {
	answers := []answer{stream("retry: 5000\n"), status(503), stream("retry: 0\n\ndata: a\n\n"), stream("data: b\n\n"), stream("retry: 99999999999999999999\n")}
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		data, err := collect(c.Subscribe(get(t.Context())))
		if err != nil || !slices.Equal(data, []string{"a", "b"}) {
			t.Errorf("got %q, %v", data, err)
		}
		want := []time.Duration{5 * time.Second, 10 * time.Second, 10 * time.Millisecond, 10 * time.Millisecond, time.Hour}
		if got := s.waits(); !slices.Equal(got, want) {
			t.Errorf("the client waited %v, want %v", got, want)
		}
	})
}

func TestZeroRetryDoesNotCauseATightLoop(t *testing.T) {
	b := sse.Backoff{Jitter: -1}
	for attempt, want := range map[int]time.Duration{1: 0, 2: 200 * time.Millisecond, 5: 1600 * time.Millisecond, 100: 30 * time.Second} {
		if got := sse.DelayAfter(b, &sse.Failure{Attempt: attempt}).Delay; got != want {
			t.Errorf("after %d failures the delay is %v, want %v", attempt, got, want)
		}
	}
}

// TestOtherRequestsRetryAtTheSamePace: [sse.Backoff.Delay] is the delay of a client that no server asked to wait.
func TestOtherRequestsRetryAtTheSamePace(t *testing.T) {
	b := sse.Backoff{Base: 2 * time.Second, Max: 10 * time.Second, Jitter: -1}
	for failures, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 3: 8 * time.Second, 4: 10 * time.Second, 1000: 10 * time.Second} {
		client := sse.DelayAfter(b, &sse.Failure{Attempt: failures, Retry: b.Base}).Delay
		if got := b.Delay(failures); got != want || got != client {
			t.Errorf("after %d failures the delay is %v, want %v; that of a client is %v", failures, got, want, client)
		}
	}
	if d := (sse.Backoff{}).Delay(1); d < time.Second || d > 1500*time.Millisecond {
		t.Errorf("by default the first delay is %v", d)
	}
}

func TestExtremeBackoffsStillWait(t *testing.T) {
	for _, b := range []sse.Backoff{
		{Max: 1<<63 - 1, Factor: 1e308, Jitter: 1e308}, {Base: 1<<63 - 1}, {Base: -1, Max: -1, Factor: -1}, {Factor: 1e-300},
	} {
		for _, attempt := range []int{1, 2, 1e6, 1<<63 - 1} {
			f := sse.DelayAfter(b, &sse.Failure{Attempt: attempt, Retry: 1<<63 - 1})
			if f.Delay < time.Minute {
				t.Errorf("%+v after %d failures waits %v", b, attempt, f.Delay)
			}
		}
	}
}

func TestJitterOnlyAdds(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		f := sse.DelayAfter(sse.Backoff{Jitter: 0.25}, &sse.Failure{Attempt: 1, Retry: 8 * time.Second})
		if f.Delay < 8*time.Second || f.Delay > 10*time.Second {
			t.Fatalf("the delay is %v", f.Delay)
		}
		seen[f.Delay] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 delays had %d values", len(seen))
	}
}

func TestWHATWGWaitsExactlyAndStopsOnRefusal(t *testing.T) {
	answers := []answer{stream("retry: 7000\n\ndata: a\n\n"), stream("data: b\n\n").then(cut), cut, cut, status(503, "Retry-After", "1")}
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		c.Recover = sse.WHATWG
		data, err := collect(c.Subscribe(get(t.Context())))
		refusal, ok := errors.AsType[*sse.ResponseError](err)
		if !ok || refusal.StatusCode != 503 || !slices.Equal(data, []string{"a", "b"}) {
			t.Errorf("got %q, %v", data, err)
		}
		seven := 7 * time.Second
		if got := s.waits(); !slices.Equal(got, []time.Duration{seven, seven, seven, seven}) {
			t.Errorf("the client waited %v", got)
		}
	})
}
