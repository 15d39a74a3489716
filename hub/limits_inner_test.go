package hub

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
)

// TestUnknownAddressDoesNotReleaseOthersStreams: an unknown address is not in the network ::/64, whose streams belong to ::1.
func TestUnknownAddressDoesNotReleaseOthersStreams(t *testing.T) {
	h := &Hub{}
	at := func(remote string) address {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = remote
		return h.addressOf(r)
	}
	l, g := newLimits(&Options{MaxPerAddress: 1}), new(access.Grant)
	for _, remote := range []string{"[::1]:1", "@"} {
		if err := l.enter(true, at(remote), g); err != nil {
			t.Fatal(err)
		}
	}
	l.exit(true, at("@"), g)
	if l.enter(true, at("[::1]:2"), g) == nil {
		t.Error("::1 has two streams, and may have one")
	}
}

// TestVeryLowRateIsALimit: the nanoseconds per event must not overflow.
func TestVeryLowRateIsALimit(t *testing.T) {
	for _, perSecond := range []float64{1e-9, 1e-10, 1e-300} {
		b := newBuckets[int](Rate{PerSecond: perSecond, Burst: 1})
		taken, now := 0, time.Now()
		for i := range 1000 {
			n, _ := b.take(1, 1, 1, now.Add(time.Duration(i)*time.Microsecond))
			taken += n
		}
		if taken != 1 {
			t.Errorf("%d events in a millisecond at %g a second, want 1", taken, perSecond)
		}
	}
}

// TestAVeryHighRateAllowsItsBurst: a burst larger than an int must not overflow to one event.
func TestAVeryHighRateAllowsItsBurst(t *testing.T) {
	for _, perSecond := range []float64{1e6, 1e18, 1e19, 1e300} {
		b := newBuckets[int](Rate{PerSecond: perSecond})
		if taken, _ := b.take(1, 1000, 1, time.Now()); taken != 1000 {
			t.Errorf("of %g events a second, %d of 1000 may be published at once", perSecond, taken)
		}
	}
}

// TestRefusedEventsComeBackToTheSharedBucket: an address beyond the limit on buckets lost the events that were not stored.
func TestRefusedEventsComeBackToTheSharedBucket(t *testing.T) {
	t.Parallel()
	b, now := newBuckets[int](Rate{PerSecond: 1, Burst: 100}), time.Now()
	for k := range maxBuckets {
		b.take(k, 100, 1, now)
	}
	for range 3 {
		if n, _ := b.take(maxBuckets, 100, 1, now); n != 100 {
			t.Fatalf("%d events may be published, want 100", n)
		}
		b.giveBack(maxBuckets, 100)
	}
	if n, _ := b.take(maxBuckets+1, 200, 1, now); n != 100 {
		t.Errorf("the shared bucket has %d events, want no more than its burst of 100", n)
	}
}
