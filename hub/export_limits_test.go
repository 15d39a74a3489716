package hub

import (
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
)

// Charge lets somebody in and out, and publish an event, as requests do.
func (h *Hub) Charge(r *http.Request, g *access.Grant) error {
	from := h.addressOf(r)
	if err := h.limits.enter(from, g); err != nil {
		return err
	}
	defer h.limits.exit(from, g)
	if _, tooFast := h.limits.publish(from, g, 1); tooFast != nil {
		return tooFast
	}
	return nil
}

// AddressOf returns where a request comes from.
func (h *Hub) AddressOf(r *http.Request) string { return h.addressOf(r).String() }

// Buckets are those of a rate. Take takes from one of them, and Len says how many are kept.
type Buckets struct{ of *buckets[int] }

func NewBuckets(r Rate) Buckets { return Buckets{newBuckets[int](r)} }

func (b Buckets) Take(k, n int, at time.Time) (int, time.Duration) { return b.of.take(k, n, at) }
func (b Buckets) Len() int                                         { return len(b.of.used) }

// MaxBuckets is how many are kept.
const MaxBuckets = maxBuckets

// BodyBytes is how much memory bodies have taken that are being published.
func (h *Hub) BodyBytes() int64 { return h.bodies.inUse() }

// Refused is how many requests were refused with a problem.
func (h *Hub) Refused(problem string) uint64 { return h.count.refused[problem].Load() }
