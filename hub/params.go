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

// params are the parameters of a request: those of the URL, and for a QUERY also those of the form in its body. A handler reads the
// parameters that it knows and then calls done, which refuses all others. Ignoring a misspelt parameter would silently change what the
// request does.
//
// The hub parses parameters itself, because package net/url refuses more than 10,000 of them, and Options.MaxTopics may allow more. most
// limits their number, and so their memory.
type params struct {
	values  url.Values
	known   []string
	ignored map[string]bool
	inForm  bool // add parses a form
	count   int
	most    int
}

// cacheBusters are parameters that libraries add to bypass caches. The hub always ignores them.
var cacheBusters = []string{"_", "_t", "_ts"}

// ignoredParams returns the set of parameters that are ignored.
func ignoredParams(names []string) (map[string]bool, error) {
	set := make(map[string]bool)
	for _, name := range append(slices.Clone(cacheBusters), names...) {
		switch {
		case name == "":
			return nil, errors.New("hub: the name of a parameter to be ignored is empty")
		case strings.Contains(name, ","):
			return nil, fmt.Errorf("hub: %q has a comma, which names of parameters do not have; list each parameter separately", name)
		case slices.Contains(wire.Params(), name), name == wire.ParamAccessToken:
			return nil, fmt.Errorf("hub: the parameter %q cannot be ignored, because the hub uses it", name)
		}
		set[name] = true
	}
	return set, nil
}

// otherParams is how many parameters a request may have besides topics.
const otherParams = 100

// parseParams parses the parameters of a URL's query.
func (h *Hub) parseParams(query string) (*params, error) {
	p := &params{values: url.Values{}, ignored: h.ignored, most: max(h.opts.MaxTopics, eventlog.MaxTopics) + otherParams}
	for part := range strings.SplitSeq(query, "&") {
		if err := p.add(part); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add parses one parameter, name=value. The value of an ignored parameter may be invalid. A token in the URL is ignored, because
// [Options.Authorize] reads it. A token in a form is refused, because nothing reads it there.
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
		err = errors.New("it contains a semicolon; separate parameters with &, and escape a semicolon as %3B")
	case err == nil:
		value, err = url.QueryUnescape(rawValue)
	}
	if err != nil {
		return problem(http.StatusBadRequest, problemInvalidRequest, "the parameter %.60q is invalid: %v", part, err)
	}
	if p.count++; p.count > p.most {
		return problem(http.StatusBadRequest, problemTooMany, "the request has more parameters than the limit of %d", p.most)
	}
	p.values[name] = append(p.values[name], value)
	return nil
}

// addPosition adds a position. Invalid positions are not errors (see [startOf]): a position with invalid escapes is kept unchanged and causes a
// gap. The size of the request limits the number of positions.
func (p *params) addPosition(name, raw string) {
	value, err := url.QueryUnescape(raw)
	if err != nil {
		value = raw
	}
	p.values[name] = append(p.values[name], value)
}

const (
	formLeast    = 4 << 20  // bytes that every form may have
	formPerTopic = 4 << 10  // bytes for each topic that a form may name; the longest name has 3 KiB when all of it is escaped
	longestParam = 64 << 10 // bytes of a parameter in a form
)

// addForm adds the parameters of the form in the body of a QUERY, whose lists may be too long for a URL.
func (h *Hub) addForm(w http.ResponseWriter, r *http.Request, p *params, rent *rent) error {
	sent, err := payloadOf(r.Header)
	if err != nil {
		return err
	}
	if sent.kind != wire.MediaForm {
		return problem(http.StatusUnsupportedMediaType, problemMediaType, "the body of a QUERY must be a form, application/x-www-form-urlencoded, with the parameters of a GET")
	}
	limit := max(formLeast, int64(h.opts.MaxTopics)*formPerTopic)
	form, end := openBody(r.Body, &sent, 2*limit+codingOverhead, rent)
	defer end()
	meter := &meter{in: form, most: limit, take: rent.take, rent: rent} // all parameters are kept: it is never renewed
	if err = p.readForm(http.MaxBytesReader(w, io.NopCloser(meter), limit), meter); err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem(http.StatusRequestEntityTooLarge, problemTooLarge, "the form is larger than the limit of %d bytes", limit)
	}
	return brokenBody(err)
}

