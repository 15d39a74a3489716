package hub

import (
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
)

// Charge counts one stream and one event for a client, as requests do.
func (h *Hub) Charge(r *http.Request, g *access.Grant) error {
	from := h.addressOf(r)
	if err := h.limits.enter(true, from, g); err != nil {
		return err
	}
	defer h.limits.exit(true, from, g)
	if _, tooFast := h.limits.publish(from, g, 1, 1); tooFast != nil {
		return tooFast
	}
	return nil
}

// AddressOf returns the client's address of a request.
func (h *Hub) AddressOf(r *http.Request) string { return h.addressOf(r).String() }

// Buckets are the buckets of a rate. Take takes events from a bucket; Len returns the number of stored buckets.
type Buckets struct{ of *buckets[int] }

func NewBuckets(r Rate) Buckets { return Buckets{newBuckets[int](r)} }

func (b Buckets) Take(k, n int, at time.Time) (int, time.Duration) { return b.of.take(k, n, 1, at) }
func (b Buckets) Len() int                                         { return len(b.of.used) }

// MaxBuckets is the largest number of stored buckets.
const MaxBuckets = maxBuckets

// BodyBytes returns the memory that is reserved for bodies.
func (h *Hub) BodyBytes() int64 { return h.bodies.inUse() }

// Refused returns the number of requests that were refused with a problem.
func (h *Hub) Refused(problem string) uint64 { return h.count.refused[problem].Load() }
