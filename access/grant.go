package access

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Grant is what a client may do. The zero Grant allows nothing.
type Grant struct {
	// Subject names the client and separates its idempotency keys from those of other subjects. It may be empty.
	Subject string

	// Credential identifies the accepted credential; for a token it is a hash of the signed part. It is 0 if there was none.
	// A client with a Credential but no Subject is authenticated: it gets 403 instead of 401, and has limits of its own.
	Credential uint64

	ID       string    // the token's ID, to revoke it alone; may be empty
	IssuedAt time.Time // zero: unknown
	Expires  time.Time // the end of the streams that the grant allows; zero: none

	Publish   []eventlog.Matcher // topics that the client may publish to; tokens have patterns, embedders may have others
	Subscribe []eventlog.Matcher // topics that the client may subscribe to
	Presence  []eventlog.Matcher // topics at which the client may see who is present
	Admin     bool               // the client may inspect and administer the hub

	// PresentData is what others see of the subject where it is present: JSON of at most [MaxPresentData] bytes. Empty: only its name
	PresentData string
}

// MaxPresentData is the size of the largest [Grant.PresentData], in bytes.
const MaxPresentData = 256

// Everything returns a grant for everything except the hub's own topics.
func Everything() Grant {
	all := []eventlog.Matcher{eventlog.MustPattern("**")}
	return Grant{Publish: all, Subscribe: all, Presence: all, Admin: true}
}

// MayPublish reports whether the grant allows publishing to a topic.
func (g Grant) MayPublish(topic string) bool {
	return slices.ContainsFunc(g.Publish, func(m eventlog.Matcher) bool { return m.Match(topic) })
}

// MayRead reports whether the grant allows subscribing to a topic.
func (g Grant) MayRead(topic string) bool {
	return slices.ContainsFunc(g.Subscribe, func(m eventlog.Matcher) bool { return m.Match(topic) })
}

// MaySee reports whether the grant allows seeing who is present at a topic.
func (g Grant) MaySee(topic string) bool {
	return slices.ContainsFunc(g.Presence, func(m eventlog.Matcher) bool { return m.Match(topic) })
}

// MayFollow reports whether the grant allows subscribing to all topics that a matcher matches, such as a pattern. One of the granted matchers
// must cover it alone; the union of several is not considered.
func (g Grant) MayFollow(m eventlog.Matcher) bool {
	return slices.ContainsFunc(g.Subscribe, func(granted eventlog.Matcher) bool { return covers(granted, m) })
}

// Coverer is a matcher that knows which matchers of other kinds it covers. Without this method, a granted matcher that is not a pattern
// covers only matchers that are equal to it.
type Coverer interface {
	eventlog.Matcher

	// CoversMatcher reports whether every topic that m matches is matched by the receiver, too.
	CoversMatcher(m eventlog.Matcher) bool
}

// covers reports whether granted is known to match every topic that m matches.
func covers(granted, m eventlog.Matcher) bool {
	if c, ok := granted.(Coverer); ok {
		return c.CoversMatcher(m)
	}
	if p, ok := granted.(eventlog.Pattern); ok {
		if other, ok := m.(eventlog.Pattern); ok {
			return p.Covers(other)
		}
		return coversPrefix(p.String(), m.Prefix())
	}
	return reflect.TypeOf(granted).Comparable() && granted == m
}

// coversPrefix reports whether a pattern is known to match every topic with a prefix. This is known only for ** alone, and for literal
// segments before /**.
func coversPrefix(pattern, prefix string) bool {
	if pattern == "**" {
		return prefix != "" && !eventlog.Reserved(prefix)
	}
	base, ok := strings.CutSuffix(pattern, "/**")
	return ok && !eventlog.IsPattern(base) && strings.HasPrefix(prefix, base+"/")
}
