package fanout

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// counters count since the start. Where many subscribers get the same, one addition counts for all of them.
type counters struct {
	newest atomic.Int64 // id of the newest subscriber

	opened    atomic.Uint64          // streams
	closed    [reasons]atomic.Uint64 // streams
	stored    atomic.Uint64          // records that came into the log
	delivered atomic.Uint64          // events, to one subscriber each
	bytes     atomic.Uint64          // to subscribers
	skipped   atomic.Uint64          // slow subscribers that were moved on
	notices   atomic.Uint64          // messages about boards, to one subscriber each
	latency   latency
}

// open counts a stream and returns its id, which no other stream has.
func (c *counters) open() int64 {
	c.opened.Add(1)
	for {
		last := c.newest.Load()
		now := max(time.Now().UnixMicro(), last+1)
		if c.newest.CompareAndSwap(last, now) {
			return now
		}
	}
}

// sent counts the same bytes and events for several subscribers at once.
func (c *counters) sent(subscribers, events, bytes int) {
	if events > 0 {
		c.delivered.Add(uint64(subscribers * events))
	}
	c.bytes.Add(uint64(subscribers * bytes))
}

// latency is a histogram of the time from the log to the sockets. One addition counts all subscribers that got the same bytes
// at the same time.
type latency struct {
	buckets [latencyBuckets]atomic.Uint64 // the i-th counts those that took less than 2^i ms
	sum     atomic.Int64                  // ns
}

// latencyBuckets reach from 1 ms, the unit of a record's time, to a minute.
const latencyBuckets = 18

func (l *latency) observe(took time.Duration) {
	took = max(took, 0)
	l.buckets[min(bits.Len64(uint64(took/time.Millisecond)), latencyBuckets-1)].Add(1)
	l.sum.Add(int64(took))
}

// Counts are the counters, since the start.
type Counts struct {
	Opened    uint64            // streams
	Closed    map[Reason]uint64 // streams
	Stored    uint64            // records that came into the log
	Delivered uint64            // events, counted for each subscriber
	Bytes     uint64            // sent to subscribers
	Moved     uint64            // slow subscribers that were moved on
	Notices   uint64            // messages about boards, counted for each subscriber

	Latency    []uint64 // deliveries; the i-th are those that took less than 2^i ms, the last all others
	LatencySum time.Duration

	Seen         eventlog.Position // of the newest record in memory
	WindowEvents int
	WindowBytes  int64
}

// Counts returns the counters.
func (f *Fanout) Counts() Counts {
	c := &f.count
	n := Counts{
		Opened: c.opened.Load(), Closed: make(map[Reason]uint64), Stored: c.stored.Load(), Delivered: c.delivered.Load(), Bytes: c.bytes.Load(),
		Moved: c.skipped.Load(), Notices: c.notices.Load(), LatencySum: time.Duration(c.latency.sum.Load()), Seen: f.window.head(),
	}
	for r := Gone; r < reasons; r++ {
		n.Closed[r] = c.closed[r].Load()
	}
	for i := range c.latency.buckets {
		n.Latency = append(n.Latency, c.latency.buckets[i].Load())
	}
	n.WindowEvents, n.WindowBytes = f.window.size()
	return n
}
