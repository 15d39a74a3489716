package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// allPages are the pages by the names of their files.
var allPages = map[string]page{"demo_page": demoPage, "hub_page": hubPage}

func fileOf(t *testing.T, name string) string {
	t.Helper()
	text, err := pageFiles.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The pages work without a network, and a strict policy ensures that.
func TestPagesNeedNoOtherOrigin(t *testing.T) {
	foreign := regexp.MustCompile(`(?i:\b(https?|wss?|data):[^\s"'<]*|(src|href)=["']?//)|url\(|@import|\bimport\b[^\n]*`)
	innocent := map[string]bool{ // shown, not loaded
		"http://localhost:3000/events": true,
		"https://your.page":            true,
		"http://www.w3.org/2000/svg":   true, // the name of a language

		"import { Tidings } from '/tidings.js'": true, // the hub's own module
		"import { Tidings } from '${location.origin}/tidings.js'\\nconst hub = new Tidings(${given})\\n${follows}`)": true,
	}
	for name, page := range allPages {
		for _, f := range page {
			for _, found := range foreign.FindAllString(fileOf(t, f.name), -1) {
				if !innocent[found] {
					t.Errorf("%s contains %q", f.name, found)
				}
			}
		}
		links := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(fileOf(t, name+".html"), -1)
		if len(links) < 4 {
			t.Errorf("found only %d links in %s", len(links), name)
		}
		for _, link := range append(links, []string{"", "/"}) {
			w := httptest.NewRecorder()
			page.before(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, link[1], nil))
			if w.Code != http.StatusOK {
				t.Errorf("%s %s: status %d", name, link[1], w.Code)
			}
			if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") || !strings.Contains(policy, "require-trusted-types-for 'script'") {
				t.Errorf("%s %s: Content-Security-Policy %q", name, link[1], policy)
			}
		}
	}
}

// The policy forbids scripts and styles inside a page. A browser would ignore them without an error.
func TestPagesObeyTheirContentSecurityPolicy(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]`)
	for name := range allPages {
		if found := inline.FindString(fileOf(t, name+".html")); found != "" {
			t.Errorf("%s contains %q", name, found)
		}
	}
}

func TestPagesHaveTheElementsOfTheirScripts(t *testing.T) {
	for name := range allPages {
		page := fileOf(t, name+".html")
		ids := regexp.MustCompile(`(?:element|setText|onSubmit)\('([a-z-]+)'`).FindAllStringSubmatch(fileOf(t, name+".js"), -1)
		ids = append(ids, regexp.MustCompile(`data-copy="([a-z-]+)"`).FindAllStringSubmatch(page, -1)...)
		if len(ids) < 10 {
			t.Errorf("found only %d elements in the script of %s", len(ids), name)
		}
		for _, id := range ids {
			if !strings.Contains(page, ` id="`+id[1]+`"`) {
				t.Errorf("%s has no element %q", name, id[1])
			}
		}
	}
}

// TestPageOfAHubWithKeysHasAFieldForTheToken: with --public the hub answered without a token, so the page never showed the field.
func TestPageOfAHubWithKeysHasAFieldForTheToken(t *testing.T) {
	keyed := startServe(t, environ{"TIDINGS_KEY=" + testSecret}, "--public", "news/**")
	for url, want := range map[string]bool{keyed.url: true, startServe(t, nil).url: false} {
		answer, text := ask(t, clientOf(t, nil), http.MethodGet, url+"/", "")
		if answer.StatusCode != http.StatusOK || strings.Contains(text, "<body data-keys ") != want || !strings.HasSuffix(strings.TrimSpace(text), "</html>") {
			t.Errorf("%s, want a field for the token: %t\n%s", answer.Status, want, text)
		}
	}
	if script := fileOf(t, "hub_page.js"); !strings.Contains(script, "'keys' in document.body.dataset") {
		t.Error("the script does not read data-keys")
	}
}

// TestServeHasAPage: in a browser, the hub showed a 404 as JSON.
func TestServeHasAPage(t *testing.T) {
	s := startServe(t, nil)
	s.out.await(t, "open it in a browser")
	for _, test := range []struct {
		method, path string
		status       int
		says         string
	}{
		{http.MethodGet, "/", http.StatusOK, "<title>Tidings hub</title>"},
		{http.MethodHead, "/", http.StatusOK, ""},
		{http.MethodGet, "/page.js", http.StatusOK, "from '/tidings.js'"},
		{http.MethodPost, "/", http.StatusNotFound, `"status":404`}, // the hub's own
		{http.MethodGet, "/nothing", http.StatusNotFound, `"status":404`},
		{http.MethodGet, "/events//news", http.StatusBadRequest, "/events?topic="}, // and never a redirect
	} {
		answer, text := ask(t, clientOf(t, nil), test.method, s.url+test.path, "")
		if answer.StatusCode != test.status || !strings.Contains(text, test.says) {
			t.Errorf("%s %s: %s, want %d and %q in\n%s", test.method, test.path, answer.Status, test.status, test.says, text)
		}
	}
}
