package hub

import "time"

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
