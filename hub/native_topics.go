package hub

import (
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/plain"
	"github.com/tidings-sse/tidings/internal/wire"
)

// invalidTopic returns the problem of an invalid topic or pattern.
func invalidTopic(err error) *Problem {
	p := NewProblem(http.StatusBadRequest, wire.ProblemInvalidTopic, "%s", plain.Text(err.Error()))
	p.Err = err
	return p
}

// wanted are the topics and patterns of a subscription.
type wanted struct {
	names    []string
	matchers []eventlog.Matcher // patterns, or the matchers of a grant
}

// topicsOf parses the topics and patterns of a subscription.
func topicsOf(p *params, path string, most int) (w wanted, err error) {
	topics := p.all(wire.ParamTopic)
	if path != "" {
		topics = append([]string{path}, topics...)
	}
	exact := p.all(wire.ParamExact)
	if n := len(topics) + len(exact); n > most {
		return w, NewProblem(http.StatusBadRequest, wire.ProblemTooManyTopics, "the subscription has %d topics and patterns; the limit is %d", n, most)
	}
	seen := map[string]bool{} // patterns; a set, because there may be thousands
	for _, text := range topics {
		pattern, err := eventlog.ParsePattern(text)
		switch {
		case err != nil:
			return w, invalidTopic(err)
		case eventlog.IsPattern(text):
			if !seen[text] {
				seen[text] = true
				w.matchers = append(w.matchers, pattern)
			}
		default:
			w.names = append(w.names, text)
		}
	}
	for _, name := range exact {
		if err := checkExact(name); err != nil {
			return w, invalidTopic(err)
		}
		w.names = append(w.names, name)
	}
	slices.Sort(w.names)
	w.names = slices.Compact(w.names)
	return w, nil
}

// checkExact returns an error if name cannot be the name of a topic. A log may have topics whose names are not UTF-8; names in UTF-8 must
// be in NFC.
func checkExact(name string) error {
	if utf8.ValidString(name) {
		if err := eventlog.CheckNFC("topic", name); err != nil {
			return err
		}
	}
	return eventlog.CheckTopic(name)
}

// selector returns the selector of the topics.
func (w *wanted) selector() eventlog.Selector { return eventlog.Select(w.names, w.matchers...) }
