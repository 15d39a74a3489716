package hub

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// params are the parameters of a request, from its query or from the form in its body. Those that nobody has asked for are
// refused: a misspelt one would be ignored otherwise, and the request do something else.
type params struct {
	values url.Values
	known  []string
}

func parseParams(query string) (*params, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, problem(http.StatusBadRequest, problemInvalidRequest, "the parameters cannot be read: %v", err)
	}
	return &params{values: values}, nil
}

// addForm adds the parameters in the body of a QUERY, for lists that are too long for a URL.
func (p *params) addForm(w http.ResponseWriter, r *http.Request) error {
	kind, err := mediaType(r.Header)
	if err != nil {
		return err
	}
	if kind != "application/x-www-form-urlencoded" {
		return problem(http.StatusUnsupportedMediaType, problemMediaType, "the body of a QUERY is a form, application/x-www-form-urlencoded, with the parameters of a GET")
	}
	const limit = 4 << 20
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem(http.StatusRequestEntityTooLarge, problemTooLarge, "the form has at most %d bytes here", limit)
	} else if err != nil {
		return brokenBody(err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return problem(http.StatusBadRequest, problemInvalidRequest, "the form cannot be read: %v", err)
	}
	for name, values := range form {
		p.values[name] = append(p.values[name], values...)
	}
	return nil
}

// all returns the values of a parameter.
func (p *params) all(name string) []string {
	p.known = append(p.known, name)
	values := p.values[name]
	for i, value := range values {
		values[i] = strings.Clone(value) // or an event, or a group, would keep the line of its request
	}
	return values
}

// one returns the value of a parameter that can be there once.
func (p *params) one(name string) (value string, ok bool, err error) {
	switch values := p.all(name); len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	default:
		return "", false, problem(http.StatusBadRequest, problemInvalidRequest, "the parameter %s is there %d times; say it once", name, len(values))
	}
}

// flag returns a parameter that is 1 or 0. Without a value it is 1.
func (p *params) flag(name string) (bool, error) {
	value, ok, err := p.one(name)
	switch {
	case err != nil || !ok:
		return false, err
	case value == "" || value == "1" || value == "true":
		return true, nil
	case value == "0" || value == "false":
		return false, nil
	}
	return false, problem(http.StatusBadRequest, problemInvalidRequest, "%s=%.40s makes no sense; it is 1 or 0", name, value)
}

// number returns a parameter that is a number.
func (p *params) number(name string, standard, least, most int) (int, error) {
	text, ok, err := p.one(name)
	if err != nil || !ok {
		return standard, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, problem(http.StatusBadRequest, problemInvalidRequest, "%s=%.40s makes no sense; it is %d to %d", name, text, least, most)
	}
	return n, nil
}

// noParams returns an error if there are parameters where none are known.
func noParams(r *http.Request) error {
	p, err := parseParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	return p.done()
}

// done returns an error if there is a parameter that nobody has asked for.
func (p *params) done() error {
	for _, name := range slices.Sorted(mapKeys(p.values)) {
		if !slices.Contains(p.known, name) {
			return problem(http.StatusBadRequest, problemInvalidRequest,
				"there is no parameter %.40q here; there are %s", name, cmp.Or(strings.Join(p.known, ", "), "none"))
		}
	}
	return nil
}

func mapKeys(values url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range values {
			if !yield(name) {
				return
			}
		}
	}
}

// invalidTopic is the problem of a topic or pattern that breaks a rule.
func invalidTopic(err error) *Problem {
	p := problem(http.StatusBadRequest, problemInvalidTopic, "%s", plainly(err))
	p.Err = err
	return p
}

// pathTopic returns the topic or pattern in an escaped path below /events/. What a path cannot say without being changed on
// its way, or taken for another one, has to be a parameter.
func pathTopic(escaped string) (string, error) {
	topic, err := url.PathUnescape(escaped)
	if err != nil {
		return "", problem(http.StatusBadRequest, problemInvalidTopic, "the path cannot be read: %v", err)
	}
	why := ""
	for segment := range strings.SplitSeq(escaped, "/") {
		switch plain, _ := url.PathUnescape(segment); {
		case segment == "":
			why = "has an empty segment"
		case plain == "." || plain == "..":
			why = "has a segment of dots"
		case strings.Contains(plain, "/"):
			why = "has an escaped slash"
		}
	}
	if why != "" && len(topic) <= eventlog.MaxName { // a longer one is refused in any form
		return "", problem(http.StatusBadRequest, problemInvalidTopic,
			"the path %s, which proxies may change; say it as a parameter: /events?topic=%s", why, url.QueryEscape(topic))
	}
	return strings.Clone(topic), nil // as in all
}

