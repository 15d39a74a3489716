package hub

import (
	"net/http"
	"slices"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// nothing is the topic of streams that watch and follow no topic. It belongs to the hub, and has no events.
const nothing = "$presence"

// attending is what a request for a stream asks about presence.
type attending struct {
	present bool
	at      []string // topics at which the subject is present
	subject string
	data    string
	watch   []string
}

// parseAttending parses the parameters about presence, for a subscription to topics.
func parseAttending(p *params, w *wanted, poll bool, most int) (a attending, err error) {
	if a.present, err = p.flag(wire.ParamPresent); err != nil {
		return a, err
	}
	subject, hasSubject, err := p.one(wire.ParamSubject)
	if err != nil {
		return a, err
	}
	data, hasData, err := p.one(wire.ParamPresentData)
	if err != nil {
		return a, err
	}
	a.subject, a.data, a.watch = subject, data, slices.Clone(p.all(wire.ParamWatch))
	slices.Sort(a.watch)
	a.watch = slices.Compact(a.watch)
	if a.present {
		a.at = w.names
	}
	for _, topic := range slices.Concat(a.watch, a.at) {
		if err := checkPresenceTopic(topic); err != nil {
			return a, err
		}
	}
	switch {
	case len(a.watch)+len(w.names)+len(w.matchers) > most:
		return a, NewProblem(http.StatusBadRequest, wire.ProblemTooManyTopics, "the stream has %d topics that it follows or watches; the limit is %d", len(a.watch)+len(w.names)+len(w.matchers), most)
	case (hasSubject || hasData) && !a.present:
		return a, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "subject and present_data need present=1")
	case poll && (a.present || len(a.watch) > 0):
		return a, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "present and watch are for streams, and not for polls; GET /api/v1/presence?topic=T lists who is present")
	case a.present && len(w.matchers) > 0:
		return a, NewProblem(http.StatusBadRequest, wire.ProblemInvalidTopic, "present=1 needs topics without patterns; a pattern makes nobody present")
	case a.present && len(w.names)+len(a.watch) == 0:
		return a, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "present=1 needs the topics at which to be present; name them with topic=, or with watch= on a stream without events")
	}
	return a, nil
}

// checkPresenceTopic returns an error unless presence can be asked for at a topic by this name.
func checkPresenceTopic(topic string) error {
	_, err := eventlog.ParsePattern(topic)
	switch {
	case eventlog.IsPattern(topic) && err == nil:
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidTopic, "%.200q is a pattern; presence is for single topics", topic)
	case eventlog.IsPattern(topic):
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidTopic, "%.200q has a *; presence is for single topics without a * in any segment", topic)
	}
	if err := eventlog.CheckName(topic); err != nil {
		return invalidTopic(err)
	}
	return nil
}

// presenceOnly reports whether a stream follows no topic and watches some.
func (s *subscription) presenceOnly() bool {
	return len(s.names)+len(s.matchers) == 0 && len(s.watch) > 0
}

// grantWatch checks whether the client may see who is present at the topics that the stream watches.
func (s *subscription) grantWatch(r *http.Request, g access.Grant) error {
	for _, topic := range s.watch {
		if !g.MaySee(topic) {
			return Denied(r, g, "see who is present at topic "+topic)
		}
	}
	return nil
}

// grantPresenceOnly makes a stream that only watches one without events. Its subject is present at the topics that it watches, if it asks for
// that.
func (s *subscription) grantPresenceOnly(r *http.Request, g access.Grant) error {
	s.names = []string{nothing}
	if !s.present {
		return nil
	}
	s.at = s.watch
	for _, topic := range s.watch {
		if !g.MayRead(topic) {
			return Denied(r, g, "be present at topic "+topic+", to which you may not subscribe")
		}
	}
	return nil
}

// seen returns who the stream makes present, nil for nobody.
func (s *subscription) seen() *Present {
	if !s.present {
		return nil
	}
	return &Present{Topics: s.at, Subject: s.subject, Data: s.data}
}
