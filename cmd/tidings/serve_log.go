package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// reportFlags configure the log on standard error.
type reportFlags struct {
	LogFormat   string `enum:"text,json" default:"text" placeholder:"FORMAT" help:"text or json."`
	LogLevel    string `enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL" help:"Lowest level that is logged: debug, info, warn or error."`
	LogRequests string `enum:"auto,always,never" default:"auto" placeholder:"WHEN" help:"Whether to log each request when it ends, at level info: always, never, or auto, which logs none on a terminal."`
}

// requests reports whether each request has a line in a log that goes to w.
func (f *reportFlags) requests(w io.Writer) bool {
	if f.LogRequests == "auto" {
		return !isTerminal(w)
	}
	return f.LogRequests == "always"
}

// logger returns a logger that writes lines to w.
func (f *reportFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.LogLevel)) // it is one of the four
	o := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(withIDs{slog.NewJSONHandler(w, o)})
	}
	return slog.New(withIDs{slog.NewTextHandler(w, o)})
}

// requestLog gives each request an ID, and logs the request when it has ended. For a stream the hub reports the end, because the handler may
// have returned long before.
//
// Clients cannot forge lines: slog quotes everything but plain text, and the path stays escaped.
type requestLog struct {
	logger *slog.Logger               // nil: log no requests
	remote func(*http.Request) string // where a request comes from
}

// requestLog returns the log of the requests to a hub. Those that come through proxies which are trusted come from whom these ask for.
func (f *limitFlags) requestLog(h *hub.Hub, logger *slog.Logger) *requestLog {
	remote := func(r *http.Request) string { return r.RemoteAddr }
	if len(f.TrustedProxy) > 0 {
		remote = func(r *http.Request) string { return cmp.Or(h.ClientAddress(r), r.RemoteAddr) }
	}
	return &requestLog{logger, remote}
}

// requestID is the header field that carries it, from a proxy to us and from us to the client.
const requestID = "X-Request-Id"

// begin begins the line of a request, which the hub may change later, and sees what is answered. The line is nil if there will be none.
func (l *requestLog) begin(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *requestLine) {
	id := idOf(r)
	w.Header().Set(requestID, id)
	if l.logger == nil || !l.logger.Enabled(r.Context(), slog.LevelInfo) {
		return w, nil
	}
	line := &requestLine{
		logger: l.logger, id: id, remote: l.remote(r), began: time.Now(),
		method: short(access.HideTokens(r.Method)), path: short(pathWithoutTokens(r.URL.EscapedPath())), query: short(withoutTokens(r.URL.RawQuery)),
		answer: &loggedAnswer{ResponseWriter: w},
	}
	// In place, since net/http has the request for as long as a stream of HTTP/2 lasts, and there would be two.
	*r = *r.WithContext(context.WithValue(r.Context(), lineKey{}, line))
	return line.answer, line
}

// end writes the line, unless it is that of a stream.
func (l *requestLine) end() {
	if l != nil && l.answer != nil {
		l.write(l.answer.sent(), l.answer.bytes)
	}
}

// requestLine is a line that is still to be written. Each stream has one, so that it keeps some texts, and not the request.
type requestLine struct {
	logger              *slog.Logger
	id, remote, subject string
	began               time.Time
	method, path, query string
	answer              *loggedAnswer // nil: that of a stream, and the line is written when it has ended
}

type lineKey struct{} // of a request's *requestLine

// lineOf returns the line of the request that has a context, nil if there will be none.
func lineOf(ctx context.Context) *requestLine {
	line, _ := ctx.Value(lineKey{}).(*requestLine)
	return line
}

