package hub

import (
	"errors"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
)

// await returns the next batch of a body, or false after the last, as long as its sender may publish. He may be silent in the middle of it,
// and is not waited for when his token ends or is revoked.
func (h *Hub) await(pub *publication, batches <-chan batch) (b batch, more bool, err error) {
	var expired <-chan time.Time
	if end := pub.grant.Expires; !end.IsZero() {
		timer := time.NewTimer(time.Until(end))
		defer timer.Stop()
		expired = timer.C
	}
	for {
		revoked := h.revocations.next() // before the look, which may miss what comes after it
		if err := h.stillMay(pub); err != nil {
			return b, false, err
		}
		select {
		case b, more = <-batches:
			return b, more, nil
		case <-expired:
		case <-revoked:
		}
	}
}

// stillMay returns an error if a client that publishes for a long time may not do so any more.
func (h *Hub) stillMay(pub *publication) error { return h.stillGranted(&pub.grant) }

func (h *Hub) stillGranted(g *access.Grant) error {
	err := h.over(g)
	refusal, ok := errors.AsType[*access.Refusal](err)
	if !ok {
		return err
	}
	p := problem(http.StatusUnauthorized, problemUnauthorized, "%s; get a new one, and go on with it", refusal.Public)
	p.Err = err
	return p
}
