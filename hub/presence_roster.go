package hub

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/presence"
	"github.com/tidings-sse/tidings/internal/wire"
)

// rosterPage is the default number of members or topics in a response, rosterMost the largest.
const (
	rosterPage = 100
	rosterMost = 1000
)

// rosterAnswer is a page of the members of a topic.
type rosterAnswer struct {
	wire.PresenceCount
	Members  []wire.Member `json:"members"`
	Next     string        `json:"next,omitempty"`     // the value of after for the next page
	Settling bool          `json:"settling,omitempty"` // members may be missing, because the hub has just begun to serve
}

// presenceAnswer is a page of the topics at which anyone is present.
type presenceAnswer struct {
	Topics   []wire.PresenceCount `json:"topics"`
	Next     string               `json:"next,omitempty"`
	Settling bool                 `json:"settling,omitempty"`
}

// seer is the key of a request's context for the grant that limits what the sender may see.
type seer struct{}

// checkWatcher lets administrators see everything, and others what their grant allows.
func (h *Hub) checkWatcher(r *http.Request) (*http.Request, error) {
	grant, err := h.Authorize(r)
	switch {
	case err != nil:
		return r, err
	case grant.Admin && !h.opts.AdminElsewhere && h.checkOrigin(r) == nil:
		return r, nil
	case len(grant.Presence) == 0:
		return r, Denied(r, grant, "see who is present at any topic")
	}
	return r.WithContext(context.WithValue(r.Context(), seer{}, &grant)), nil
}

// maySee reports whether the sender of a request may see who is present at a topic.
func maySee(r *http.Request, topic string) bool {
	grant, limited := r.Context().Value(seer{}).(*access.Grant)
	return !limited || grant.MaySee(topic)
}

// servePresence lists the members of a topic, or the topics that have some, in pages.
func servePresence(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	p, err := parseParams(h, r.URL.RawQuery)
	if err != nil {
		return err
	}
	topic, one, err := p.one(wire.ParamTopic)
	if err != nil {
		return err
	}
	pattern := eventlog.MustPattern("**")
	text, hasPattern, err := p.one(wire.ParamPattern)
	if err != nil {
		return err
	}
	after, _, err := p.one(wire.ParamAfter)
	if err != nil {
		return err
	}
	limit, err := p.number(wire.ParamLimit, rosterPage, 1, rosterMost)
	if err != nil {
		return err
	}
	if err := p.done(); err != nil {
		return err
	}
	switch {
	case one && hasPattern:
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "topic and pattern exclude each other: topic lists the members of one topic, and pattern lists topics")
	case one:
		return h.roster(w, r, topic, after, limit)
	case hasPattern:
		if pattern, err = eventlog.ParsePattern(text); err != nil {
			return invalidTopic(err)
		}
	}
	page, err := h.presence.Topics(r.Context(), presence.Search{
		After: after, Limit: limit, Prefixes: seenPrefixes(r, pattern.Prefix()),
		Visible: func(topic string) bool { return maySee(r, topic) }, Match: pattern.Match,
	})
	if err != nil {
		return err
	}
	return answerJSON(w, presenceAnswer{page.Topics, page.Next, page.Settling})
}

// seenPrefixes returns the texts with which the topics begin that begin with a prefix and that the sender of a request may see. They are in
// order, and none begins with another.
func seenPrefixes(r *http.Request, prefix string) []string {
	grant, limited := r.Context().Value(seer{}).(*access.Grant)
	if !limited {
		return []string{prefix}
	}
	var all []string
	for _, m := range grant.Presence {
		switch granted := m.Prefix(); {
		case strings.HasPrefix(granted, prefix):
			all = append(all, granted)
		case strings.HasPrefix(prefix, granted):
			all = append(all, prefix)
		}
	}
	slices.Sort(all)
	kept := all[:0]
	for _, one := range all {
		if len(kept) == 0 || !strings.HasPrefix(one, kept[len(kept)-1]) {
			kept = append(kept, one)
		}
	}
	return kept
}

// roster answers with members of a topic.
func (h *Hub) roster(w http.ResponseWriter, r *http.Request, topic, after string, limit int) error {
	if err := checkPresenceTopic(topic); err != nil {
		return err
	}
	if !maySee(r, topic) {
		return Denied(r, *r.Context().Value(seer{}).(*access.Grant), "see who is present at topic "+topic)
	}
	page := h.presence.Roster(topic, after, limit)
	answer := rosterAnswer{PresenceCount: wire.PresenceCount{Topic: topic, Streams: page.Streams, Subjects: page.Subjects}, Members: page.Members, Settling: page.Settling}
	if page.More {
		answer.Next = page.Members[limit-1].Subject
	}
	return answerJSON(w, answer)
}