// readForm parses parameters one at a time, so that the whole form is never in memory.
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
		values[i] = strings.Clone(value) // a substring would keep the whole URL in memory as long as an event or a group lives
	}
	return values
}

// one returns the value of a parameter that may occur once.
func (p *params) one(name string) (value string, ok bool, err error) {
	switch values := p.all(name); len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	default:
		return "", false, problem(http.StatusBadRequest, problemInvalidRequest, "the parameter %s occurs %d times; send it once", name, len(values))
	}
}

// flag returns the value of a boolean parameter. An empty value means true.
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
	return false, problem(http.StatusBadRequest, problemInvalidRequest, "%s=%.40s is invalid; it must be 1 or 0", name, value)
}

// number returns the value of a numeric parameter, standard if it is absent.
func (p *params) number(name string, standard, least, most int) (int, error) {
	text, ok, err := p.one(name)
	if err != nil || !ok {
		return standard, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, problem(http.StatusBadRequest, problemInvalidRequest, "%s=%.40s is invalid; it must be a number from %d to %d", name, text, least, most)
	}
	return n, nil
}

// noParams returns an error if a request has parameters.
func (h *Hub) noParams(r *http.Request) error {
	p, err := h.parseParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	return p.done()
}

// done returns an error if there is a parameter that the handler has not read.
func (p *params) done() error {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if !slices.Contains(p.known, name) {
			return problem(http.StatusBadRequest, problemInvalidRequest,
				"the parameter %.40q is unknown here, and the hub's operator has not configured the hub to ignore it; known parameters: %s", name, cmp.Or(strings.Join(p.known, ", "), "none"))
		}
	}
	return nil
}

// invalidTopic returns the problem of an invalid topic or pattern.
func invalidTopic(err error) *Problem {
	p := problem(http.StatusBadRequest, problemInvalidTopic, "%s", plainly(err))
	p.Err = err
	return p
}

// wanted are the topics and patterns of a subscription.
type wanted struct {
	names    []string
	matchers []eventlog.Matcher // patterns, or what else is granted
}

// topicsOf parses the topics and patterns of a subscription.
func topicsOf(p *params, path string, most int) (w wanted, err error) {
	topics := p.all(wire.ParamTopic)
	if path != "" {
		topics = append([]string{path}, topics...)
	}
	exact := p.all(wire.ParamExact)
	if n := len(topics) + len(exact); n > most {
		return w, problem(http.StatusBadRequest, problemTooMany, "the subscription has %d topics and patterns; the limit is %d", n, most)
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

// startOf parses where a subscription begins. It refuses no position: a browser whose reconnection is refused never tries again. [Start]
// defines which position counts.
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
		return b, problem(http.StatusBadRequest, problemInvalidRequest, "since and last exclude each other; send one of them")
	case hasSince:
		b.Seek, err = parseSince(since, now)
	case hasLast:
		b.Seek, err = parseLast(last)
	}
	return b, err
}

// appendPositions appends the positions in lines, which may be lists: a proxy may join header lines with commas (RFC 9110, section 5.3).
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
		return &eventlog.Start{}, nil // the zero Start is the earliest event
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
		"since=%.60s is invalid; send a duration such as 10m, 36h or 7d, a time such as 2026-11-22T10:00:00Z (with a + escaped as %%2B), or earliest", text)
}

func parseLast(text string) (*eventlog.Start, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > eventlog.MaxLast {
		return nil, problem(http.StatusBadRequest, problemInvalidRequest,
			"last=%.60s is invalid; it must be a number of events from 0 to %d", text, eventlog.MaxLast)
	}
	if n == 0 {
		return nil, nil // begin now: Start{Last: 0} would mean all events
	}
	return &eventlog.Start{Last: n}, nil
}
