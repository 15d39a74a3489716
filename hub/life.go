package hub

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
)

// A stream lives as long as what allows it. It ends somewhat before its token does, so that those whose tokens were issued together do not
// come back together, and its client is told in time to get another one.

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

// setLife sets when a subscriber is warned, and ends: at 80 to 100 % of what its token has left.
func (s *shard) setLife(sub *subscriber) {
	if sub.grant.Expires.IsZero() {
		return
	}
	life := time.Duration((0.8 + 0.2*rand.Float64()) * float64(time.Until(sub.grant.Expires)))
	now := int64(time.Since(s.wheel.start) / s.wheel.tick)
	sub.end = now + s.wheel.ticks(life)
	sub.warn = max(sub.end-s.wheel.ticks(warning), 1)
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
