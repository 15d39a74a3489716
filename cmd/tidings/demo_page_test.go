package main

import (
	"html"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// getDemo sends a request to the handler of a demo.
func getDemo(t *testing.T, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	d, err := newDemo(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.hub.Shutdown(t.Context()) }() // no stream is open
	d.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w
}

// The code that the page displays is the code that it runs.
func TestDemoPageShowsItsRealCode(t *testing.T) {
	shown := regexp.MustCompile(`(?s)<code id="code">(.*?)</code>`).FindStringSubmatch(fileOf(t, "demo_page.html"))
	if shown == nil {
		t.Fatal("the page shows no code")
	}
	if code := html.UnescapeString(shown[1]); !strings.Contains(fileOf(t, "demo_page.js"), code+"\n") {
		t.Errorf("demo_page.js does not contain\n%s", code)
	}
}

func TestDemoNamesItsPathsInErrors(t *testing.T) {
	for _, test := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/event", 404, "the page is at /, and its event stream at /events"},
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
