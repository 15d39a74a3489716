package h2

import (
	"context"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
)

// processHeaders opens a stream, or ends the body of an open one with trailers.
func (c *conn) processHeaders(f *http2.MetaHeadersFrame) error {
	id := f.StreamID
	if id%2 == 0 {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if st := c.streams[id]; st != nil {
		return c.processTrailers(st, f)
	}
	if id <= c.newest {
		if c.resets.has(id) { // the client has not seen the reset yet
			return nil
		}
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	c.newest = id
	if f.HasPriority() {
		if err := checkPriority(id, f.Priority); err != nil {
			return err
		}
	}
	switch {
	case uint32(len(c.streams)) >= c.server.maxStreams:
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeRefusedStream}
	case c.handlers >= int(c.server.maxStreams): // the client resets streams faster than their handlers return
		if c.refused++; c.refused > 4*int(c.server.maxStreams) {
			return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
		}
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeRefusedStream}
	}
	return c.openStream(f)
}

// openStream starts the handler of a new stream.
func (c *conn) openStream(f *http2.MetaHeadersFrame) error {
	st := &Stream{c: c, id: f.StreamID, window: c.firstWindow, gotEnd: f.StreamEnded()}
	r, err := c.request(st, f)
	if err != nil {
		return err
	}
	handler := c.handler.ServeHTTP
	if f.Truncated {
		handler = headerTooLarge
	}
	if c.streams[st.id] = st; len(c.streams) == 1 {
		c.setIdle()
		c.setState(http.StateActive)
	}
	c.handlers++
	go c.run(&response{st: st, request: r, isHead: r.Method == http.MethodHead}, handler)
	return nil
}

func headerTooLarge(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
	_, _ = w.Write([]byte("The header of the request is too large.\n")) // fails only if the client has disconnected
}

// allowedFields reports whether a header has no field that belongs to connections of HTTP/1.1 (RFC 9113, section 8.2.2).
func allowedFields(h http.Header) bool {
	for _, name := range hopByHop {
		if _, ok := h[name]; ok {
			return false
		}
	}
	te := h["Te"]
	return len(te) == 0 || len(te) == 1 && (te[0] == "trailers" || te[0] == "")
}

// request returns the request of a header, and gives the stream its body. The error is a malformed request (RFC 9113, section 8.1.1).
func (c *conn) request(st *Stream, f *http2.MetaHeadersFrame) (*http.Request, error) {
	malformed := http2.StreamError{StreamID: st.id, Code: http2.ErrCodeProtocol}
	header := make(http.Header, len(f.Fields))
	for _, field := range f.RegularFields() {
		header.Add(field.Name, field.Value)
	}
	if cookies := header["Cookie"]; len(cookies) > 1 { // section 8.2.3
		header["Cookie"] = []string{strings.Join(cookies, "; ")}
	}
	r := &http.Request{
		Method: f.PseudoValue("method"), Proto: "HTTP/2.0", ProtoMajor: 2, Header: header, RemoteAddr: c.remote,
	}
	var ok bool
	if r.Host, ok = hostOf(f, header); !ok || !allowedFields(header) || f.PseudoValue("protocol") != "" {
		return nil, malformed
	}
	if r.URL, r.RequestURI, ok = target(f, r.Host); !ok {
		return nil, malformed
	}
	st.x = &exchange{}
	r.Trailer = declaredTrailers(header)
	st.x.trailer = r.Trailer
	r.Body = http.NoBody
	if !f.StreamEnded() {
		if r.ContentLength, ok = contentLength(header); !ok {
			return nil, malformed
		}
		b := &body{st: st, exchange: st.x, declared: r.ContentLength, window: bodyWindow}
		b.continues = httpguts.HeaderValuesContainsToken(header["Expect"], "100-continue")
		st.x.body, r.Body = b, b
		if d := c.server.hs.ReadTimeout; d > 0 {
			st.x.readBy = time.Now().Add(d)
		}
	} else if n, ok := contentLength(header); !ok || n > 0 {
		return nil, malformed // section 8.1.1: there is no body of that length
	}
	if httpguts.HeaderValuesContainsToken(header["Expect"], "100-continue") {
		delete(header, "Expect")
	}
	if d := c.server.hs.WriteTimeout; d > 0 {
		st.x.writeBy = time.Now().Add(d)
	}
	ctx, cancel := context.WithCancel(c.base)
	st.x.cancel = cancel
	return r.WithContext(ctx), nil
}

// hostOf returns the host of a request. The field Host must not contradict the pseudo-header (RFC 9113, section 8.3.1).
func hostOf(f *http2.MetaHeadersFrame, header http.Header) (host string, ok bool) {
	host = f.PseudoValue("authority")
	switch hosts := header["Host"]; {
	case len(hosts) > 1:
		return "", false
	case len(hosts) == 1 && host == "":
		host = hosts[0]
	case len(hosts) == 1 && hosts[0] != host:
		return "", false
	}
	delete(header, "Host")
	return host, !strings.Contains(host, "@") && httpguts.ValidHostHeader(host)
}

// target returns the URL of a request, and its text.
func target(f *http2.MetaHeadersFrame, host string) (u *url.URL, text string, ok bool) {
	method, path, scheme := f.PseudoValue("method"), f.PseudoValue("path"), f.PseudoValue("scheme")
	if method == http.MethodConnect { // section 8.5
		return &url.URL{Host: host}, host, path == "" && scheme == "" && host != ""
	}
	if method == "" || path == "" || path[0] != '/' && path != "*" || scheme != "https" && scheme != "http" {
		return nil, "", false
	}
	u, err := url.ParseRequestURI(path)
	return u, path, err == nil
}

// declaredTrailers returns the trailers that a request announces.
func declaredTrailers(header http.Header) (all http.Header) {
	for _, list := range header["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name)); httpguts.ValidTrailerHeader(name) && name != "" {
				if all == nil {
					all = make(http.Header)
				}
				all[name] = nil
			}
		}
	}
	delete(header, "Trailer")
	return all
}

// contentLength returns the length that a request announces, -1 if it announces none.
func contentLength(header http.Header) (n int64, ok bool) {
	all := header["Content-Length"]
	if len(all) == 0 {
		return -1, true
	}
	length, err := strconv.ParseUint(all[0], 10, 63)
	for _, other := range all[1:] {
		if other != all[0] {
			return 0, false
		}
	}
	return int64(length), err == nil
}

// processTrailers ends the body of a request.
func (c *conn) processTrailers(st *Stream, f *http2.MetaHeadersFrame) error {
	switch {
	case st.gotEnd:
		return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeStreamClosed}
	case !f.StreamEnded() || len(f.PseudoFields()) > 0:
		return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeProtocol}
	}
	if st.x != nil && st.x.trailer != nil {
		got := make(http.Header)
		for _, field := range f.RegularFields() {
			name := textproto.CanonicalMIMEHeaderKey(field.Name)
			if !httpguts.ValidTrailerHeader(name) {
				return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeProtocol}
			}
			if _, declared := st.x.trailer[name]; declared {
				got[name] = append(got[name], field.Value)
			}
		}
		st.x.gotTrailer = got
	}
	return c.bodyEnded(st)
}