// wanted is what a subscription asks for.
type wanted struct {
	names    []string
	patterns []eventlog.Pattern
}

// topicsOf reads the topics and patterns of a subscription.
func topicsOf(p *params, path string, most int) (w wanted, err error) {
	topics := p.all("topic")
	if path != "" {
		topics = append([]string{path}, topics...)
	}
	exact := p.all("exact")
	if n := len(topics) + len(exact); n > most {
		return w, problem(http.StatusBadRequest, problemTooMany, "a subscription has at most %d topics and patterns here, and this has %d", most, n)
	}
	for _, text := range topics {
		pattern, err := eventlog.ParsePattern(text)
		switch {
		case err != nil:
			return w, invalidTopic(err)
		case eventlog.IsPattern(text):
			if !slices.Contains(w.patterns, pattern) {
				w.patterns = append(w.patterns, pattern)
			}
		default:
			w.names = append(w.names, text)
		}
	}
	for _, name := range exact {
		if err := eventlog.CheckTopic(name); err != nil {
			return w, invalidTopic(err)
		}
		w.names = append(w.names, name)
	}
	slices.Sort(w.names)
	w.names = slices.Compact(w.names)
	return w, nil
}

// selector returns what the log and the window are asked with.
func (w *wanted) selector() eventlog.Selector {
	matchers := make([]eventlog.Matcher, len(w.patterns))
	for i, p := range w.patterns {
		matchers[i] = p
	}
	return eventlog.Select(w.names, matchers...)
}

// begin is where a subscription wants to begin.
type begin struct {
	header string          // Last-Event-ID; what cannot be read there is a gap
	query  string          // as a parameter; that is a mistake
	seek   *eventlog.Start // nil: now
}

// beginOf reads it. The header wins: a browser that comes back has it, and the URL of before. Two of them are no position, which
// is told as a gap; to take one could be a loss that nobody hears of.
func beginOf(p *params, header http.Header, now time.Time) (b begin, err error) {
	b.header = strings.Join(header.Values("Last-Event-ID"), ", ")
	for _, name := range []string{"last_event_id", "lastEventId", "lastEventID"} {
		value, ok, err := p.one(name)
		if err != nil {
			return b, err
		}
		if !ok || value == "" {
			continue
		}
		if b.query != "" && b.query != value {
			return b, problem(http.StatusBadRequest, problemInvalidPosition, "%.60q and %.60q are two positions; say one", b.query, value)
		}
		b.query = value
	}
	since, hasSince, err1 := p.one("since")
	last, hasLast, err2 := p.one("last")
	switch {
	case err1 != nil:
		return b, err1
	case err2 != nil:
		return b, err2
	case hasSince && hasLast:
		return b, problem(http.StatusBadRequest, problemInvalidRequest, "since and last exclude each other; say one of them")
	case hasSince:
		b.seek, err = parseSince(since, now)
	case hasLast:
		b.seek, err = parseLast(last)
	}
	if err == nil && b.query != "" {
		if _, posErr := eventlog.ParsePosition(b.query); posErr != nil {
			err = problem(http.StatusBadRequest, problemInvalidPosition, "%s", plainly(posErr))
		}
	}
	return b, err
}

func parseSince(text string, now time.Time) (*eventlog.Start, error) {
	if text == "earliest" {
		return &eventlog.Start{}, nil // the zero one
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return &eventlog.Start{Since: t}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return &eventlog.Start{Since: now.AddDate(0, 0, -int(n))}, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return &eventlog.Start{Since: now.Add(-d)}, nil
	}
	return nil, problem(http.StatusBadRequest, problemInvalidRequest,
		"since=%.60s makes no sense; it is how long ago, such as 10m, 36h or 7d, a time such as 2026-11-22T10:00:00Z (a + in it is written %%2B), or earliest", text)
}

func parseLast(text string) (*eventlog.Start, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > eventlog.MaxLast {
		return nil, problem(http.StatusBadRequest, problemInvalidRequest,
			"last=%.60s makes no sense; it is how many events, 0 to %d", text, eventlog.MaxLast)
	}
	if n == 0 {
		return nil, nil // from now on; a Start of nothing would be everything
	}
	return &eventlog.Start{Last: n}, nil
}
