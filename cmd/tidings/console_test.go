package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/access"
)

// TestConsoleIsServedWhereAdministrationIs: at --addr, or only at --admin-addr, or nowhere.
func TestConsoleIsServedWhereAdministrationIs(t *testing.T) {
	env := environ{"TIDINGS_KEY=" + testSecret}
	client := clientOf(t, nil)
	status := func(url string, header ...string) int {
		answer, _ := ask(t, client, http.MethodGet, url, "", header...)
		return answer.StatusCode
	}
	both := startServe(t, env)
	addr := freeAddr(t)
	apart := startServe(t, env, "--admin-addr", addr)
	admin := "http://" + addr
	addr = freeAddr(t)
	off := startServe(t, env, "--admin-addr", addr, "--no-console")
	for url, want := range map[string]int{
		both.url + "/console/": 200, both.url + "/tidings.js": 200, both.url + "/console/nothing": 404,
		apart.url + "/console/": 404, apart.url + "/tidings.js": 200,
		admin + "/console/": 200, admin + "/tidings.js": 200, admin + "/api/v1/stats": 200, admin + "/api/v1/topics": 401, admin + "/events?poll=1": 401, admin + "/": 404,
		off.url + "/console/": 404, "http://" + addr + "/console/": 404, "http://" + addr + "/events?poll=1": 404, "http://" + addr + "/api/v1/stats": 200,
	} {
		if got := status(url); got != want {
			t.Errorf("%s: %d, want %d", url, got, want)
		}
	}
	answer, text := ask(t, client, http.MethodGet, both.url+"/tidings.js", "")
	if h := answer.Header; h.Get("Access-Control-Allow-Origin") != "*" || h.Get("ETag") == "" || !strings.HasPrefix(h.Get("Content-Type"), "text/javascript") || !strings.Contains(text, "export") {
		t.Errorf("/tidings.js: %v, %d bytes", h, len(text))
	}
	if answer, text := ask(t, client, http.MethodPost, both.url+"/tidings.js", ""); answer.StatusCode != http.StatusNotFound || !strings.Contains(text, "urn:tidings:problem:not-found") {
		t.Errorf("POST /tidings.js: %s %s", answer.Status, text)
	}
	own := []string{"Origin", admin, "Sec-Fetch-Site", "same-origin"}
	if got := status(admin+"/api/v1/stats", own...); got != http.StatusOK {
		t.Errorf("a page of the listener for administrators: %d", got)
	}
	if got := status("http://"+addr+"/api/v1/stats", "Origin", "http://"+addr, "Sec-Fetch-Site", "same-origin"); got != http.StatusForbidden {
		t.Errorf("a page of that listener without the console: %d", got)
	}
	for _, foreign := range [][]string{
		{"Origin", "https://evil.example"},
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "null"},
		{"Origin", "http://127.0.0.1:1"},
		{"Origin", admin, "Sec-Fetch-Site", "cross-site"},
	} {
		if got := status(admin+"/api/v1/stats", foreign...); got != http.StatusForbidden {
			t.Errorf("a foreign page, %q: %d", foreign, got)
		}
	}
	if code, _, complaint := sayIn(t, env, "config", "--console=false"); code != 0 {
		t.Errorf("--console=false: %s", complaint)
	}
}

// TestConsoleCommandPrintsAURLThatWorks: with a token for everything for 15 minutes, in the fragment.
func TestConsoleCommandPrintsAURLThatWorks(t *testing.T) {
	s := startServe(t, environ{"TIDINGS_KEY=" + testSecret})
	t.Setenv("TIDINGS_KEY", testSecret)
	code, out, complaint := say(t, "console", s.url)
	u, err := url.Parse(strings.TrimSpace(out))
	if code != 0 || err != nil || !strings.HasPrefix(out, s.url+"/console/#token=") || complaint != "" {
		t.Fatalf("exit code %d, %q, %s", code, out, complaint)
	}
	token := strings.TrimPrefix(u.Fragment, "token=")
	made, err := access.Peek(token)
	if life := made.Claimed.Expires.Sub(made.Claimed.IssuedAt); err != nil || life.Minutes() != 15 || !made.Claimed.Admin || made.Claimed.Subject != "console" {
		t.Errorf("%+v, %v", made, err)
	}
	client := clientOf(t, nil)
	for _, path := range []string{"/api/v1/stats", "/api/v1/topics", "/events?poll=1"} {
		if answer, text := ask(t, client, http.MethodGet, s.url+path, "", "Authorization", "Bearer "+token); answer.StatusCode != http.StatusOK {
			t.Errorf("%s with the token: %s %s", path, answer.Status, text)
		}
	}
	if _, out, _ = say(t, "console", s.url, "--ttl", "1h", "--sub", "me"); out == "" {
		t.Error("no URL with --ttl and --sub")
	}
	made, err = access.Peek(strings.TrimSpace(out[strings.Index(out, "=")+1:]))
	if err != nil || made.Claimed.Subject != "me" || made.Claimed.Expires.Sub(made.Claimed.IssuedAt).Hours() != 1 {
		t.Errorf("%+v, %v", made, err)
	}
}

// TestConsoleCommandSaysWhatIsWrong before a browser shows an empty page.
func TestConsoleCommandSaysWhatIsWrong(t *testing.T) {
	keyed := startServe(t, environ{"TIDINGS_KEY=" + testSecret})
	open := startServe(t, nil)
	off := startServe(t, nil, "--no-console")
	addr := freeAddr(t)
	apart := startServe(t, nil, "--admin-addr", addr)
	if code, out, complaint := say(t, "console", open.url); code != 0 || out != open.url+"/console/\n" {
		t.Errorf("a hub without keys: exit code %d, %q, %s", code, out, complaint)
	}
	if code, out, complaint := say(t, "console", "http://"+addr); code != 0 || out != "http://"+addr+"/console/\n" {
		t.Errorf("an address for administrators: exit code %d, %q, %s", code, out, complaint)
	}
	another := filepath.Join(t.TempDir(), "another.key")
	if err := os.WriteFile(another, []byte("another secret of these tests, 32 bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no key":          {[]string{keyed.url}, exitRefused, "--key-file names its key"},
		"no console":      {[]string{off.url}, exitRefused, "console"},
		"elsewhere":       {[]string{apart.url}, exitRefused, "another listener"},
		"a socket":        {[]string{"unix:hub.sock"}, exitUsage, "Unix socket"},
		"a topic":         {[]string{"news"}, exitUsage, "not the URL of a hub"},
		"nothing listens": {[]string{"http://" + freeAddr(t)}, exitFailure, "refused"},
		"another key":     {[]string{keyed.url, "--key-file", another}, exitRefused, "not signed with a key"},
	} {
		code, out, complaint := say(t, append([]string{"console"}, test.args...)...)
		if code != test.code || out != "" || !strings.Contains(complaint, test.says) {
			t.Errorf("%s: exit code %d, %q, %s", name, code, out, complaint)
		}
	}
}
