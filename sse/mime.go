package sse

import "strings"

// contentType is the MIME type of an event stream (WHATWG HTML 9.2.5).
const contentType = "text/event-stream"

// isEventStream reports whether browsers read Content-Type fields as text/event-stream (Fetch Standard, "extract a MIME
// type"). The last valid MIME type counts. Parameters are ignored, even malformed ones, which mime.ParseMediaType
// refuses.
func isEventStream(fields []string) bool {
	essence := ""
	for value := range splitOutsideQuotes(strings.Join(fields, ", ")) {
		if t := mimeEssence(value); t != "" && t != "*/*" {
			essence = t
		}
	}
	return essence == contentType
}

// splitOutsideQuotes splits a field at the commas outside quoted strings (Fetch Standard, "get, decode, and split").
func splitOutsideQuotes(field string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		quoted, start := false, 0
		for i := 0; i < len(field); i++ {
			switch c := field[i]; {
			case c == '"':
				quoted = !quoted
			case c == '\\' && quoted:
				i++
			case c == ',' && !quoted:
				if !yield(field[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(field[start:])
	}
}

// mimeEssence returns "type/subtype" in lower case, or "" if value is not a MIME type (MIME Sniffing Standard, "parse a
// MIME type").
func mimeEssence(value string) string {
	const space = " \t\r\n"
	value, _, _ = strings.Cut(value, ";")
	typ, subtype, found := strings.Cut(strings.TrimLeft(value, space), "/")
	subtype = strings.TrimRight(subtype, space)
	if !found || !isToken(typ) || !isToken(subtype) {
		return ""
	}
	return strings.ToLower(typ + "/" + subtype)
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
