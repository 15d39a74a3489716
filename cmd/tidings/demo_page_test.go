package main

import (
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// getDemo asks a demo that is not served for something.
func getDemo(t *testing.T, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	d, err := newDemo(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.hub.Shutdown(t.Context()) }() // there is nobody it could wait for
	d.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w
}

func pageFile(t *testing.T, name string) string {
	t.Helper()
	text, err := demoPage.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The page works with the network cable out, and a strict policy keeps it so.
func TestDemoPageNeedsNoOtherOrigin(t *testing.T) {
	foreign := regexp.MustCompile(`(?i:\b(https?|wss?|data):[^\s"'<]*|(src|href)=["']?//)|url\(|@import|\bimport\b|\bfetch\(`)
	innocent := map[string]bool{
		"http://localhost:3000/events": true, // shown, not loaded
		"http://www.w3.org/2000/svg":   true, // the name of a language
	}
	for _, f := range demoFiles {
		for _, found := range foreign.FindAllString(pageFile(t, f.file), -1) {
			if !innocent[found] {
				t.Errorf("%s contains %q", f.file, found)
			}
		}
	}
	links := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(pageFile(t, "demo_page.html"), -1)
	if len(links) < 3 {
		t.Errorf("found only %d links in the page", len(links))
	}
	for _, link := range append(links, []string{"", "/"}) {
		resp := getDemo(t, "GET", link[1])
		if resp.Code != http.StatusOK {
			t.Errorf("%s: status %d", link[1], resp.Code)
		}
		if policy := resp.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'self';") {
			t.Errorf("%s: Content-Security-Policy %q", link[1], policy)
		}
	}
}

// The policy forbids scripts and styles inside the page. A browser would drop them without a word to the user.
func TestDemoPageKeepsItsOwnPolicy(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]`)
	if found := inline.FindString(pageFile(t, "demo_page.html")); found != "" {
		t.Errorf("the page contains %q", found)
	}
}

// What the page shows as its code is its code.
func TestDemoPageShowsTheCodeThatRuns(t *testing.T) {
	shown := regexp.MustCompile(`(?s)<code id="code">(.*?)</code>`).FindStringSubmatch(pageFile(t, "demo_page.html"))
	if shown == nil {
		t.Fatal("the page shows no code")
	}
	if code := html.UnescapeString(shown[1]); !strings.Contains(pageFile(t, "demo_page.js"), code+"\n") {
		t.Errorf("demo_page.js does not contain\n%s", code)
	}
}

func TestDemoPageHasTheElementsOfItsScript(t *testing.T) {
	page := pageFile(t, "demo_page.html")
	names := regexp.MustCompile(`(?:element|setText)\('([a-z]+)'`).FindAllStringSubmatch(pageFile(t, "demo_page.js"), -1)
	if len(names) < 10 {
		t.Errorf("found only %d elements in the script", len(names))
	}
	for _, name := range names {
		if !strings.Contains(page, ` id="`+name[1]+`"`) {
			t.Errorf("the page has no element %q", name[1])
		}
	}
}

func TestDemoIsHelpfulElsewhere(t *testing.T) {
	for _, test := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/event", 404, "the page is at /, its event stream at /events"},
		{"GET", "/events/demo/*/**/", 400, "/events?topic="},
		{"GET", "/favicon.ico", 404, "/event"},
		{"POST", "/events", 405, "use GET"},
		{"DELETE", "/", 405, "use GET"},
		{"HEAD", "/", 200, ""},
		{"HEAD", "/events", 200, ""},
	} {
		resp := getDemo(t, test.method, test.path)
		if resp.Code != test.status || !strings.Contains(resp.Body.String(), test.says) {
			t.Errorf("%s %s: status %d, want %d and %q in\n%s", test.method, test.path, resp.Code, test.status, test.says, resp.Body)
		}
		if test.status == 405 && resp.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow %q", test.method, test.path, resp.Header().Get("Allow"))
		}
	}
}
