package hub

import (
	"net/http"
	"strings"
	"time"

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
	Topic  string     `json:"topic"`
	Events int64      `json:"events"`
	Last   string     `json:"last"`            // position of the newest event
	Time   time.Time  `json:"time,omitzero"`   // of the newest event; omitted if it cannot be read
	Bytes  *int64     `json:"bytes,omitempty"` // only with the parameter sizes
	Ended  bool       `json:"ended,omitempty"` // no event can follow
	Keep   keepAnswer `json:"keep"`
}

// keepAnswer is the retention rule of a topic. A limit that is omitted does not exist.
type keepAnswer struct {
	Pattern string `json:"pattern,omitempty"` // of the rule; omitted for the default of the log
	Age     string `json:"age,omitempty"`     // such as 168h
	Count   int    `json:"count,omitempty"`   // of events
	Latest  int    `json:"latest,omitempty"`  // of events; newer events supersede the others
}

func keepOf(r *eventlog.Rule) (k keepAnswer) {
	k.Pattern, k.Count, k.Latest = r.Pattern.String(), r.Count, r.Latest
	if r.Age > 0 {
		k.Age = r.Age.String()
		for _, zero := range []string{"0s", "0m"} { // 168h0m0s is 168h
			if short := strings.TrimSuffix(k.Age, zero); strings.HasSuffix(short, "m") || strings.HasSuffix(short, "h") {
				k.Age = short
			}
		}
	}
	return k
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
	descending, err := p.flag(wire.ParamDescending)
	if err != nil {
		return err
	}
	sizes, err := p.flag(wire.ParamSizes)
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
	topics, err := lister.Topics(r.Context(), eventlog.TopicQuery{
		Matcher: readable{pattern, &grant}, After: after, Limit: limit, Reverse: descending, Sizes: sizes,
	})
	if err != nil {
		return err
	}
	for i := range topics {
		t := &topics[i]
		one := topicAnswer{Topic: t.Name, Events: t.Events, Last: eventlog.Position{Gen: gen, Seq: t.Last}.String(), Time: t.Time, Ended: t.Ended, Keep: keepOf(&t.Rule)}
		if sizes {
			one.Bytes = &t.Bytes
		}
		answer.Topics = append(answer.Topics, one)
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
