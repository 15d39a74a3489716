package hub

import (
	"math"
	"sync"
	"time"
)

// Rate limits publishing, as a token bucket.
type Rate struct {
	PerSecond float64 // events a second on average; 0: no limit
	Burst     int     // events at once, after a pause; 0: the events of one second, at least one
}

// buckets are token buckets, one for each address or token. A bucket is stored as the time up to which its events are used up. A bucket
// whose time is in the past is full, and need not be stored.
type buckets[K comparable] struct {
	rate  Rate
	each  int64 // ns that one event takes; 0: no limit
	burst int64 // ns that a full bucket holds

	mu     sync.Mutex // guards the following
	used   map[K]int64
	swept  int64 // when full buckets were last deleted
	shared int64 // the bucket of all keys beyond maxBuckets
}

// maxBuckets limits the memory to some 10 MB. Keys beyond it share one bucket. A client with many addresses can neither fill the memory
// nor take the buckets of others.
const maxBuckets = 100_000

// newBuckets returns nil if there is no limit.
func newBuckets[K comparable](r Rate) *buckets[K] {
	if r.PerSecond == 0 {
		return nil
	}
	if r.Burst == 0 {
		r.Burst = int(min(max(r.PerSecond, 1), math.MaxInt32)) // Go does not define the conversion of a float that overflows
	}
	const most = math.MaxInt64 / 8 // ns, some 36 years: sums with the current time do not overflow
	each := int64(min(max(float64(time.Second)/r.PerSecond, 1), most))
	burst := int64(min(float64(each)*float64(r.Burst), most))
	return &buckets[K]{rate: r, each: each, burst: burst, used: make(map[K]int64)}
}

// take takes up to n events from a bucket, but none if it holds fewer than least. If it takes fewer than n, wait is the time until the next
// call can take some.
func (b *buckets[K]) take(k K, n, least int, at time.Time) (taken int, wait time.Duration) {
	if b == nil || n == 0 {
		return n, 0
	}
	now := at.UnixNano()
	b.mu.Lock()
	defer b.mu.Unlock()
	used, known := b.used[k]
	fits := known || len(b.used) < maxBuckets || b.sweep(now)
	if !fits {
		used = b.shared
	}
	used = max(used, now)
	left := (now + b.burst - used) / b.each
	if taken = int(min(int64(n), max(left, 0))); taken < least {
		taken = 0
	}
	used += int64(taken) * b.each
	if fits {
		b.used[k] = used
	} else {
		b.shared = used
	}
	if taken < n {
		next := 1
		if taken == 0 {
			next = least
		}
		wait = time.Duration(max(used+int64(next)*b.each-now-b.burst, 0))
	}
	return taken, wait
}

// most returns how many events a full bucket holds.
func (b *buckets[K]) most() int {
	if b == nil {
		return math.MaxInt
	}
	return int(b.burst / b.each)
}

// giveBack returns unused events to a bucket. A key without a bucket has taken them from the shared one, if all buckets are in use. Otherwise
// its bucket was deleted because it is full.
func (b *buckets[K]) giveBack(k K, n int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	back := int64(n) * b.each
	if used, known := b.used[k]; known {
		b.used[k] = used - back
	} else if len(b.used) >= maxBuckets {
		b.shared = max(b.shared-back, 0) // take gives no more than a full bucket
	}
}

// sweep deletes full buckets, at most once a second, and reports whether a new bucket may be stored.
func (b *buckets[K]) sweep(now int64) bool {
	if now-b.swept < int64(time.Second) {
		return false
	}
	b.swept = now
	for k, used := range b.used {
		if used <= now {
			delete(b.used, k)
		}
	}
	return len(b.used) < maxBuckets
}
