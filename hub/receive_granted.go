package hub

import (
	"errors"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/internal/wire"
)

// await returns the next batch of a body, or false after the last. It returns an error as soon as the token of the publisher expires or
// is revoked, even while the publisher is silent, or when the hub ends all bodies.
func (h *Hub) await(p *Publication, batches <-chan batch) (b batch, more bool, err error) {
	var expired <-chan time.Time
	if end := p.grant.Expires; !end.IsZero() {
		timer := time.NewTimer(time.Until(end))
		defer timer.Stop()
		expired = timer.C
	}
	for {
		revoked := h.revocations.next() // before the check, so that no revocation is missed
		if err := h.stillGranted(&p.grant); err != nil {
			return b, false, err
		}
		select {
		case b, more = <-batches:
			return b, more, nil
		case <-expired:
		case <-revoked:
		case <-h.bodiesEnd.Done():
			return b, false, h.drainProblem()
		}
	}
}

// stillGranted returns an error if the grant of a publisher has expired or was revoked.
func (h *Hub) stillGranted(g *access.Grant) error {
	err := h.over(g)
	refusal, ok := errors.AsType[*access.Refusal](err)
	if !ok {
		return err
	}
	p := NewProblem(http.StatusUnauthorized, wire.ProblemUnauthorized, "%s; get a new token and continue with it", refusal.Public)
	p.Err = err
	return p
}
