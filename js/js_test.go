package js_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/js"
)

func get(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	js.Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestEveryFileIsServedToPagesOfAllOrigins(t *testing.T) {
	for _, name := range js.Names() {
		resp := get(t, "GET", "/"+name)
		kind := "text/javascript; charset=utf-8"
		if strings.HasSuffix(name, ".ts") {
			kind = "text/plain; charset=utf-8"
		}
		for field, want := range map[string]string{"Content-Type": kind, "Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"} {
			if got := resp.Header.Get(field); got != want {
				t.Errorf("%s: %s is %q, want %q", name, field, got, want)
			}
		}
		if resp.StatusCode != 200 || resp.ContentLength == 0 || resp.Header.Get("ETag") == "" {
			t.Errorf("%s: status %d, %d bytes, ETag %q", name, resp.StatusCode, resp.ContentLength, resp.Header.Get("ETag"))
		}
	}
	for _, name := range []string{"tidings.js", "tidings.d.ts", "tidings.source.js", "tidings/follow.js", "tidings/follow.d.ts"} {
		if !slices.Contains(js.Names(), name) {
			t.Errorf("%s is not served", name)
		}
	}
}

func TestUnchangedFileIsNotSentAgain(t *testing.T) {
	etag := get(t, "GET", "/tidings.js").Header.Get("ETag")
	if resp := get(t, "GET", "/tidings.js", "If-None-Match", etag); resp.StatusCode != http.StatusNotModified {
		t.Errorf("status %d, want 304", resp.StatusCode)
	}
	if got := get(t, "GET", "/tidings.js").Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control is %q: a browser would use an old version for a while", got)
	}
}

func TestNameWithHashIsCachedForAYear(t *testing.T) {
	hashed := regexp.MustCompile(`^tidings\.[0-9a-f]{12}\.js$`)
	i := slices.IndexFunc(js.Names(), hashed.MatchString)
	if i < 0 {
		t.Fatalf("no name has a hash: %q", js.Names())
	}
	resp, plain := get(t, "GET", "/"+js.Names()[i]), get(t, "GET", "/tidings.js")
	if got := resp.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("Cache-Control is %q", got)
	}
	if resp.Header.Get("ETag") != plain.Header.Get("ETag") {
		t.Error("the file under a hash differs from tidings.js")
	}
}

func TestOtherPathsAndMethodsAreRefused(t *testing.T) {
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/tidings.000000000000.js", 404},
		{"GET", "/js.go", 404},
		{"GET", "/", 404},
		{"GET", "/../tidings.js/", 200},
		{"GET", "/prefix/tidings.js", 200},
		{"GET", "/prefix/tidings/follow.js", 200},
		{"GET", "/follow.js", 404},
		{"GET", "/tidings/", 404},
		{"POST", "/tidings.js", 405},
		{"DELETE", "/tidings.js", 405},
		{"HEAD", "/tidings.js", 200},
	} {
		if resp := get(t, test.method, test.path); resp.StatusCode != test.status {
			t.Errorf("%s %s: status %d, want %d", test.method, test.path, resp.StatusCode, test.status)
		}
	}
}
