package hub

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// params are the parameters of a request: those of its query, and of a QUERY also those of the form in its body. A handler asks for
// the parameters that it knows, then calls done, which refuses the rest. A misspelt parameter that was ignored would make the request
// do something else in silence.
//
// The hub parses them itself, because package net/url refuses more than 10,000 parameters, and Options.MaxTopics may allow more. Memory
// stays bounded: most is the number of parameters that are kept.
type params struct {
	values  url.Values
	known   []string
	ignored map[string]bool
	inForm  bool // add reads the form
	count   int
	most    int
}

// cacheBusters are the parameters that libraries add so that no cache answers. The hub ignores them always.
var cacheBusters = []string{"_", "_t", "_ts"}

// ignoredParams returns the set of parameters that are ignored.
func ignoredParams(names []string) (map[string]bool, error) {
	set := make(map[string]bool)
	for _, name := range append(slices.Clone(cacheBusters), names...) {
		switch {
		case name == "":
			return nil, errors.New("hub: the name of a parameter to be ignored is empty")
		case strings.Contains(name, ","):
			return nil, fmt.Errorf("hub: %q is one parameter with a comma in its name, which nobody sends; say each parameter on its own", name)
		case slices.Contains(wire.Params(), name), name == wire.ParamAccessToken:
			return nil, fmt.Errorf("hub: the parameter %q has a meaning, and cannot be ignored", name)
		}
		set[name] = true
	}
	return set, nil
}

// otherParams is the room for parameters that are no topics.
const otherParams = 100

