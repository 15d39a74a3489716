package hub

import (
	"net/http"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// topicsPage is the default number of topics in a response, topicsMost the largest.
const (
	topicsPage = 1000
	topicsMost = 10_000
)

// topicAnswer is a topic in a list.
type topicAnswer struct {
	Topic  string `json:"topic"`
	Events int64  `json:"events"`
	Last   string `json:"last"` // position of the newest event
	Ended  bool   `json:"ended,omitempty"`
}

// serveTopics lists topics in the order of their names, in pages.
func serveTopics(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	p, err := parseParams(h, r.URL.RawQuery)
	if err != nil {
		return err
	}
	pattern := eventlog.MustPattern("**")
	text, ok, err := p.one(wire.ParamPattern)
	if err != nil {
		return err
	}
	if ok {
		if pattern, err = eventlog.ParsePattern(text); err != nil {
			return invalidTopic(err)
		}
	}
	after, _, err := p.one(wire.ParamAfter)
	if err != nil {
		return err
	}
	limit, err := p.number(wire.ParamLimit, topicsPage, 1, topicsMost)
	if err != nil {
		return err
	}
	if err := p.done(); err != nil {
		return err
	}
	grant, err := h.Authorize(r)
	if err != nil {
		return err
	}
	if len(grant.Subscribe) == 0 {
		return Denied(r, grant, "list topics, because you may subscribe to none")
	}
	lister, ok := h.Log().(eventlog.Lister)
	if !ok {
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "this hub's log cannot list its topics")
	}
	answer := struct {
		Topics []topicAnswer `json:"topics"`
		Next   string        `json:"next,omitempty"` // the value of after for the next page
	}{Topics: []topicAnswer{}}
	gen := h.Log().Head().Gen
	topics, err := lister.Topics(r.Context(), readable{pattern, &grant}, after, limit)
	if err != nil {
		return err
	}
	for _, t := range topics {
		answer.Topics = append(answer.Topics, topicAnswer{
			t.Name, t.Events, eventlog.Position{Gen: gen, Seq: t.Last}.String(), t.Ended,
		})
	}
	if len(topics) == limit {
		answer.Next = topics[limit-1].Name
	}
	return answerJSON(w, answer)
}

// readable matches the topics that match a pattern and that a grant allows to read. The log applies it, so that next never names a topic that
// the client may not see.
type readable struct {
	eventlog.Pattern
	grant *access.Grant
}

func (m readable) Match(topic string) bool { return m.Pattern.Match(topic) && m.grant.MayRead(topic) }
