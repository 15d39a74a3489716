package hub

import (
	"errors"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// counters are what happened since the hub began. All of it is counted where it happens, once for many subscribers where that is possible,
// and looked at when somebody asks.
type counters struct {
	began time.Time
	last  atomic.Int64 // µs since 1970 at which the newest stream was opened

	opened     atomic.Uint64          // streams
	closed     [reasons]atomic.Uint64 // streams
	taken      atomic.Uint64          // events that came into the log
	delivered  atomic.Uint64          // events, to one subscriber each
	bytes      atomic.Uint64          // to subscribers
	duplicates atomic.Uint64          // events that were stored before
	skipped    atomic.Uint64          // slow subscribers that were moved on
	latency    latency

	refused  map[string]*atomic.Uint64        // requests, by problem; "other" for those of an embedder
	tokens   map[access.Reason]*atomic.Uint64 // that were refused
	limits   [limitCount]atomic.Uint64        // times that one was reached
	unlisted atomic.Uint64                    // tokens that were refused for a reason of an embedder's own

	unread atomic.Bool // the log cannot be read at the moment
}

// otherProblem is what metrics call problems that are not the hub's own: labels are bounded.
const otherProblem = "other"

var tokenReasons = []access.Reason{
	access.Malformed, access.WrongAlgorithm, access.UnknownKey, access.BadSignature, access.BadClaims, access.WrongIssuer, access.WrongAudience,
	access.Expired, access.NotYetValid, access.Revoked, access.Unavailable,
}

func (c *counters) begin() {
	c.began = time.Now()
	c.refused = map[string]*atomic.Uint64{otherProblem: new(atomic.Uint64)}
	for _, p := range wire.Problems() {
		c.refused[string(p.Name)] = new(atomic.Uint64)
	}
	c.tokens = make(map[access.Reason]*atomic.Uint64)
	for _, reason := range tokenReasons {
		c.tokens[reason] = new(atomic.Uint64)
	}
}

// open counts a stream, and returns when it was opened: no two have the same.
func (c *counters) open() int64 {
	c.opened.Add(1)
	for {
		last := c.last.Load()
		now := max(time.Now().UnixMicro(), last+1)
		if c.last.CompareAndSwap(last, now) {
			return now
		}
	}
}

// sent counts what some subscribers got, each the same.
func (c *counters) sent(subscribers, events, bytes int) {
	if events > 0 {
		c.delivered.Add(uint64(subscribers * events))
	}
	c.bytes.Add(uint64(subscribers * bytes))
}

// take counts what has come into the log.
func (c *counters) take(records []eventlog.Record) { c.taken.Add(uint64(len(records))) }

func (c *counters) stored(receipts []eventlog.Receipt) {
	for i := range receipts {
		if receipts[i].Duplicate {
			c.duplicates.Add(1)
		}
	}
}

// refuse counts a refusal, and the limit that was reached.
func (c *counters) refuse(p *Problem) {
	n := c.refused[p.Name]
	if n == nil {
		n = c.refused[otherProblem]
	}
	n.Add(1)
	if reached, ok := errors.AsType[*limitError](p.Err); ok {
		c.limits[reached.limit].Add(1)
	}
}

func (c *counters) refuseToken(reason access.Reason) {
	if n := c.tokens[reason]; n != nil {
		n.Add(1)
		return
	}
	c.unlisted.Add(1)
}

// latency counts how long events took from the log to the sockets, once for those who got the same at the same time.
type latency struct {
	buckets [latencyBuckets]atomic.Uint64 // the i-th has those that took less than 2^i ms
	sum     atomic.Int64                  // ns
}

// latencyBuckets reach from 1 ms, the unit of a record's time, to a minute.
const latencyBuckets = 18

func (l *latency) observe(took time.Duration) {
	took = max(took, 0)
	l.buckets[min(bits.Len64(uint64(took/time.Millisecond)), latencyBuckets-1)].Add(1)
	l.sum.Add(int64(took))
}
