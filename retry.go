package tidings

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// longestAsked is as long as a client waits because a hub, perhaps by mistake, said so.
const longestAsked = time.Hour

// persist calls attempt until it succeeds, fails for good, or ctx ends. An attempt that got some of its work done reports
// progress, after which waiting begins anew.
func (c *Client) persist(ctx context.Context, attempt func() (progress bool, err error)) error {
	for failures, first := 1, true; ; failures, first = failures+1, false {
		progress, err := attempt()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return interrupted(ctx, err)
		case !passing(err):
			return err
		case progress:
			failures = 1
		}
		wait := c.delay(err, failures)
		c.retrying(ctx, first, err, wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return interrupted(ctx, err)
		}
	}
}

// interrupted is the error of a call whose context has ended, with what was in its way until then.
func interrupted(ctx context.Context, err error) error {
	if errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w; the last attempt: %w", ctx.Err(), err)
}

// errAnswer is the error of an answer that no hub gives. Whoever gave it, the next one will be the same.
var errAnswer = errors.New("the answer is not that of a hub")

// passing reports whether an attempt that failed with err may succeed later.
func passing(err error) bool {
	var (
		problem *Problem
		unsent  *unsendable
		cert    *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &problem):
		return problem.temporary()
	case errors.As(err, &unsent), errors.As(err, &cert), errors.Is(err, http.ErrSchemeMismatch), errors.Is(err, errAnswer):
		return false
	}
	return true // nobody was reached, or the connection broke
}

// delay returns how long to wait after so many failures in a row. Jitter only adds: nobody comes back earlier than asked.
func (c *Client) delay(err error, failures int) time.Duration {
	b := withDefaults(c.Backoff)
	grown := min(float64(b.Base)*math.Pow(b.Factor, float64(failures-1)), float64(max(b.Max, b.Base)))
	wait := time.Duration(min(grown+grown*max(b.Jitter, 0)*rand.Float64(), math.MaxInt64/2))
	if problem, ok := errors.AsType[*Problem](err); ok {
		after := min(problem.RetryAfter, longestAsked)
		wait = max(wait, after+time.Duration(rand.Float64()*float64(after)/10))
	}
	return wait
}

// withDefaults fills in what [sse.Backoff] says of fields that are zero.
func withDefaults(b sse.Backoff) sse.Backoff {
	if b.Base <= 0 {
		b.Base = time.Second
	}
	if b.Max <= 0 {
		b.Max = 30 * time.Second
	}
	if b.Factor < 1 || math.IsNaN(b.Factor) {
		b.Factor = 2
	}
	if b.Jitter == 0 || math.IsNaN(b.Jitter) {
		b.Jitter = 0.5
	}
	return b
}
