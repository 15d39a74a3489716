package console_test

import (
	"compress/gzip"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/console"
)

// get returns the answer to a GET of a path with header fields, given as name and value in turn.
func get(t *testing.T, at string, fields ...string) *http.Response {
	t.Helper()
	return do(t, http.MethodGet, at, fields...)
}

func do(t *testing.T, method, at string, fields ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, at, http.NoBody)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	console.Handler().ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// names returns the files of a folder: dist, which is served, or web, from which it is made.
func names(t *testing.T, folder string) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, name)
		}
		return err
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d files: %v", len(all), err)
	}
	return all
}

func TestEveryFileIsServedWithItsTypeAndThePolicy(t *testing.T) {
	types := map[string]string{".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".LICENSE": "text/plain"}
	served := names(t, "dist")
	for _, name := range []string{"uplot.js", "uplot.css", "uplot.LICENSE"} {
		served = append(served, "vendor/"+name)
	}
	for _, name := range served {
		r := get(t, console.Path+name)
		if want := types[path.Ext(name)]; r.StatusCode != http.StatusOK || want == "" || !strings.HasPrefix(r.Header.Get("Content-Type"), want) {
			t.Errorf("%s: %s, %s", name, r.Status, r.Header.Get("Content-Type"))
		}
		from := "dist/" + name
		if strings.HasPrefix(name, "vendor/") {
			from = name
		}
		file, err := os.ReadFile(from)
		if err != nil || text(t, r.Body) != string(file) {
			t.Errorf("%s: the body is not the file, %v", name, err)
		}
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"} {
			if policy := r.Header.Get("Content-Security-Policy"); !strings.Contains(policy, part) {
				t.Errorf("%s: the policy %q lacks %q", name, policy, part)
			}
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: browsers may guess its type", name)
		}
	}
}

func TestOnlyTrustedOriginsAreToldToKeepOtherWindowsAway(t *testing.T) {
	for mode, want := range map[string]string{"navigate": "same-origin", "": ""} {
		if got := get(t, console.Path, "Sec-Fetch-Mode", mode).Header.Get("Cross-Origin-Opener-Policy"); got != want {
			t.Errorf("Sec-Fetch-Mode: %q gets %q, want %q", mode, got, want)
		}
	}
}

func TestStartPageHasTheShortPath(t *testing.T) {
	if a, b := text(t, get(t, "/console/").Body), text(t, get(t, "/console/index.html").Body); a != b || !strings.Contains(a, "<title>") {
		t.Error("/console/ is not the start page")
	}
	// The redirect is relative, so that a proxy may serve the hub below a path.
	if r := get(t, "/console"); r.StatusCode != http.StatusPermanentRedirect || r.Header.Get("Location") != "console/" {
		t.Errorf("/console: %s to %q", r.Status, r.Header.Get("Location"))
	}
}

func TestUnknownFilesAndMethodsAreRefused(t *testing.T) {
	for _, at := range []string{"/console/none.js", "/console/pages/", "/console/pages", "/console/../go.mod", "/console/web/main.js", "/", "/consoles/main.js", "/main.js"} {
		if r := get(t, at); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", at, r.Status)
		}
	}
	r := do(t, http.MethodPost, "/console/")
	if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %s, %q", r.Status, r.Header.Get("Allow"))
	}
	head := do(t, http.MethodHead, "/console/main.js")
	if head.StatusCode != http.StatusOK || text(t, head.Body) != "" || head.ContentLength == 0 {
		t.Errorf("HEAD: %s with %d bytes", head.Status, head.ContentLength)
	}
}

func TestBrowserKeepsACopyAndGetsGzip(t *testing.T) {
	first := get(t, "/console/main.js", "Accept-Encoding", "gzip, deflate, br")
	plain := get(t, "/console/main.js")
	zipped, err := gzip.NewReader(first.Body)
	if err != nil || first.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("not gzip: %v", err)
	}
	if text(t, zipped) != text(t, plain.Body) || plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("Vary") != "Accept-Encoding" {
		t.Error("the two encodings differ, or caches would mix them")
	}
	for accept, want := range map[string]string{"gzip;q=0": "", "gzip; q=0.5": "gzip", "identity": "", "br, GZIP": "gzip", "*": "", "gzip;q=x": ""} {
		if got := get(t, "/console/main.js", "Accept-Encoding", accept).Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding: %s gets %q, want %q", accept, got, want)
		}
	}
	if kept := first.Header.Get("Cache-Control"); kept != "no-cache" {
		t.Errorf("main.js is kept by %q", kept)
	}
	for _, page := range dynamic.FindAllStringSubmatch(text(t, get(t, "/console/main.js").Body), -1) {
		if kept := get(t, console.Path+page[1]).Header.Get("Cache-Control"); !strings.Contains(kept, "immutable") {
			t.Errorf("%s is kept by %q, although its name has a hash", page[1], kept)
		}
	}
}

