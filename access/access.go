// Package access says who may do what: a [Grant] is what somebody may publish and subscribe to. It is pure, and knows
// nothing of HTTP, of which whoever makes a grant takes care.
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

	Publish   []eventlog.Pattern // topics that may be published to
	Subscribe []eventlog.Pattern // topics that may be subscribed to

	Expires time.Time // zero: never
}

// Everything returns the grant that allows all but the hub's own topics.
func Everything() Grant {
	all := []eventlog.Pattern{eventlog.MustPattern("**")}
	return Grant{Publish: all, Subscribe: all}
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
