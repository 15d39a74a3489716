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

// Failure describes a connection that ended or could not be established.
type Failure struct {
	// Err is [ErrEnded] after the clean end of a stream, and a [*ResponseError] for a response that is no event stream.
	// Else it is a [*RedirectError], a [*TruncatedError], a [*TooLargeError], [ErrIdle], or the transport's error.
	Err error

	// Attempt counts consecutive failures, from 1. An event resets the count, and so does a connection that lasted
	// for [Backoff.Max].
	Attempt int

	// Retry is the standard's reconnection time: the server's last retry field, else [Backoff.Base].
	Retry time.Duration

	// RetryAfter is the delay in the response's Retry-After field (RFC 9110, 10.2.3); 0 if there is none.
	RetryAfter time.Duration

	// Delay is the delay that [Client.Backoff] computes from Attempt and Retry. In [Client.Observe] it is the delay that
	// the policy chose.
	Delay time.Duration

	// KeepRedirect, set by the policy, makes reconnections go directly to the target of the last redirect. It has no
	// effect if there was no redirect, or if its target did not answer.
	KeepRedirect bool
}

// failure counts err as the next consecutive failure and describes it.
func (s *Source) failure(err error) *Failure {
	s.failures++
	b := s.client.Backoff.withDefaults()
	f := &Failure{Err: err, Attempt: s.failures, Retry: b.Base}
	base := b.Base
	if s.asked {
		f.Retry, base = s.retry, min(s.retry, longestAsked)
	}
	if refusal, ok := errors.AsType[*ResponseError](err); ok {
		f.RetryAfter = ParseRetryAfter(refusal.Header.Get("Retry-After"), time.Now())
	}
	f.Delay = b.delay(base, f.Attempt)
	return f
}

// recover asks the policy whether to reconnect after f and stores the delay in f.
func (c *Client) recover(f *Failure) bool {
	policy := c.Recover
	if policy == nil {
		policy = Resilient
	}
	delay, again := policy(f)
	f.Delay = delay
	return again
}

// Resilient is the policy for long-running programs: it reconnects with exponential backoff after every failure that
// may be temporary. An unreachable server counts as temporary, so it retries without limit; [Client.Observe] shows it.
//
// It gives up after
//   - a status other than 408, 425, 429 and 5xx;
//   - 501, 505, 506, 508 and 510, which report a lasting fault of the server;
//   - a content type other than text/event-stream;
//   - a redirect that cannot be followed;
//   - an untrusted certificate, or an HTTP server behind an https URL;
//   - an event that is too large.
//
// Each reconnection starts from the request's own URL, so that a server which redirects to one of many can choose
// again. Retry-After is honoured up to one hour, plus up to a tenth of jitter. The shortest delay is 10 ms.
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
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusVariantAlsoNegotiates, http.StatusLoopDetected,
		http.StatusNotExtended:
		return false
	}
	return status >= 500
}

// WHATWG is the policy of browsers (WHATWG HTML 9.2.2 and 9.2.3). A response that is no event stream ends the
// subscription. After any other failure it reconnects after exactly the reconnection time. After redirects of any
// status it reconnects to the URL that answered last.
//
// It differs from the standard in two cases. If the target of a redirect never answers, it returns to the previous URL,
// as Chromium does; the standard would stay with the dead target. An event larger than [Client.MaxEvent] ends the
// subscription; a browser has no limit.
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

// Backoff computes delays that grow with each consecutive failure. Zero fields mean their defaults.
type Backoff struct {
	Base   time.Duration // before the first reconnection, unless the server's retry field says otherwise; 1 s
	Max    time.Duration // the longest delay before jitter; 30 s, or the server's retry field if that is longer
	Factor float64       // growth from one failure to the next; 2
	Jitter float64       // the largest fraction of the delay that is added at random; 0.5. Negative means none
}

const (
	// leastDelay prevents a tight loop when a server asks for no delay and ends its streams at once.
	leastDelay = 10 * time.Millisecond
	// leastRepeated is the least base delay after two or more consecutive failures, for servers that ask for no delay.
	leastRepeated = 100 * time.Millisecond
	// longestAsked is the longest delay that a server can ask for; a longer one is probably a mistake.
	longestAsked = time.Hour
	// longestDelay keeps delays within the range of a Duration: 146 years.
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

// Delay returns the delay after a number of consecutive failures, at least one. It is for programs that retry other
// requests at the same pace; [Client] computes its own delays.
func (b Backoff) Delay(failures int) time.Duration {
	b = b.withDefaults()
	return b.delay(b.Base, failures)
}

// delay returns the delay after a number of consecutive failures; base is the delay after the first. Jitter only adds,
// so that no client reconnects earlier than the server asked.
func (b Backoff) delay(base time.Duration, failures int) time.Duration {
	if failures > 1 {
		base = max(base, leastRepeated)
	}
	grown := float64(base) * math.Pow(b.Factor, float64(failures-1))
	grown = min(grown, float64(max(b.Max, base)))
	return time.Duration(min(grown+grown*max(b.Jitter, 0)*rand.Float64(), longestDelay))
}

// ParseRetryAfter reads the value of a Retry-After field: seconds or a date (RFC 9110, 10.2.3). It returns the delay from
// now. The delay is 0 if the date has passed, or if value is neither seconds nor a date.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	seconds, err := strconv.ParseUint(value, 10, 32)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then seconds is the largest value of 32 bits
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}
