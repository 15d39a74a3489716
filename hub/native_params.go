package hub

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

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
	values  url.Values // nil: none
	known   []string   // what the handler has asked for, if there are values
	ignored []string   // Options.IgnoreParams
	inForm  bool       // add parses a form
	count   int
	most    int
}

// otherParams is how many parameters a request may have besides topics.
const otherParams = 100

// parseParams parses the parameters of a URL's query.
func parseParams(h *Hub, query string) (*params, error) {
	o := h.Options()
	p := &params{ignored: o.IgnoreParams, most: max(o.MaxTopics, eventlog.MaxTopics) + otherParams}
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
	case err == nil && (slices.Contains(p.ignored, name) || name == wire.ParamAccessToken && !p.inForm):
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
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "the parameter %.60q is invalid: %v", part, err)
	}
	if p.count++; p.count > p.most {
		return NewProblem(http.StatusBadRequest, wire.ProblemTooManyTopics, "the request has more parameters than the limit of %d", p.most)
	}
	p.put(name, value)
	return nil
}

func (p *params) put(name, value string) {
	if p.values == nil {
		p.values = make(url.Values)
	}
	p.values[name] = append(p.values[name], value)
}

// addPosition adds a position. Invalid positions are not errors (see [startOf]): a position with invalid escapes is kept unchanged and causes a
// gap. The size of the request limits the number of positions.
func (p *params) addPosition(name, raw string) {
	value, err := url.QueryUnescape(raw)
	if err != nil {
		value = raw
	}
	p.put(name, value)
}

// all returns the values of a parameter.
func (p *params) all(name string) []string {
	if len(p.values) == 0 {
		return nil
	}
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
		return "", false, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "the parameter %s occurs %d times; send it once", name, len(values))
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
	return false, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "%s=%.40s is invalid; it must be 1 or 0", name, value)
}

// number returns the value of a numeric parameter, standard if it is absent.
func (p *params) number(name string, standard, least, most int) (int, error) {
	text, ok, err := p.one(name)
	if err != nil || !ok {
		return standard, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "%s=%.40s is invalid; it must be a number from %d to %d", name, text, least, most)
	}
	return n, nil
}

// noParams returns an error if a request has parameters.
func noParams(h *Hub, r *http.Request) error {
	p, err := parseParams(h, r.URL.RawQuery)
	if err != nil {
		return err
	}
	return p.done()
}

// done returns an error if there is a parameter that the handler has not read.
func (p *params) done() error {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if !slices.Contains(p.known, name) {
			return NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest,
				"the parameter %.40q is unknown here, and the hub's operator has not configured the hub to ignore it; known parameters: %s", name, cmp.Or(strings.Join(p.known, ", "), "none"))
		}
	}
	return nil
}
