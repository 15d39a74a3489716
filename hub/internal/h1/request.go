package h1

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// largestHead is the size of the longest header of the plain form.
const largestHead = 4 << 10

// isPlain reports whether a request that net/http has read is of the plain form.
func isPlain(r *http.Request) bool {
	return (r.Method == http.MethodPost || r.Method == http.MethodPut) && r.ProtoMajor == 1 && r.ProtoMinor == 1 && r.TLS == nil && !r.Close &&
		r.ContentLength >= 0 && len(r.TransferEncoding) == 0 && len(r.Trailer) == 0 &&
		r.Header["Expect"] == nil && r.Header["Upgrade"] == nil && len(r.Header["Content-Length"]) == 1
}

// target is the request target of a connection's last request. Most publishers repeat it.
type target struct {
	text   string
	url    *url.URL
	method string // for which Options.Serves is true
}

// parse reads a header, up to and with its empty line. It is not ok if the header is not of the plain form.
func (x *exchange) parse(head []byte) (ok bool) {
	line, rest, _ := bytes.Cut(head, crlf)
	method, line, _ := bytes.Cut(line, space)
	path, isHTTP := bytes.CutSuffix(line, httpVersion)
	c, r := x.conn, &x.request
	*r = *c.blank
	switch {
	case !isHTTP:
		return false
	case string(method) == http.MethodPost:
		r.Method = http.MethodPost
	case string(method) == http.MethodPut:
		r.Method = http.MethodPut
	default:
		return false
	}
	if !c.parseTarget(path) {
		return false
	}
	x.url = *c.last.url
	r.URL, r.RequestURI = &x.url, c.last.text
	return parseFields(r, rest) && r.Host != "" && len(r.Header["Content-Length"]) == 1
}

var (
	crlf        = []byte("\r\n")
	space       = []byte(" ")
	colon       = []byte(":")
	headEnd     = []byte("\r\n\r\n")
	httpVersion = []byte(" HTTP/1.1")
)

// parseTarget sets c.last to the target of a request.
func (c *conn) parseTarget(path []byte) bool {
	if string(path) == c.last.text && c.last.url != nil {
		return true
	}
	if len(path) == 0 || path[0] != '/' || bytes.HasPrefix(path, []byte("//")) {
		return false
	}
	for _, b := range path {
		if b <= ' ' || b >= 0x7f {
			return false
		}
	}
	text := string(path)
	u, err := url.ParseRequestURI(text)
	if err != nil {
		return false
	}
	c.last = target{text: text, url: u}
	return true
}

// parseFields reads the lines of a header, up to the empty one. It is not ok for lines that net/http refuses or changes, and for fields that say how
// to read the body or what happens to the connection.
func parseFields(r *http.Request, lines []byte) (ok bool) {
	n := bytes.Count(lines, crlf)
	r.Header = make(http.Header, n)
	values := make([]string, 0, n)
	for {
		line, rest, _ := bytes.Cut(lines, crlf)
		if len(line) == 0 {
			return true
		}
		lines = rest
		rawName, rawValue, found := bytes.Cut(line, colon)
		name := fieldName(rawName)
		if !found || name == "" {
			return false
		}
		value := string(bytes.Trim(rawValue, " \t"))
		if !httpguts.ValidHeaderFieldValue(value) {
			return false
		}
		switch name {
		case "Host":
			if r.Host != "" || !httpguts.ValidHostHeader(value) {
				return false
			}
			r.Host = value
			continue
		case "Content-Length":
			if r.ContentLength, ok = parseLength(value); !ok {
				return false
			}
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return false
			}
		case "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Te", "Pragma", "Proxy-Connection", "Keep-Alive":
			return false
		}
		if before := r.Header[name]; before != nil {
			r.Header[name] = append(before, value)
			continue
		}
		values = append(values, value)
		r.Header[name] = values[len(values)-1 : len(values) : len(values)]
	}
}

// parseLength reads a Content-Length without a sign and without superfluous zeros.
func parseLength(text string) (n int64, ok bool) {
	if len(text) == 0 || len(text) > 15 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	for _, b := range []byte(text) {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = 10*n + int64(b-'0')
	}
	return n, true
}

// usual are the names that most requests have, as they are usually written.
var usual = make(map[string]string)

func init() {
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie",
		"Host", "Idempotency-Key", "Origin", "Referer", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "User-Agent", "X-Forwarded-For", "X-Request-Id",
	} {
		usual[name], usual[strings.ToLower(name)] = name, name
	}
}

// fieldName returns the canonical form of a name, "" if it is invalid.
func fieldName(raw []byte) string {
	if name, ok := usual[string(raw)]; ok {
		return name
	}
	if name := string(raw); httpguts.ValidHeaderFieldName(name) {
		return textproto.CanonicalMIMEHeaderKey(name)
	}
	return ""
}
