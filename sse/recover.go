package sse

import (
	"crypto/tls"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Failure is why a connection ended or could not be made.
type Failure struct {
	// Err is [ErrEnded] after the clean end of a stream, a [*ResponseError] for a refusal, else a
	// [*RedirectError], [*TruncatedError], [*TooLargeError], [ErrIdle], or what the transport said.
	Err error

	// Attempt counts the failures in a row, from 1. An event starts the count anew, and so does
	// a connection that lasted [Backoff.Max].
	Attempt int

	// Retry is the reconnection time of the standard: what the server asked for last, else [Backoff.Base].
	Retry time.Duration

	// RetryAfter is what the answer's Retry-After field asks for (RFC 9110, 10.2.3); 0 if nothing.
	RetryAfter time.Duration

	// Delay is what [Client.Backoff] makes of Attempt and Retry. When the failure is observed, it is the
	// time that will be waited.
	Delay time.Duration

	// KeepRedirect, set by the policy, makes the reconnection repeat the request that got the last answer: it goes
	// straight to where the redirects led. It has no effect when no redirect was answered.
	KeepRedirect bool
}

// failure describes err as the latest in a row.
func (s *Source) failure(err error) *Failure {
	s.failures++
	b := s.client.Backoff.withDefaults()
	f := &Failure{Err: err, Attempt: s.failures, Retry: b.Base}
	base := b.Base
	if s.asked {
		f.Retry, base = s.retry, min(s.retry, longestAsked)
	}
	if refusal, ok := errors.AsType[*ResponseError](err); ok {
		f.RetryAfter = parseRetryAfter(refusal.Header.Get("Retry-After"), time.Now())
	}
	f.Delay = b.delay(base, f.Attempt)
	return f
}

// recover asks the policy whether to go on after f, and notes the delay in it.
func (c *Client) recover(f *Failure) bool {
	policy := c.Recover
	if policy == nil {
		policy = Resilient
	}
	delay, again := policy(f)
	f.Delay = delay
	return again
}

// Resilient is the policy for programs that run for long: it reconnects, with growing delays, as long as that
// may help. It always starts from the request's own URL, so that a server which redirects to one of many can choose
// again. What helps no more is an answer other than 408, 425, 429 and 5xx, a content type other than
// text/event-stream, a redirect that leads nowhere, a certificate that is not trusted, HTTP where HTTPS was wanted, an
// event that is too large. A server that cannot be reached may come up, so that goes on for ever: [Client.Observe] tells.
// Retry-After is honoured up to an hour, with a tenth of jitter on top. No wait is shorter than 10 ms.
func Resilient(f *Failure) (time.Duration, bool) {
	var (
		refusal  *ResponseError
		request  *RequestError
		redirect *RedirectError
		large    *TooLargeError
		cert     *tls.CertificateVerificationError
	)
	switch {
	case errors.As(f.Err, &refusal) && !temporary(refusal.StatusCode):
		return 0, false
	case errors.As(f.Err, &request), errors.As(f.Err, &redirect), errors.As(f.Err, &large), errors.As(f.Err, &cert),
		errors.Is(f.Err, http.ErrSchemeMismatch):
		return 0, false
	}
	after := min(f.RetryAfter, longestAsked)
	return max(f.Delay, leastDelay, after+time.Duration(rand.Float64()*float64(after)/10)), true
}

func temporary(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// WHATWG is the browser's policy to the letter (WHATWG HTML 9.2.2 and 9.2.3): any answer that is not an event stream
// ends it for good, anything else is followed by a reconnection after exactly the reconnection time. After redirects
// of any status it reconnects to the URL that answered last, as browsers do. A redirect whose target never answered
// changes nothing: there Chromium goes back and the standard does not, which would leave a client with a dead address.
// The sole exception is an event beyond [Client.MaxEvent], which a browser would take in.
func WHATWG(f *Failure) (time.Duration, bool) {
	var (
		refusal *ResponseError
		request *RequestError
		large   *TooLargeError
	)
	if errors.As(f.Err, &refusal) || errors.As(f.Err, &request) || errors.As(f.Err, &large) {
		return 0, false
	}
	f.KeepRedirect = true
	return f.Retry, true
}

// Backoff makes delays that grow with every failure in a row. Fields that are zero have their defaults.
type Backoff struct {
	Base   time.Duration // before the first reconnection, unless the server's retry field says otherwise; 1 s
	Max    time.Duration // the longest delay before jitter; 30 s, or what the server asked for if that is longer
	Factor float64       // from one failure to the next; 2
	Jitter float64       // the part of a delay that is added at random at the most; 0.5. Negative means none
}

const (
	// leastDelay keeps a server that asks for no delay, and ends its streams at once, from being called in a tight loop.
	leastDelay = 10 * time.Millisecond
	// leastRepeated is what delays grow from when a server asks for none and then fails.
	leastRepeated = 100 * time.Millisecond
	// longestAsked is as long as a client waits because a server, perhaps by mistake, said so.
	longestAsked = time.Hour
	// longestDelay is what a Duration can still hold, 146 years.
	longestDelay = 1 << 62
)

func (b Backoff) withDefaults() Backoff {
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

// delay returns how long to wait after the given number of failures in a row when base is to be waited after
// the first. Jitter only adds: nobody comes back earlier than the server asked.
func (b Backoff) delay(base time.Duration, failures int) time.Duration {
	if failures > 1 {
		base = max(base, leastRepeated)
	}
	grown := float64(base) * math.Pow(b.Factor, float64(failures-1))
	grown = min(grown, float64(max(b.Max, base)))
	return time.Duration(min(grown+grown*max(b.Jitter, 0)*rand.Float64(), longestDelay))
}

// parseRetryAfter reads seconds or a date (RFC 9110, 10.2.3); anything else, and the past, is 0.
func parseRetryAfter(value string, now time.Time) time.Duration {
	seconds, err := strconv.ParseUint(value, 10, 32)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then seconds is the largest there is
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}
