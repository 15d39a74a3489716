package hub

import (
	"math"
	"sync"
	"time"
)

// Rate is how many events somebody may publish.
type Rate struct {
	PerSecond float64 // on average; 0: no bound
	Burst     int     // at once, after a pause; 0: as many as in a second, at least one
}

// buckets hold what each may publish. A bucket is a moment: that up to which everything it has earned is used. One whose moment has passed
// is full, and not kept.
type buckets[K comparable] struct {
	rate  Rate
	each  int64 // ns in which an event is earned; 0: no bound
	burst int64 // ns that can be saved

	mu    sync.Mutex // guards the following
	used  map[K]int64
	swept int64 // when full ones were dropped last
	crowd int64 // the bucket of all for whom there is no room
}

// maxBuckets bounds the memory to some 10 MB. Who comes when all of them are in use shares one with the others that come then: neither can
// somebody with many addresses fill the memory, nor take theirs from those who have one.
const maxBuckets = 100_000

// newBuckets returns nil for no bound.
func newBuckets[K comparable](r Rate) *buckets[K] {
	if r.PerSecond == 0 {
		return nil
	}
	if r.Burst == 0 {
		r.Burst = int(min(max(r.PerSecond, 1), math.MaxInt32)) // a float that is too large for an int is any int
	}
	const most = math.MaxInt64 / 8 // ns, some 36 years: sums with the time of day have room
	each := int64(min(max(float64(time.Second)/r.PerSecond, 1), most))
	burst := int64(min(float64(each)*float64(r.Burst), most))
	return &buckets[K]{rate: r, each: each, burst: burst, used: make(map[K]int64)}
}

// take takes as many of n events as there are. If that is not all, it says how long the next one takes.
func (b *buckets[K]) take(k K, n int, at time.Time) (taken int, wait time.Duration) {
	if b == nil || n == 0 {
		return n, 0
	}
	now := at.UnixNano()
	b.mu.Lock()
	defer b.mu.Unlock()
	used, known := b.used[k]
	room := known || len(b.used) < maxBuckets || b.sweep(now)
	if !room {
		used = b.crowd
	}
	used = max(used, now)
	left := (now + b.burst - used) / b.each
	taken = int(min(int64(n), max(left, 0)))
	used += int64(taken) * b.each
	if room {
		b.used[k] = used
	} else {
		b.crowd = used
	}
	if taken < n {
		wait = time.Duration(max(used+b.each-now-b.burst, 0))
	}
	return taken, wait
}

// giveBack returns what was taken and is not used.
func (b *buckets[K]) giveBack(k K, n int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if used, known := b.used[k]; known {
		b.used[k] = used - int64(n)*b.each
	}
}

// sweep drops the buckets that are full, once a second at the most, and reports whether there is room.
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
