package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/hub"
)

// logged serves a request with a handler, and returns the answer and the lines of the log.
func logged(t *testing.T, flags reportFlags, handler http.HandlerFunc, r *http.Request) (*httptest.ResponseRecorder, []string) {
	t.Helper()
	log := newAwaited()
	w := httptest.NewRecorder()
	func() {
		defer func() { _ = recover() }() // as net/http does
		(&front{log: new(limitFlags).requestLog(nil, flags.logger(log)), next: handler}).ServeHTTP(w, r)
	}()
	text, _ := log.now()
	return w, strings.FieldsFunc(text, func(c rune) bool { return c == '\n' })
}

func TestEachRequestIsLogged(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		lineOf(r.Context()).subject = "ann"
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and ")
		_, _ = io.WriteString(w, "stout")
	}
	r := httptest.NewRequest(http.MethodPut, "/events/a%2Fb?topic=c", nil)
	r.Header.Set(requestID, "abc-123")
	w, lines := logged(t, reportFlags{LogFormat: "json"}, handler, r)
	if len(lines) != 1 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
		t.Fatal(err)
	}
	for _, varying := range []string{"time", "duration"} {
		if got[varying] == nil {
			t.Errorf("there is no %s in %s", varying, lines[0])
		}
		delete(got, varying)
	}
	want := map[string]any{
		"level": "INFO", "msg": "request", "id": "abc-123", "remote": "192.0.2.1:1234", "method": "PUT", "path": "/events/a%2Fb", "query": "topic=c",
		"status": 418.0, "bytes": 15.0, "subject": "ann",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the line (-want +got):\n%s", diff)
	}
	if id := w.Header().Get(requestID); id != "abc-123" {
		t.Errorf("the answer has the ID %q", id)
	}
}

func TestRequestKeepsASafeID(t *testing.T) {
	for id, kept := range map[string]bool{
		"abc-123": true, "01:AZ_az.09/+=@": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, "two words": false, `quo"te`: false, "é": false, "a\x1b[31m": false, "a,b": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set(requestID, id)
		w, lines := logged(t, reportFlags{LogLevel: "info"}, func(http.ResponseWriter, *http.Request) {}, r)
		got := w.Header().Get(requestID)
		if kept != (got == id) || got == "" || !strings.Contains(lines[0], " id="+got+" ") && !strings.Contains(lines[0], ` id="`+got+`" `) {
			t.Errorf("ID %q became %q: %s", id, got, lines)
		}
	}
}

// TestLogHasNoNamesOfPackages in its errors, whether they are errors or texts.
func TestLogHasNoNamesOfPackages(t *testing.T) {
	err := fmt.Errorf("the hub waits: %w", fmt.Errorf("eventlog: no records: %w", errors.New("natslog: no answer")))
	for _, format := range []string{"text", "json"} {
		var out strings.Builder
		(&reportFlags{LogFormat: format, LogLevel: "info"}).logger(&out).Warn("it waits", "err", err, "error", err.Error(), "cause", err, "topic", "hub: x")
		if text := out.String(); strings.Count(text, "the hub waits: no records: no answer") != 3 || !strings.Contains(text, "hub: x") {
			t.Errorf("%s", text)
		}
	}
}

// People read logs in terminals, and programs read them line by line.
func TestClientsCannotForgeLogLines(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		r := httptest.NewRequest(http.MethodGet, "/events/a%0Atime=now%20msg=forged%1b%5b31m?topic=%0Alevel=ERROR&x=%7F", nil)
		r.Method = "GET\nmsg=forged\x1b[31m"
		r.RemoteAddr = "1.2.3.4:5\nmsg=forged"
		_, lines := logged(t, reportFlags{LogFormat: format}, func(w http.ResponseWriter, r *http.Request) {
			lineOf(r.Context()).subject = "eve\nmsg=forged\x1b]0;title\x07"
		}, r)
		if len(lines) != 1 || strings.ContainsFunc(lines[0], func(c rune) bool { return c < ' ' || c == 0x7f }) {
			t.Errorf("%s: %q", format, lines)
		}
	}
}

