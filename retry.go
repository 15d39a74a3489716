package tidings

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// persist calls attempt until it succeeds, fails for good, or ctx ends. An attempt that did part of its work reports progress, which resets
// the backoff.
func (c *Client) persist(ctx context.Context, attempt func() (progress bool, err error)) error {
	for failures, first := 1, true; ; failures, first = failures+1, false {
		progress, err := attempt()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return interrupted(ctx, err)
		case progress:
			failures = 1
		}
		wait, again := c.recover(err, failures)
		if !again {
			return err
		}
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

// interrupted is the error of a call whose context has ended, with the error of its last attempt.
func interrupted(ctx context.Context, err error) error {
	if errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w; the last attempt: %w", ctx.Err(), err)
}

// ErrNoHub is what errors.Is finds when the answer is one that no hub gives, such as a page. It is final: the next answer would be the
// same. A refusal by another server is a [*Problem] without a Type.
var ErrNoHub = errors.New("the answer is not that of a hub")

// recover decides whether to try again after a number of consecutive failures, the last of which is err, and after how long. It follows the
// policy of subscriptions, [sse.Resilient].
func (c *Client) recover(err error, failures int) (time.Duration, bool) {
	if _, ok := errors.AsType[*unsendable](err); ok || errors.Is(err, ErrNoHub) {
		return 0, false
	}
	f := &sse.Failure{Err: err, Attempt: failures, Delay: c.Backoff.Delay(failures)}
	if problem, ok := errors.AsType[*Problem](err); ok {
		f.Err, f.RetryAfter = &sse.ResponseError{StatusCode: problem.Status}, problem.RetryAfter
	}
	return sse.Resilient(f)
}
