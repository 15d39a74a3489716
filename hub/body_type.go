package hub

import (
	"net/http"
	"strings"

	"golang.org/x/text/encoding"
)

// payload is what the header of a request says about its body.
type payload struct {
	kind    string            // the media type in lower case; "" if it is not said
	text    bool              // it is text; otherwise bytes
	charset encoding.Encoding // of text; nil: UTF-8
	label   string            // of the charset, as it was sent
	codings []coding          // what was done to it, in that order
}

// plain reports whether the body comes as it is published.
func (p *payload) plain() bool { return p.charset == nil && len(p.codings) == 0 }

// payloadOf reads the header.
func payloadOf(header http.Header) (p payload, err error) {
	if p.codings, err = codingsOf(header); err != nil {
		return p, err
	}
	fields := header["Content-Type"]
	switch {
	case len(fields) > 1:
		return p, problem(http.StatusUnsupportedMediaType, problemMediaType, "Content-Type is there %d times; say it once", len(fields))
	case len(fields) == 0 || fields[0] == "":
		p.text = true
		return p, nil
	}
	var ok bool
	if p.kind, p.label, ok = parseMediaType(fields[0]); !ok {
		return p, problem(http.StatusUnsupportedMediaType, problemMediaType, "the Content-Type %.60q makes no sense; it is one such as text/plain", fields[0])
	}
	if p.text = isText(p.kind); p.label != "" {
		p.charset, p.text, err = charsetOf(p.label)
	}
	return p, err
}

// parseMediaType returns a media type in lower case, and its parameter charset. It reads as browsers do (WHATWG MIME Sniffing, section 4.4):
// a parameter that makes no sense is skipped, and of two charsets the first counts. Package mime refuses some of that.
func parseMediaType(field string) (kind, charset string, ok bool) {
	const space = " \t\r\n"
	kind, rest, _ := strings.Cut(field, ";")
	kind = strings.ToLower(strings.Trim(kind, space))
	if major, minor, _ := strings.Cut(kind, "/"); !isToken(major) || !isToken(minor) {
		return "", "", false
	}
	for rest != "" {
		var value string
		name, after, valued := cutAny(strings.TrimLeft(rest, space), ";=")
		if rest = after; !valued {
			continue
		}
		if quoted, isQuoted := strings.CutPrefix(rest, `"`); isQuoted {
			value, rest = unquoteParameter(quoted)
			_, rest, _ = strings.Cut(rest, ";")
		} else {
			value, rest, _ = strings.Cut(rest, ";")
			value = strings.TrimRight(value, space)
		}
		if charset == "" && strings.EqualFold(name, "charset") {
			charset = strings.Trim(value, space)
		}
	}
	return kind, charset, true
}

// cutAny cuts a text at the first of two characters, and reports whether that was the second one.
func cutAny(text, stops string) (before, after string, second bool) {
	i := strings.IndexAny(text, stops)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], text[i] == stops[1]
}

// unquoteParameter returns what stands before a closing quote, and what after it. Without one, all of it is the value.
func unquoteParameter(text string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:]
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// isText reports whether a type whose charset is not said is UTF-8 text: one whose top-level type or structured suffix says so
// (RFC 6838; the registry of suffixes), or whose own registration does. What curl says of everything, a form, is taken for text as well.
//
// It never looks at the body: whether an event is text must not depend on what is in it.
func isText(kind string) bool {
	if strings.HasPrefix(kind, "text/") {
		return true
	}
	switch suffix := kind[strings.LastIndexByte(kind, '+')+1:]; suffix {
	case "json", "xml", "yaml", "json-seq", "jwt", "sd-jwt":
		return true
	}
	switch strings.TrimPrefix(strings.TrimPrefix(kind, "application/"), "x-") {
	case "", "www-form-urlencoded",
		"json", "json5", "json-seq", "jsonpath", "hjson", "xml", "xml-dtd", "xml-external-parsed-entity", "yaml", "toml", "edn", "csv", "sgml", // data
		"javascript", "ecmascript", "typescript", "node", "graphql", "sql", "cql", "sparql-query", "sparql-update", "xquery", "sh", "shellscript", "csh",
		"httpd-php", "perl", "python", "ruby", "lua", "tex", "latex", "relax-ng-compact-syntax", "yang", // programs and schemas
		"n-triples", "n-quads", "trig", "link-format", "linkset", "csp-report", "sdp", "openmetrics-text", "subrip", "mpegurl", "vnd.apple.mpegurl", // reports, lists
		"jwt", "jose", "pem-certificate-chain", "pem-file": // base64 by their own rules
		return strings.HasPrefix(kind, "application/") || kind == ""
	}
	return false
}
