package h1

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// exchange is a request and its answer, in one piece of memory.
type exchange struct {
	conn    *conn
	request http.Request
	url     url.URL
	body    body
	answer  response
}

// serve calls the handler, and sends the answer. It reports whether another request may follow on the connection.
func (x *exchange) serve() (again bool) {
	x.body.begin(x.conn, x.request.ContentLength)
	x.request.Body = http.NoBody
	if x.request.ContentLength > 0 {
		x.request.Body = &x.body
	}
	w := &x.answer
	w.x, w.header, w.length, w.body = x, make(http.Header, 8), -1, w.small[:0]
	defer x.body.leave()
	returned := false
	defer func() {
		if !returned {
			x.conn.recovered(recover())
		}
	}()
	x.conn.server.handler.ServeHTTP(w, &x.request)
	returned = true
	return w.finish()
}

// response is the [http.ResponseWriter] of a request.
type response struct {
	x       *exchange
	header  http.Header
	status  int   // 0: not chosen yet
	length  int64 // that the handler has declared; -1: none
	written int64
	typed   bool // the header has a Content-Type
	dated   bool // the header has a Date
	closes  bool // the connection ends with the answer
	flushed bool // the header was sent
	head    []byte
	body    []byte
	small   [smallBody]byte // the memory of body at first
	failed  error
}

// smallBody is enough for the answer to an event.
const smallBody = 64

// Header implements [http.ResponseWriter].
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *response) WriteHeader(status int) {
	if w.status != 0 || status < http.StatusOK { // nobody waits for an informational answer
		return
	}
	w.status = status
	if w.head = w.x.conn.out[:0]; cap(w.head) == 0 {
		w.head = make([]byte, 0, answerSize)
	}
	w.head = append(w.head, "HTTP/1.1 "...)
	w.head = strconv.AppendInt(w.head, int64(status), 10)
	w.head = append(append(append(w.head, ' '), http.StatusText(status)...), crlf...)
	w.appendFields()
}

// answerSize is the size of the memory for an answer at first.
const answerSize = 512

// appendFields appends the header in the order of the names, and notes what finish has to know of it.
func (w *response) appendFields() {
	var space [16]string
	names := space[:0]
	for name := range w.header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := w.header[name]
		switch name {
		case "Content-Length":
			if n, err := strconv.ParseInt(w.header.Get(name), 10, 64); err == nil && n >= 0 && bodyAllowed(w.status) {
				w.length = n
			}
			continue // finish writes it
		case "Transfer-Encoding", "Trailer":
			continue
		case "Connection":
			w.closes = w.closes || slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, "close") })
			continue
		case "Content-Type", "Content-Encoding":
			w.typed = true
		case "Date":
			w.dated = true
		}
		if !httpguts.ValidHeaderFieldName(name) {
			continue // as net/http
		}
		for _, value := range values {
			w.head = appendField(w.head, name, value)
		}
	}
}

func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	if strings.ContainsAny(value, "\r\n") {
		value = newlines.Replace(value)
	}
	return append(append(b, value...), crlf...)
}

var newlines = strings.NewReplacer("\r", " ", "\n", " ")

// bodyAllowed reports whether an answer with a status may have a body.
func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// Write implements [http.ResponseWriter].
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.failed != nil:
		return 0, w.failed
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.written+int64(len(b)) > w.length:
		return 0, http.ErrContentLength
	}
	w.written += int64(len(b))
	w.body = append(w.body, b...)
	if w.flushed || len(w.body) > mostBuffered {
		return len(b), w.FlushError()
	}
	return len(b), nil
}

// mostBuffered is how many bytes of an answer are kept until the handler returns.
const mostBuffered = 64 << 10

// Flush implements [http.Flusher].
func (w *response) Flush() { _ = w.FlushError() } // a later Write returns the error

// FlushError is Flush for [http.ResponseController]. The length of the answer is not known, so that it ends with the connection, unless the handler
// has declared it.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.failed != nil {
		return w.failed
	}
	if !w.flushed && w.length < 0 {
		w.closes = true
	}
	w.send()
	return w.failed
}

// SetReadDeadline is for [http.ResponseController].
func (w *response) SetReadDeadline(t time.Time) error {
	w.x.body.setDeadline(t)
	return nil
}

// SetWriteDeadline is for [http.ResponseController].
func (w *response) SetWriteDeadline(t time.Time) error { return w.x.conn.net.SetWriteDeadline(t) }

// finish sends the answer after the handler has returned, and reports whether another request may follow.
func (w *response) finish() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.flushed && w.length < 0 && bodyAllowed(w.status) {
		w.length = w.written
	}
	if w.length > w.written && bodyAllowed(w.status) { // the handler has written less than it has declared
		w.closes = true
	}
	if !w.closes && !w.x.body.end() || w.x.conn.server.once.Load() {
		w.closes = true
	}
	w.send()
	if c := w.x.conn; cap(w.head) <= mostKept {
		c.out = w.head[:0]
	}
	return !w.closes && w.failed == nil
}

// mostKept is the size of the largest memory for answers that a connection keeps.
const mostKept = 4 << 10

// send sends what there is of the answer, with the header before it.
func (w *response) send() {
	c := w.x.conn
	if !w.flushed {
		w.flushed = true
		if w.closes {
			w.head = append(w.head, "Connection: close\r\n"...)
		}
		if w.length >= 0 {
			w.head = append(strconv.AppendInt(append(w.head, "Content-Length: "...), w.length, 10), crlf...)
		}
		if len(w.body) > 0 && !w.typed {
			w.head = appendField(w.head, "Content-Type", http.DetectContentType(w.body))
		}
		if !w.dated {
			w.head = appendField(w.head, "Date", c.server.dateAt(time.Now()))
		}
		w.head = append(w.head, crlf...)
		w.head = append(w.head, w.body...)
		_, w.failed = c.net.Write(w.head)
	} else if len(w.body) > 0 {
		_, w.failed = c.net.Write(w.body)
	}
	w.body = w.body[:0]
}