// TestTokensAreHiddenInLoggedPathsAndMethods, and in the ID of a request: users paste tokens into the wrong places.
func TestTokensAreHiddenInLoggedPathsAndMethods(t *testing.T) {
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
	for path, want := range map[string]string{
		"/events/" + token:                                "/events/redacted",
		"/" + token + "/events":                           "/redacted/events",
		"/events/a/" + token + "/b%2Fc":                   "/events/a/redacted/b%2Fc",
		"/events/%65yJhbGciOiJIUzI1NiJ9.e30.c2ln":         "/events/redacted",
		"/events/%2565yJhbGciOiJIUzI1NiJ9.e30.c2ln":       "/events/redacted",
		"/events/IHsiYWxnIjoiSFMyNTYifQ.e30.c2ln":         "/events/redacted",
		"/events/news%3Faccess_token=hunter2":             "/events/redacted",
		"/events/news&access_token=hunter2/more":          "/events/redacted/more",
		"/events/authorization:hunter2":                   "/events/redacted",
		"/events/Authorization%3D%20Bearer%20hunter2":     "/events/redacted",
		"/events/Bearer%20hunter2":                        "/events/redacted",
		"/events/www.example.com/a.b.c/tokens/auth/x=y":   "/events/www.example.com/a.b.c/tokens/auth/x=y",
		"/events/https:%2F%2Fexample.com%2Fbooks%2F1/%20": "/events/https:%2F%2Fexample.com%2Fbooks%2F1/%20",
	} {
		if got := pathWithoutTokens(path); got != want {
			t.Errorf("%q is logged as %q, want %q", path, got, want)
		}
	}
	for _, format := range []string{"text", "json"} {
		r := httptest.NewRequest(http.MethodGet, "/events/"+token+"?topic="+token, nil)
		r.Method = token
		r.Header.Set(requestID, token)
		w, lines := logged(t, reportFlags{LogFormat: format}, func(http.ResponseWriter, *http.Request) {}, r)
		if text := strings.Join(lines, "") + fmt.Sprint(w.Header()); len(lines) != 1 || strings.Contains(text, "eyJ") || strings.Contains(text, token[30:]) {
			t.Errorf("%s: %s", format, text)
		}
	}
}

func TestTokensAreNeverLogged(t *testing.T) {
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
	for query, want := range map[string]string{
		"access_token=" + token:                                "access_token=redacted",
		"topic=a%2Fb&access_token=" + token + "&last=5":        "topic=a%2Fb&access_token=redacted&last=5",
		"access%5Ftoken=" + token:                              "access%5Ftoken=redacted",
		"ACCESS_TOKEN=secret":                                  "ACCESS_TOKEN=redacted",
		"token=secret&jwt=" + token + "&auth=Bearer+" + token:  "token=redacted&jwt=redacted&auth=redacted",
		"topic=a;access_token=" + token:                        "topic=a&access_token=redacted",
		"access_token=%zz" + token + "&topic=%zz":              "access_token=redacted&topic=redacted",
		"x=%65yJhbGciOiJIUzI1NiJ9.e30.c2ln":                    "x=redacted",
		"topic=https://example.com/books/1&since=earliest&end": "topic=https://example.com/books/1&since=earliest&end",
		"jwt=eyAiYWxnIjoiSFMyNTYifQ.e30.c2ln":                  "jwt=redacted",
		"x=eyAiYWxnIjoiSFMyNTYifQ.e30.c2ln":                    "x=redacted", // white space after {
		"x=Bearer+ewogICJhbGciOiJIUzI1NiJ9.e30.c2ln":           "x=redacted", // a line end
		"x=IHsiYWxnIjoiSFMyNTYifQ.e30.c2ln":                    "x=redacted", // white space before it
		"auth=hunter2&password=hunter2":                        "auth=redacted&password=redacted",
		"api_key=hunter2&clientSecret=hunter2":                 "api_key=redacted&clientSecret=redacted",
		token + "&topic=a":                                     "redacted&topic=a",
		"topic=www.example.com&topic=a.b.c&key=eu.de.1.2":      "topic=www.example.com&topic=a.b.c&key=eu.de.1.2",
		"": "",
	} {
		if got := withoutTokens(query); got != want {
			t.Errorf("%q is logged as %q, want %q", query, got, want)
		}
	}
}

func TestHigherLogLevelHidesRequests(t *testing.T) {
	w, lines := logged(t, reportFlags{LogLevel: "warn"}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, httptest.NewRequest(http.MethodGet, "/", nil))
	if len(lines) != 0 || w.Code != http.StatusNotFound || w.Header().Get(requestID) == "" {
		t.Errorf("status %d, ID %q, lines %q", w.Code, w.Header().Get(requestID), lines)
	}
}

