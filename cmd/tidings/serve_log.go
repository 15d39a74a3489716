package main

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/plain"
)

// reportFlags configure the log on standard error.
type reportFlags struct {
	LogFormat   string `enum:"text,json" default:"text" placeholder:"FORMAT" help:"text or json."`
	LogLevel    string `enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL" help:"Lowest level that is logged: debug, info, warn or error."`
	LogRequests string `enum:"auto,always,never" default:"auto" placeholder:"WHEN" help:"Whether to log each request when it ends, at level info: always, never, or auto, which logs none on a terminal."`
}

// requests reports whether requests are logged, if the log goes to w.
func (f *reportFlags) requests(w io.Writer) bool {
	if f.LogRequests == "auto" {
		return !isTerminal(w)
	}
	return f.LogRequests == "always"
}

// logger returns a logger that writes lines to w.
func (f *reportFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.LogLevel)) // kong has checked it
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: plainErrors}
	if f.LogFormat == "json" {
		return slog.New(withIDs{slog.NewJSONHandler(w, o)})
	}
	return slog.New(withIDs{slog.NewTextHandler(w, o)})
}

// plainErrors removes the names of our packages from the errors in the log.
func plainErrors(_ []string, a slog.Attr) slog.Attr {
	if a.Key != "err" && a.Key != "error" && a.Key != "cause" {
		return a
	}
	if err, ok := a.Value.Any().(error); ok {
		a.Value = slog.StringValue(plain.Text(err.Error()))
	} else if a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(plain.Text(a.Value.String()))
	}
	return a
}

// requestLog gives each request an ID, and logs the request when it has ended. The hub reports the end of a stream, because the handler may
// have returned long before.
//
// Clients cannot forge lines: slog quotes everything except plain text, and the path stays escaped.
type requestLog struct {
	logger *slog.Logger               // nil means that requests are not logged
	remote func(*http.Request) string // returns the address of the client
}

// requestLog returns the log of the requests to a hub. For requests through a trusted proxy it logs the address of the proxy's client.
func (f *limitFlags) requestLog(h *hub.Hub, logger *slog.Logger) *requestLog {
	remote := func(r *http.Request) string { return r.RemoteAddr }
	if len(f.TrustedProxy) > 0 {
		remote = func(r *http.Request) string { return cmp.Or(h.ClientAddress(r), r.RemoteAddr) }
	}
	return &requestLog{logger, remote}
}

// requestID is the header field with the ID of a request. A proxy may set it, and the answer has it.
const requestID = "X-Request-Id"

// begin starts the log line of a request. It returns a writer that counts the answer, and the line, which is nil if the request is not logged.
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
	// Changes the request in place: net/http keeps the original while an HTTP/2 stream is open, and a copy would take memory too.
	*r = *r.WithContext(context.WithValue(r.Context(), lineKey{}, line))
	return line.answer, line
}

// end writes the line. The line of a stream is written when the hub reports the end of the stream.
func (l *requestLine) end() {
	if l != nil && l.answer != nil {
		l.write(l.answer.sent(), l.answer.bytes)
	}
}

// requestLine is the log line of a request that has not ended. A line per stream stays in memory, so it holds texts instead of the request.
type requestLine struct {
	logger              *slog.Logger
	id, remote, subject string
	began               time.Time
	method, path, query string
	answer              *loggedAnswer // nil for a stream
}

type lineKey struct{} // the key of a *requestLine in the context of its request

// lineOf returns the line of the request with this context, nil if the request is not logged.
func lineOf(ctx context.Context) *requestLine {
	line, _ := ctx.Value(lineKey{}).(*requestLine)
	return line
}

// withIDs adds the ID of a request to all lines that the hub logs about the request.
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

// logStream is for [hub.Options.OnStream]: the hub calls it when a stream begins, and calls the function that it returns when the stream ends.
func logStream(r *http.Request) func(hub.StreamEnd) {
	line := lineOf(r.Context())
	if r.ProtoMajor > 1 {
		r.Header, r.URL = nil, nil // frees memory: net/http keeps the request while the stream is open, and nothing reads these fields
	}
	if line == nil {
		return nil
	}
	line.answer = nil
	return func(end hub.StreamEnd) { line.write(http.StatusOK, end.Bytes, slog.String("ended", end.Reason)) }
}

// write logs the line, without empty values.
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

// idOf returns the ID that the client has set, or a new one.
func idOf(r *http.Request) string {
	if id := r.Header.Get(requestID); saneID(id) {
		return id
	}
	return newID()
}

// newID returns a random ID. Its 60 bits are unique within one log, and protect nothing.
func newID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" // base32, as crypto/rand.Text
	var id [12]byte
	bits := rand.Uint64()
	for i := range id {
		id[i] = letters[bits%32]
		bits /= 32
	}
	return string(id[:])
}

// saneID reports whether it is safe to log an ID from a client and to send it back.
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

// withoutTokens returns a query in which the values that are or may be secrets, such as that of access_token, are replaced by "redacted".
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

// pathWithoutTokens returns an escaped path in which segments that contain a token, or a parameter with one, are replaced by "redacted".
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

// isDelimiter reports whether a character separates the parameters of a query.
func isDelimiter(c rune) bool { return c == '?' || c == '&' || c == ';' || c == ',' }

// isSecretPair reports whether a text is a name and a value, and the name is that of a secret.
func isSecretPair(text string) bool {
	i := strings.IndexAny(text, "=:")
	return i >= 0 && isSecretName(text[:i])
}

// unescaped removes escapes, also from text that was escaped up to three times.
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

// short returns the first 1,000 bytes of a value, so that lines stay readable.
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

// WriteHeader records the status. A status below 200 is followed by another one.
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

// sent returns the status. It is 200 if the handler set none.
func (a *loggedAnswer) sent() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}

// Unwrap is for [http.ResponseController].
func (a *loggedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