// parseParams reads the parameters of a request's query.
func (h *Hub) parseParams(query string) (*params, error) {
	p := &params{values: url.Values{}, ignored: h.ignored, most: max(h.opts.MaxTopics, eventlog.MaxTopics) + otherParams}
	for part := range strings.SplitSeq(query, "&") {
		if err := p.add(part); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add reads one parameter, name=value. Of an ignored parameter it reads only the name. A token in the URL is ignored, because it is
// for [Options.Authorize]; a token in a form is refused, because nothing reads it there.
func (p *params) add(part string) error {
	if part == "" {
		return nil
	}
	rawName, rawValue, _ := strings.Cut(part, "=")
	name, err := url.QueryUnescape(rawName)
	switch {
	case err == nil && (p.ignored[name] || name == wire.ParamAccessToken && !p.inForm):
		return nil
	case err == nil && slices.Contains(wire.PositionParams(), name):
		p.addPosition(name, rawValue)
		return nil
	}
	value := ""
	switch {
	case strings.Contains(part, ";"):
		err = errors.New("there is a semicolon; write & between parameters, and %3B in a value")
	case err == nil:
		value, err = url.QueryUnescape(rawValue)
	}
	if err != nil {
		return problem(http.StatusBadRequest, problemInvalidRequest, "the parameter %.60q cannot be read: %v", part, err)
	}
	if p.count++; p.count > p.most {
		return problem(http.StatusBadRequest, problemTooMany, "a request has at most %d parameters here", p.most)
	}
	p.values[name] = append(p.values[name], value)
	return nil
}

// addPosition adds a position. No position, however wrong, is an error (see [startOf]): one that cannot be unescaped is kept as it is, and
// makes a gap. The size of the request bounds how many there are.
func (p *params) addPosition(name, raw string) {
	value, err := url.QueryUnescape(raw)
	if err != nil {
		value = raw
	}
	p.values[name] = append(p.values[name], value)
}

const (
	formLeast    = 4 << 20  // a form may have so many bytes at least,
	formPerTopic = 4 << 10  // and so many for each topic that it may name: the longest name has 3 KiB when all of it is escaped
	longestParam = 64 << 10 // in a form
)

// addForm adds the parameters in the body of a QUERY, for lists that are too long for a URL.
func (h *Hub) addForm(w http.ResponseWriter, r *http.Request, p *params, rent *rent) error {
	sent, err := payloadOf(r.Header)
	if err != nil {
		return err
	}
	if sent.kind != wire.MediaForm {
		return problem(http.StatusUnsupportedMediaType, problemMediaType, "the body of a QUERY is a form, application/x-www-form-urlencoded, with the parameters of a GET")
	}
	limit := max(formLeast, int64(h.opts.MaxTopics)*formPerTopic)
	form, end := openBody(r.Body, &sent, 2*limit+codingOverhead, rent)
	defer end()
	meter := &meter{in: form, most: limit, take: rent.take, rent: rent} // all parameters are kept: it is never renewed
	if err = p.readForm(http.MaxBytesReader(w, io.NopCloser(meter), limit), meter); err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem(http.StatusRequestEntityTooLarge, problemTooLarge, "the form has at most %d bytes here", limit)
	}
	return brokenBody(err)
}

// readForm reads parameters one by one, so that no more than they is ever in memory.
func (p *params) readForm(body io.Reader, m *meter) error {
	p.inForm = true
	in := newPieces(body, m, '&', longestParam)
	defer in.close()
	for last := false; !last; {
		part, err := in.next()
		switch last = errors.Is(err, io.EOF); {
		case errors.Is(err, errLongPiece):
			return problem(http.StatusRequestEntityTooLarge, problemTooLarge, "a parameter of the form has at most %d bytes", longestParam)
		case err != nil && !last:
			return err
		}
		if err := p.add(strings.TrimSuffix(string(part), "&")); err != nil {
			return err
		}
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
func (h *Hub) noParams(r *http.Request) error {
	p, err := h.parseParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	return p.done()
}

// done returns an error if there is a parameter that nobody has asked for.
func (p *params) done() error {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if !slices.Contains(p.known, name) {
			return problem(http.StatusBadRequest, problemInvalidRequest,
				"there is no parameter %.40q here, and the hub's operator has not had it ignored; there are %s", name, cmp.Or(strings.Join(p.known, ", "), "none"))
		}
	}
	return nil
}

// invalidTopic is the problem of a topic or pattern that breaks a rule.
func invalidTopic(err error) *Problem {
	p := problem(http.StatusBadRequest, problemInvalidTopic, "%s", plainly(err))
	p.Err = err
	return p
}

// wanted is what a subscription asks for.
type wanted struct {
	names    []string
	matchers []eventlog.Matcher // patterns, or what else is granted
}

// topicsOf reads the topics and patterns of a subscription.
func topicsOf(p *params, path string, most int) (w wanted, err error) {
	topics := p.all(wire.ParamTopic)
	if path != "" {
		topics = append([]string{path}, topics...)
	}
	exact := p.all(wire.ParamExact)
	if n := len(topics) + len(exact); n > most {
		return w, problem(http.StatusBadRequest, problemTooMany, "a subscription has at most %d topics and patterns here, and this has %d", most, n)
	}
	seen := map[string]bool{} // patterns, of which there may be thousands
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

// checkExact returns an error if nobody can follow a topic by its name. A log may have topics that are no text; text is in NFC.
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

// startOf reads where a subscription begins. No position is refused: a browser whose reconnection failed would never come back. [Start] says
// which of them counts.
func startOf(p *params, header http.Header, now time.Time) (b Start, err error) {
	b.Positions = appendPositions(nil, header.Values(wire.HeaderLastEventID))
	for _, name := range wire.PositionParams() {
		b.Positions = appendPositions(b.Positions, p.all(name))
	}
	since, hasSince, err1 := p.one(wire.ParamSince)
	last, hasLast, err2 := p.one(wire.ParamLast)
	switch {
	case err1 != nil:
		return b, err1
	case err2 != nil:
		return b, err2
	case hasSince && hasLast:
		return b, problem(http.StatusBadRequest, problemInvalidRequest, "since and last exclude each other; say one of them")
	case hasSince:
		b.Seek, err = parseSince(since, now)
	case hasLast:
		b.Seek, err = parseLast(last)
	}
	return b, err
}

// appendPositions appends positions. A proxy may have joined several header lines with commas (RFC 9110, section 5.3).
func appendPositions(positions, lines []string) []string {
	for _, line := range lines {
		for text := range strings.SplitSeq(line, ",") {
			if text = strings.TrimSpace(text); text != "" {
				positions = append(positions, strings.Clone(text))
			}
		}
	}
	return positions
}

func parseSince(text string, now time.Time) (*eventlog.Start, error) {
	if text == wire.SinceEarliest {
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