func TestRequestWhoseHandlerPanicsIsLogged(t *testing.T) {
	_, lines := logged(t, reportFlags{}, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, httptest.NewRequest(http.MethodGet, "/gone", nil))
	if len(lines) != 1 || !strings.Contains(lines[0], "path=/gone") {
		t.Errorf("lines %q", lines)
	}
}

// The hub takes over connections, flushes, and sets deadlines through the handler that logs.
func TestLoggingKeepsFlushHijackAndDeadlines(t *testing.T) {
	log := newAwaited()
	server := httptest.NewServer(&front{log: new(limitFlags).requestLog(nil, new(reportFlags).logger(log)), next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = buffered.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") // what is lost is missed below
		_ = buffered.Flush()
	})})
	defer server.Close()
	if answer, text := ask(t, clientOf(t, nil), http.MethodGet, server.URL, ""); answer.StatusCode != http.StatusOK || text != "hi" {
		t.Errorf("%s %q", answer.Status, text)
	}
	log.await(t, "path=/ .*status=200")

	s := startServe(t, nil)
	follow, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/events/news", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := clientOf(t, nil).Do(follow)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if answer, text := ask(t, clientOf(t, nil), http.MethodPost, s.url+"/events/news", "hello"); answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", answer.Status, text)
	}
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() && lines.Text() != "data: hello" {
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
}

// TestStreamIsLoggedWhenItEnds: its line was written when it began, with bytes=0 and a duration of a millisecond.
func TestStreamIsLoggedWhenItEnds(t *testing.T) {
	s := startServe(t, nil, "--log-format", "json")
	if answer, text := ask(t, clientOf(t, nil), http.MethodPost, s.url+"/events/news?end=1", "hello"); answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", answer.Status, text)
	}
	_, stream := ask(t, clientOf(t, nil), http.MethodGet, s.url+"/events/news?since=earliest", "")
	want := fmt.Sprintf(`"query":"since=earliest","status":200,"bytes":%d,"duration":`, len(stream))
	line := s.log.await(t, `.*"query":"since=earliest".*\n`)
	if !strings.Contains(line, want) || !strings.Contains(line, `"ended":"complete"`) {
		t.Errorf("%s, want %s and how it ended", line, want)
	}
	s.stop()
	if text, _ := s.log.now(); strings.Count(text, `"query":"since=earliest"`) != 1 {
		t.Errorf("it has other lines, too:\n%s", text)
	}
}

// TestTrustedProxyRequestIsLoggedWithItsClientAddress: all lines had the address of the proxy, also those about refused tokens.
func TestTrustedProxyRequestIsLoggedWithItsClientAddress(t *testing.T) {
	key := environ{"TIDINGS_KEY=" + testSecret}
	s := startServe(t, key, "--trusted-proxy", "127.0.0.0/8", "--trusted-proxy", "::1/128")
	ask(t, clientOf(t, nil), http.MethodGet, s.url+"/events/news", "", "X-Forwarded-For", "192.0.2.7", "Authorization", "Bearer x")
	s.log.await(t, `msg="token refused" remote=192\.0\.2\.7 reason=malformed .* id=\S+\n`)
	s.log.await(t, `msg=request id=\S+ remote=192\.0\.2\.7 `)
	s = startServe(t, key)
	ask(t, clientOf(t, nil), http.MethodGet, s.url+"/healthz", "", "X-Forwarded-For", "192.0.2.7")
	s.log.await(t, `msg=request id=\S+ remote="?(127\.0\.0\.1|\[::1\]):\d+`)
}

// The cookies and the token of a page can take many times the memory of a stream.
func TestHTTP2StreamFreesItsRequest(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/events/news", nil)
	r.ProtoMajor = 2
	inner := func(_ http.ResponseWriter, r *http.Request) { logStream(r)(hub.StreamEnd{Reason: "gone"}) }
	_, lines := logged(t, reportFlags{}, inner, r)
	if r.Header != nil || r.URL != nil {
		t.Errorf("net/http keeps the header %v and the URL %v", r.Header, r.URL)
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "path=/events/news") {
		t.Errorf("lines %q", lines)
	}
}
