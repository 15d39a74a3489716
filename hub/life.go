package hub

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
)

// A stream lives as long as its token, and no longer than Options.MaxAge. It ends at a random moment of the last fifth of that time, so that
// streams that began together, or whose tokens were issued together, do not come back together. The client is told in time to get another
// token.

// warning is how long before its end a stream is told of it.
const warning = 30 * time.Second

// admit takes a subscriber in, with the end that its token sets. What was revoked since it was let in is seen here: whoever comes after
// this is found by the letter that expels.
func (s *shard) admit(sub *subscriber) {
	s.setLife(sub)
	if sub.runner == nil {
		sub.at = sub.cursor.query.After
	}
	s.adopt(sub)
	if _, yes := s.hub.revocations.Revoked(*sub.grant); yes {
		s.expel(sub, revoked)
	}
}

// setLife sets when a subscriber is warned, and when it ends: at 80 to 100 % of what its token has left, or of MaxAge if that is earlier.
func (s *shard) setLife(sub *subscriber) {
	now := s.wheel.at(time.Now())
	if !sub.grant.Expires.IsZero() {
		sub.end = now + s.wheel.ticks(mostOf(time.Until(sub.grant.Expires)))
		sub.warn = max(sub.end-s.wheel.ticks(warning), 1)
	}
	if s.hub.opts.MaxAge > 0 {
		if end := now + s.wheel.ticks(mostOf(s.hub.opts.MaxAge)); sub.end == 0 || end < sub.end {
			sub.end, sub.ages = end, true
		}
	}
}

// mostOf returns a random time of 80 to 100 % of another one.
func mostOf(d time.Duration) time.Duration {
	return time.Duration((0.8 + 0.2*rand.Float64()) * float64(d))
}

// over returns why a subscriber ends at its end.
func (sub *subscriber) over() reason {
	if sub.ages {
		return aged
	}
	return expired
}

// shortestWait returns the shortest time that a shard has to measure well. A heartbeat that a subscriber asks for is exact enough with
// ticks twice as long.
func (o *Options) shortestWait() time.Duration {
	shortest := min(o.Heartbeat, o.WriteTimeout, 2*o.HeartbeatMin)
	if o.MaxAge > 0 {
		shortest = min(shortest, o.MaxAge)
	}
	return shortest
}

// stillMay returns an error if somebody who publishes for a long time may do so no more.
func (h *Hub) stillMay(pub *publication) error {
	err := h.over(&pub.grant)
	refusal, ok := errors.AsType[*access.Refusal](err)
	if !ok {
		return err
	}
	p := problem(http.StatusUnauthorized, problemUnauthorized, "%s; get a new one, and go on with it", refusal.Public)
	p.Err = err
	return p
}
