package hub

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/tidings-sse/tidings/internal/wire"
)

// A subscriber chooses between an event stream and NDJSON with the field Accept (RFC 9110, section 12.5.1). Responses to publishers and
// problem documents have one media type each and ignore Accept.

// ndjsonNames are the media types of NDJSON. Responses use the first.
var ndjsonNames = []string{wire.MediaNDJSON, "application/ndjson", "application/jsonl", "application/jsonlines"}

// isNDJSON reports whether a media type, without parameters, is NDJSON.
func isNDJSON(kind string) bool {
	for _, name := range ndjsonNames {
		if strings.EqualFold(kind, name) {
			return true
		}
	}
	return false
}

// negotiate returns the form of a stream that a client prefers: an event stream, plain, or NDJSON.
//
// If both have the same weight, a client that names NDJSON gets NDJSON. All others get an event stream, among them browsers and curl, which
// accept any type. RFC 9110 permits sending a type that Accept does not mention; a type with the weight 0 is never sent. A client that
// refuses both gets 406.
func negotiate(header http.Header) (*nativeEncoding, error) {
	ranges := parseAccept(header.Values("Accept"))
	stream, lines := weigh(ranges, wire.MediaSSE), weigh(ranges, ndjsonNames...)
	switch {
	case stream.refused() && lines.refused():
		return nil, NewProblem(http.StatusNotAcceptable, wire.ProblemNotAcceptable,
			"Accept refuses both available types, %s and %s; give one of them a weight above 0, or omit it", wire.MediaSSE, wire.MediaNDJSON)
	case lines.refused():
		return plainEncoding, nil
	case stream.refused(), lines.weight > stream.weight:
		return ndjsonEncoding, nil
	case lines.weight == stream.weight && lines.named():
		return ndjsonEncoding, nil
	}
	return plainEncoding, nil
}

// mediaRange is an element of Accept.
type mediaRange struct {
	kind, subtype string // in lower case; * for any
	params        int    // number of parameters besides the weight
	weight        float64
}

// preference is the weight that Accept gives a representation.
type preference struct {
	precision int     // of the range that decides; 0: no range matches
	weight    float64 // 0 to 1
}

// The precision of a range. A full type with parameters has the precision named plus their number.
const (
	anything = iota + 1 // */*
	family              // text/*
	named               // text/plain
)

func (o preference) refused() bool { return o.precision > 0 && o.weight == 0 }

func (o preference) named() bool { return o.precision >= named }

// weigh returns the preference for a representation with several names. The most precise range decides; among equally precise ranges, the
// one with the largest weight.
func weigh(ranges []mediaRange, names ...string) (best preference) {
	for _, r := range ranges {
		for _, name := range names {
			o := preference{r.precision(name), r.weight}
			if o.precision > best.precision || o.precision == best.precision && o.precision > 0 && o.weight > best.weight {
				best = o
			}
		}
	}
	return best
}

// precision returns how precisely a range names a media type, 0 if it does not cover it.
func (r *mediaRange) precision(name string) int {
	kind, subtype, _ := strings.Cut(name, "/")
	switch {
	case r.kind == "*" && r.subtype == "*":
		return anything
	case r.kind != kind:
		return 0
	case r.subtype == "*":
		return family
	case r.subtype != subtype:
		return 0
	}
	return named + r.params
}

// parseAccept parses the lines of Accept and skips invalid ranges.
func parseAccept(lines []string) (ranges []mediaRange) {
	for _, line := range lines {
		for element := range splitQuoted(line, ',') {
			if r, ok := parseRange(element); ok {
				ranges = append(ranges, r)
			}
		}
	}
	return ranges
}

// parseRange parses a range with its parameters. It ignores parameters after the weight, which are not part of the media type.
func parseRange(element string) (r mediaRange, ok bool) {
	r.weight = 1
	first := true
	for part := range splitQuoted(element, ';') {
		part = strings.TrimSpace(part)
		if first {
			first = false
			r.kind, r.subtype, ok = strings.Cut(strings.ToLower(part), "/")
			if ok = ok && r.kind != "" && r.subtype != "" && (r.kind != "*" || r.subtype == "*"); !ok {
				return r, false
			}
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, "q"):
			r.weight, ok = parseWeight(strings.TrimSpace(value))
			return r, ok
		case name != "":
			r.params++
		}
	}
	return r, ok
}

// parseWeight parses a weight (RFC 9110, section 12.4.2) and limits it to the range from 0 to 1.
func parseWeight(text string) (float64, bool) {
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(q) {
		return 0, false
	}
	return min(max(q, 0), 1), true
}

// splitQuoted splits a field's value at a separator, but not inside quoted strings (RFC 9110, section 5.6.4).
func splitQuoted(text string, separator byte) func(func(string) bool) {
	return func(yield func(string) bool) {
		begin, quoted := 0, false
		for i := 0; i < len(text); i++ {
			switch {
			case text[i] == '"':
				quoted = !quoted
			case quoted && text[i] == '\\':
				i++
			case !quoted && text[i] == separator:
				if !yield(text[begin:i]) {
					return
				}
				begin = i + 1
			}
		}
		yield(text[begin:])
	}
}
