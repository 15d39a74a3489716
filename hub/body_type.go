package hub

import (
	"net/http"
	"strings"

	"golang.org/x/text/encoding"

	"github.com/tidings-sse/tidings/internal/wire"
)

// payload describes a body, as the header of its request declares it.
type payload struct {
	kind    string            // the media type in lower case, empty if there is none
	text    bool              // text, not bytes
	charset encoding.Encoding // of text; nil: UTF-8
	label   string            // of the charset, as the client sent it
	codings []coding          // in the order in which the client applied them
}

// plain reports whether the body needs no decoding.
func (p *payload) plain() bool { return p.charset == nil && len(p.codings) == 0 }

// payloadOf reads the header.
func payloadOf(header http.Header) (p payload, err error) {
	if p.codings, err = codingsOf(header); err != nil {
		return p, err
	}
	fields := header["Content-Type"]
	switch {
	case len(fields) > 1:
		return p, NewProblem(http.StatusUnsupportedMediaType, wire.ProblemUnsupportedMedia, "the request has %d Content-Type fields; send one", len(fields))
	case len(fields) == 0 || fields[0] == "":
		p.text = true
		return p, nil
	}
	var ok bool
	if p.kind, p.label, ok = parseMediaType(fields[0]); !ok {
		return p, NewProblem(http.StatusUnsupportedMediaType, wire.ProblemUnsupportedMedia, "the Content-Type %.60q is invalid; send one such as text/plain", fields[0])
	}
	if p.text = isText(p.kind); p.label != "" {
		p.charset, p.text, err = charsetOf(p.label)
	}
	return p, err
}

// parseMediaType returns a media type in lower case, and its parameter charset. It parses like browsers (WHATWG MIME Sniffing, section
// 4.4): invalid parameters are skipped, and the first charset counts. Package mime refuses some of these.
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

// cutAny cuts text at the first of two characters, and reports whether it was the second of stops.
func cutAny(text, stops string) (before, after string, second bool) {
	i := strings.IndexAny(text, stops)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], text[i] == stops[1]
}

// unquoteParameter returns the text before the closing quote, unescaped, and the text after it. Without a closing quote, all of it is the
// value.
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

// isText reports whether a media type without a charset is UTF-8 text. Its top-level type, its structured suffix (RFC 6838) or its
// registration decides. A form counts as text, because curl labels all data so.
//
// The content of the body does not count: whether an event is text must not depend on its data.
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
