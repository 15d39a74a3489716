package tidings

import (
	"math"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// TestMemberTriesAgainWithin10Seconds, whatever the backoff of its client, and with any reconnection time that a hub that is not ready asks for.
// A hub that asks for more gets it.
func TestMemberTriesAgainWithin10Seconds(t *testing.T) {
	for _, b := range []sse.Backoff{
		{},
		{Max: time.Hour},
		{Base: time.Hour},
		{Base: -1, Max: -1},
		{Jitter: 5},
		{Jitter: -1, Max: time.Hour},
		{Factor: 1e9},
		{Jitter: math.Inf(1)},
		{Jitter: math.NaN(), Factor: math.NaN()},
		{Jitter: math.Inf(-1)},
	} {
		for failures := range 50 {
			if d := soon(b).Delay(failures + 1); d <= 0 || d > longestAway {
				t.Errorf("%+v: after %d failures the delay is %v", b, failures+1, d)
			}
		}
	}
	if d := soon(sse.Backoff{Max: time.Second, Jitter: -1}).Delay(50); d != time.Second {
		t.Errorf("a shorter backoff becomes %v", d)
	}
	for _, of := range []struct{ asked, after, longest time.Duration }{
		{10 * time.Second, 0, 10 * time.Second}, {0, 5 * time.Second, 10 * time.Second}, {0, 20 * time.Second, 20 * time.Second}, {40 * time.Second, 0, 40 * time.Second},
	} {
		f := &sse.Failure{Err: sse.ErrEnded, Retry: of.asked, RetryAfter: of.after, Delay: time.Minute}
		if d, again := recoverSoon(f); !again || d != of.longest {
			t.Errorf("%+v: the delay is %v", of, d)
		}
	}
}
