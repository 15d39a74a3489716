package main

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// reportFlags say what a hub tells its operator, on standard error.
type reportFlags struct {
	LogFormat string `enum:"text,json" default:"text" placeholder:"FORMAT" help:"text, or json for programs that gather logs."`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL" help:"The least that is logged: debug, info, warn or error. At info there is a line for each request, when it is over."`
}

// logger returns a logger that writes lines to w.
func (f *reportFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.LogLevel)) // it is one of the four
	o := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// requestLog gives each request an ID, and logs it when its handler is done with it: a stream when it ends, and one whose connection the
// hub has taken over when it has done so.
//
// Nobody forges lines: slog quotes what is no plain text, and the path stays as it came, escaped.
type requestLog struct {
	next   http.Handler
	logger *slog.Logger
}

// requestID is the header field that carries it, from a proxy to us and from us to the client.
const requestID = "X-Request-Id"

func (l *requestLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(requestID)
	if !saneID(id) {
		id = rand.Text()
	}
	w.Header().Set(requestID, id)
	if !l.logger.Enabled(r.Context(), slog.LevelInfo) {
		l.next.ServeHTTP(w, r)
		return
	}
	began, path, query := time.Now(), r.URL.EscapedPath(), withoutTokens(r.URL.RawQuery) // the hub may change the request
	sender := &sender{id: id}
	answer := &loggedAnswer{ResponseWriter: w}
	defer func() {
		l.logger.Info("request",
			"id", id, "remote", r.RemoteAddr, "method", short(r.Method), "path", short(path), "query", short(query),
			"status", answer.sent(), "bytes", answer.bytes, "duration", time.Since(began), "subject", sender.subject)
	}()
	l.next.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), senderKey{}, sender)))
}

// sender is who has sent a request. The log asks, and whoever knows writes it down.
type sender struct{ id, subject string }

type senderKey struct{} // of a request's *sender

// senderOf returns the sender of a request, a new one if nobody asks.
func senderOf(r *http.Request) *sender {
	if s, ok := r.Context().Value(senderKey{}).(*sender); ok {
		return s
	}
	return new(sender)
}

// saneID reports whether an ID that a client sent is one to be repeated.
func saneID(id string) bool {
	const sane = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+=@"
	return id != "" && len(id) <= 128 && strings.Trim(id, sane) == ""
}

// withoutTokens returns a query as it came, without the values of access_token and whatever else looks like a token.
func withoutTokens(query string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(query, func(c rune) bool { return c == '&' || c == ';' }) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		key, value, _ := strings.Cut(part, "=")
		plainKey, err := url.QueryUnescape(key)
		plain, err2 := url.QueryUnescape(value)
		// The JSON of every token begins with {", and it in base64 with eyJ.
		if err != nil || err2 != nil || strings.Contains(strings.ToLower(plainKey), "token") || strings.Contains(plain, "eyJ") {
			part = key + "=redacted"
		}
		b.WriteString(part)
	}
	return b.String()
}

// short cuts what would make a line too long to read.
func short(text string) string {
	const most = 1000
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// loggedAnswer sees what is answered.
type loggedAnswer struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader notes the status; those before 200 are not the last.
func (a *loggedAnswer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *loggedAnswer) Write(b []byte) (int, error) {
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// sent returns the status. A handler that says none means 200, and so does one that takes the connection over to stream.
func (a *loggedAnswer) sent() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}

// Unwrap is for http.ResponseController.
func (a *loggedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
