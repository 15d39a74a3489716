package access

import (
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Grant is what somebody may do. The zero Grant allows nothing.
type Grant struct {
	// Subject names who it is, and keeps the idempotency keys of one apart from those of others. It may be empty.
	Subject string

	// Credential is not 0 if a credential was accepted, and tells it from others: of a token it is a hash of what is signed. It says that
	// somebody is known who has no Subject, who is forbidden what he may not do instead of asked who he is, and is counted for himself.
	Credential uint64

	ID       string    // of the token that grants it, to revoke it alone; may be empty
	IssuedAt time.Time // zero: not known
	Expires  time.Time // when the streams that it allows end; zero: never

	Publish   []eventlog.Pattern // topics that may be published to
	Subscribe []eventlog.Pattern // topics that may be subscribed to
	Admin     bool               // the hub itself may be looked into, and told what to do
}

// Everything returns the grant that allows all but the hub's own topics.
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

// MayFollow reports whether the grant allows subscribing to a pattern: one of its own has to cover it. What several of them
// allow together is not looked at.
func (g Grant) MayFollow(pattern eventlog.Pattern) bool {
	return slices.ContainsFunc(g.Subscribe, func(p eventlog.Pattern) bool { return p.Covers(pattern) })
}
