package h2

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"
)

type hf = hpack.HeaderField

// statusOnly returns the header of a response with only a status.
func statusOnly(status int) []hf { return []hf{statusField(status)} }

func statusField(status int) hf { return hf{Name: ":status", Value: strconv.Itoa(status)} }

// bodyAllowed reports whether responses with a status have a body (RFC 9110, section 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// WriteHeader implements [http.ResponseWriter]. It sends statuses from 100 to 199 at once.
func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("h2: invalid status %d", status))
	}
	if w.status != 0 || w.detached {
		return
	}
	if status < 200 {
		c := w.st.c
		c.mu.Lock()
		defer c.mu.Unlock()
		if w.st.failure() == nil && c.hasRoom() { // it is only information
			c.appendHeaders(w.st.id, w.fields(statusOnly(status), "Content-Length"), false)
			c.flush()
		}
		return
	}
	w.status = status
	w.length = -1
	for _, list := range w.header["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name)); httpguts.ValidTrailerHeader(name) && name != "" {
				w.trailers = append(w.trailers, name)
			}
		}
	}
	if text := w.header.Get("Content-Length"); text != "" && bodyAllowed(status) {
		if n, err := strconv.ParseUint(text, 10, 63); err == nil {
			w.length = int64(n)
		}
	}
	w.closes = w.header.Get("Connection") == "close"
	all := make([]hf, 0, 1+len(w.header)+added)
	w.fixed = w.fields(append(all, statusField(status)), "")
}

// fields appends the fields of the header. It leaves out those that HTTP/2 does not have, those that are invalid, and the one named but.
func (w *response) fields(all []hf, but string) []hf {
	for name, values := range w.header {
		switch {
		case name == but, slices.Contains(hopByHop, name), strings.HasPrefix(name, http.TrailerPrefix), !httpguts.ValidHeaderFieldName(name):
			continue
		case name == "Content-Length" && w.length < 0 && w.status != 0 && bodyAllowed(w.status): // it is not a number
			continue
		}
		all = appendField(all, name, values)
	}
	return all
}

// hopByHop are the fields that belong to a connection of HTTP/1.1 (RFC 9113, section 8.2.2).
var hopByHop = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade"}

// lowered has the names of frequent fields as HTTP/2 sends them, so that an answer does not make them again.
var lowered = func(names ...string) map[string]string {
	all := make(map[string]string, len(names))
	for _, name := range names {
		all[name] = strings.ToLower(name)
	}
	return all
}("Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Etag", "Vary",
	"X-Accel-Buffering", "X-Content-Type-Options", "X-Request-Id")

func appendField(all []hf, name string, values []string) []hf {
	if lower, ok := lowered[name]; ok {
		name = lower
	} else {
		name = strings.ToLower(name)
	}
	for _, value := range values {
		if httpguts.ValidHeaderFieldValue(value) {
			all = append(all, hf{Name: name, Value: value})
		}
	}
	return all
}

// added is how many fields head adds at most.
const added = 3

// head returns the fields of the header, with those that net/http adds. b is the beginning of the body; complete says that it is all of it.
func (w *response) head(b []byte, complete bool) []hf {
	all := w.fixed
	has := func(name string) bool { return slices.ContainsFunc(all, func(f hf) bool { return f.Name == name }) }
	if complete && w.length < 0 && bodyAllowed(w.status) && (len(b) > 0 || !w.isHead) && !has("content-length") {
		all = append(all, hf{Name: "content-length", Value: strconv.Itoa(len(b))})
	}
	if _, chosen := w.header["Content-Type"]; len(b) > 0 && !chosen && !has("content-type") && !has("content-encoding") && bodyAllowed(w.status) {
		all = append(all, hf{Name: "content-type", Value: http.DetectContentType(b)})
	}
	if _, chosen := w.header["Date"]; !chosen && !has("date") {
		all = append(all, hf{Name: "date", Value: time.Now().UTC().Format(http.TimeFormat)})
	}
	return all
}

// trailer returns the fields of the trailer: those that the header has announced, and those with http.TrailerPrefix.
func (w *response) trailer() (all []hf) {
	for _, name := range w.trailers {
		all = appendField(all, strings.TrimPrefix(name, http.TrailerPrefix), w.header[name])
	}
	return all
}

// addTrailers finds the trailers that the header has not announced. It is called when the body is complete.
func (w *response) addTrailers() {
	for name := range w.header {
		if rest, ok := strings.CutPrefix(name, http.TrailerPrefix); ok && httpguts.ValidTrailerHeader(rest) {
			w.trailers = append(w.trailers, name)
		}
	}
	w.trailers = slices.DeleteFunc(w.trailers, func(name string) bool { return len(w.header[name]) == 0 })
}
