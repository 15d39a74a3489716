package hub

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// counters count the requests since the hub was created. Package fanout counts streams and events.
type counters struct {
	began      time.Time
	duplicates atomic.Uint64 // events that had been stored before

	refused  map[string]*atomic.Uint64        // refused requests, by problem; "other" for problems of an embedder
	tokens   map[access.Reason]*atomic.Uint64 // refused tokens
	limits   [limitCount]atomic.Uint64        // refusals because of each limit
	unlisted atomic.Uint64                    // tokens refused for a reason that an embedder defined
}

// otherProblem is the metric label of problems that an embedder defined, so that the number of labels is limited.
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

func (c *counters) stored(receipts []eventlog.Receipt) {
	for i := range receipts {
		if receipts[i].Duplicate {
			c.duplicates.Add(1)
		}
	}
}

// refuse counts a refusal, and the limit that caused it.
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