// withIDs adds the ID of a request to the lines that the hub logs about it.
type withIDs struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h withIDs) Handle(ctx context.Context, record slog.Record) error {
	if line := lineOf(ctx); line != nil {
		record.AddAttrs(slog.String("id", line.id))
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements [slog.Handler].
func (h withIDs) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withIDs{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h withIDs) WithGroup(name string) slog.Handler { return withIDs{h.Handler.WithGroup(name)} }

// logStream is what the hub calls when a stream begins. What it returns is called in the end.
func logStream(r *http.Request) func(hub.StreamEnd) {
	line := lineOf(r.Context())
	if r.ProtoMajor > 1 {
		r.Header, r.URL = nil, nil // net/http keeps the request for as long as the stream lasts, and nothing reads these any more
	}
	if line == nil {
		return nil
	}
	line.answer = nil
	return func(end hub.StreamEnd) { line.write(http.StatusOK, end.Bytes, slog.String("ended", end.Reason)) }
}

// write writes the line, without empty values.
func (l *requestLine) write(status int, bytes int64, more ...slog.Attr) {
	all := []slog.Attr{slog.String("id", l.id), slog.String("remote", l.remote), slog.String("method", l.method), slog.String("path", l.path)}
	if l.query != "" {
		all = append(all, slog.String("query", l.query))
	}
	all = append(all, slog.Int("status", status), slog.Int64("bytes", bytes), slog.Duration("duration", time.Since(l.began).Round(time.Microsecond)))
	if l.subject != "" {
		all = append(all, slog.String("subject", l.subject))
	}
	l.logger.LogAttrs(context.Background(), slog.LevelInfo, "request", append(all, more...)...)
}

// idOf returns the ID that the client gave a request, else a new one.
func idOf(r *http.Request) string {
	if id := r.Header.Get(requestID); saneID(id) {
		return id
	}
	return rand.Text()[:12] // 60 bits tell apart what is in one log
}

// saneID reports whether an ID that a client sent can be logged and sent back.
func saneID(id string) bool {
	const sane = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+=@"
	return id != "" && len(id) <= 128 && strings.Trim(id, sane) == "" && !access.HasToken(id)
}

// isSecretName reports whether a parameter of this name may hold a secret.
func isSecretName(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"token", "jwt", "auth", "secret", "passw", "api_key", "api-key", "apikey", "signature"}, func(s string) bool {
		return strings.Contains(name, s)
	})
}

// withoutTokens returns a query as it came, without the values of access_token and whatever else looks like a token.
func withoutTokens(query string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(query, func(c rune) bool { return c == '&' || c == ';' }) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		key, value, _ := strings.Cut(part, "=")
		plainKey, err := unescaped(key, url.QueryUnescape)
		plain, err2 := unescaped(value, url.QueryUnescape)
		switch {
		case access.HasToken(plainKey):
			part = "redacted"
		case err != nil || err2 != nil || isSecretName(plainKey) || access.HasToken(plain):
			part = key + "=redacted"
		}
		b.WriteString(part)
	}
	return b.String()
}

// pathWithoutTokens returns an escaped path as it came, but for the segments in which there is a token, or a parameter that has one.
func pathWithoutTokens(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		plain, err := unescaped(segment, url.PathUnescape)
		bearer := len(plain) > 6 && strings.EqualFold(plain[:6], "bearer")
		if err != nil || bearer || access.HasToken(plain) || slices.ContainsFunc(strings.FieldsFunc(plain, isDelimiter), isSecretPair) {
			segments[i] = "redacted"
		}
	}
	return strings.Join(segments, "/")
}

// isDelimiter reports whether a character is between the parameters of a query.
func isDelimiter(c rune) bool { return c == '?' || c == '&' || c == ';' || c == ',' }

// isSecretPair reports whether a text is the name of a secret with its value.
func isSecretPair(text string) bool {
	i := strings.IndexAny(text, "=:")
	return i >= 0 && isSecretName(text[:i])
}

// unescaped undoes escapes, also of what was escaped twice.
func unescaped(text string, unescape func(string) (string, error)) (string, error) {
	for range 3 {
		plain, err := unescape(text)
		if err != nil || plain == text {
			return plain, err
		}
		if text = plain; strings.IndexByte(text, '%') < 0 {
			break
		}
	}
	return text, nil
}

// short cuts a value that would make a line too long to read.
func short(text string) string {
	const most = 1000
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// loggedAnswer records the status and the size of an answer.
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

// sent returns the status. It is 200 if the handler set none, or took over the connection for a stream.
func (a *loggedAnswer) sent() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}

// Unwrap is for http.ResponseController.
func (a *loggedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
