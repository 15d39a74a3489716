package access

import (
	"slices"
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

	Publish   []eventlog.Pattern // topics that the client may publish to
	Subscribe []eventlog.Pattern // topics that the client may subscribe to
	Admin     bool               // the client may inspect and administer the hub
}

// Everything returns a grant for everything except the hub's own topics.
func Everything() Grant {
	all := []eventlog.Pattern{eventlog.MustPattern("**")}
	return Grant{Publish: all, Subscribe: all, Admin: true}
}

// MayPublish reports whether the grant allows publishing to a topic.
func (g Grant) MayPublish(topic string) bool {
	return slices.ContainsFunc(g.Publish, func(p eventlog.Pattern) bool { return p.Match(topic) })
}

// MayRead reports whether the grant allows subscribing to a topic.
func (g Grant) MayRead(topic string) bool {
	return slices.ContainsFunc(g.Subscribe, func(p eventlog.Pattern) bool { return p.Match(topic) })
}

// MayFollow reports whether the grant allows subscribing to a pattern. One of the granted patterns must cover it alone; the union of
// several is not considered.
func (g Grant) MayFollow(pattern eventlog.Pattern) bool {
	return slices.ContainsFunc(g.Subscribe, func(p eventlog.Pattern) bool { return p.Covers(pattern) })
}