// TestCurrentCopyIsNotSentAgain in all forms of the field (RFC 9110, section 13.1.2): the tag was looked for in the text of the field, so that
// another tag that contains it counted, too, and * did not.
func TestCurrentCopyIsNotSentAgain(t *testing.T) {
	etag := get(t, "/console/main.js").Header.Get("Etag")
	for field, want := range map[string]int{
		etag: http.StatusNotModified, `"other", ` + etag: http.StatusNotModified, strings.TrimPrefix(etag, "W/"): http.StatusNotModified, "*": http.StatusNotModified,
		`W/"old"`: http.StatusOK, `"x` + etag: http.StatusOK, "": http.StatusOK,
	} {
		for _, coding := range []string{"gzip", "identity"} {
			answer := get(t, "/console/main.js", "If-None-Match", field, "Accept-Encoding", coding)
			if body := text(t, answer.Body); answer.StatusCode != want || (body == "") != (want == http.StatusNotModified) {
				t.Errorf("%s with If-None-Match: %s: %s with %d bytes", coding, field, answer.Status, len(body))
			}
		}
	}
}

const (
	pageBudget    = 25 << 10 // bytes that a browser may load to show any page of the console, compressed, without uPlot and tidings.js
	consoleBudget = 42 << 10 // likewise, to show all pages in turn
	scriptBudget  = 3        // scripts that a page may load: main.js, what pages share, and its own
)

var (
	static  = regexp.MustCompile(`(?:from|import)\s*"\./([\w-]+\.js)"`)
	dynamic = regexp.MustCompile(`import\("\./([\w-]+\.js)"\)`)
)

// loads adds to set the scripts that a browser loads with a script.
func loads(t *testing.T, name string, set map[string]bool) {
	t.Helper()
	if set[name] {
		return
	}
	set[name] = true
	for _, found := range static.FindAllStringSubmatch(text(t, get(t, console.Path+name).Body), -1) {
		loads(t, found[1], set)
	}
}

func TestEachPageOfTheConsoleIsSmall(t *testing.T) {
	pages := dynamic.FindAllStringSubmatch(text(t, get(t, "/console/main.js").Body), -1)
	if len(pages) < 9 {
		t.Fatalf("main.js loads %d pages", len(pages))
	}
	all := make(map[string]bool)
	for _, page := range pages {
		set := make(map[string]bool)
		loads(t, "main.js", set)
		loads(t, page[1], set)
		if len(set) > scriptBudget {
			t.Errorf("%s needs %d scripts, and the budget is %d", page[1], len(set), scriptBudget)
		}
		maps.Copy(set, map[string]bool{"index.html": true, "console.css": true, "icon.svg": true})
		maps.Copy(all, set)
		sum := compressed(t, set)
		t.Logf("%s: %d bytes", page[1], sum)
		if sum > pageBudget {
			t.Errorf("a browser loads %d bytes for %s, and the budget is %d", sum, page[1], pageBudget)
		}
	}
	sum := compressed(t, all)
	t.Logf("all pages: %d bytes", sum)
	if sum > consoleBudget {
		t.Errorf("a browser loads %d bytes for all pages, and the budget is %d", sum, consoleBudget)
	}
}

// compressed returns the number of bytes that a browser loads for some files.
func compressed(t *testing.T, files map[string]bool) (sum int) {
	t.Helper()
	for name := range files {
		sum += len(text(t, get(t, console.Path+name, "Accept-Encoding", "gzip").Body))
	}
	return sum
}

func TestOnlyTheMetricsPageLoadsUPlot(t *testing.T) {
	for _, name := range names(t, "web") {
		file, err := os.ReadFile("web/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(string(file), "vendor/"); has != (name == "chart.js") {
			t.Errorf("%s names a file of vendor: %v", name, has)
		}
	}
}

// These are the ways to turn text into HTML or code. The policy of the console forbids them, and one would break its page.
var sinks = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|setHTML|\beval\(|new Function\(|javascript:`)

func TestNothingSetsHTMLOrNamesAnotherOrigin(t *testing.T) {
	elsewhere := regexp.MustCompile(`(?:src|href|import|from|url\()[=\s('"]*(https?:)?//`)
	for _, name := range names(t, "web") {
		file, err := os.ReadFile("web/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if found := sinks.Find(file); found != nil {
			t.Errorf("%s uses %s", name, found)
		}
		if found := elsewhere.Find(file); found != nil {
			t.Errorf("%s loads %s", name, found)
		}
	}
}
