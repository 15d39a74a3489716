// Package console is the web console of a hub: pages for the people who run it.
//
// The console shows the health and the metrics of a hub, tails its events, lists topics and streams, publishes, explains tokens and revokes
// them. It consists of static files and uses only the hub's public HTTP interface, so it can do what its user's token allows and nothing else.
// It follows events with the browser module that the hub serves as /tidings.js.
//
// Folder web has the sources, plain ES modules and a style sheet; "node console/build.js" makes from them what the hub serves, folder dist. It is
// checked in, so that a build of the hub needs no Node. The browser is told to load nothing from other origins and to refuse every assignment
// of HTML: see [guard].
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Path is where a hub serves the console. Its pages find the hub one level above.
const Path = "/console/"

//go:embed dist vendor
var embedded embed.FS

// contentTypes are those of all files. They are fixed, because the tables of some systems are wrong.
var contentTypes = map[string]string{
	".html":    "text/html; charset=utf-8",
	".css":     "text/css; charset=utf-8",
	".js":      "text/javascript; charset=utf-8",
	".svg":     "image/svg+xml",
	".LICENSE": "text/plain; charset=utf-8",
}

// hashed matches the names that contain a hash of the content.
var hashed = regexp.MustCompile(`-[A-Z0-9]{8}\.js$`)

// file is a file of the console as it is sent.
type file struct {
	contentType string
	etag        string
	plain       []byte
	zipped      []byte
}

// files returns all files by their path below [Path]. The first call compresses them.
var files = sync.OnceValue(func() map[string]file {
	all := make(map[string]file)
	err := fs.WalkDir(embedded, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		all[strings.TrimPrefix(name, "dist/")] = file{
			contentType: contentTypes[path.Ext(name)],
			etag:        `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, // weak: the same for both encodings
			plain:       text,
			zipped:      zip(text),
		}
		return nil
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
	return all
})

func zip(text []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // the level is valid, and a buffer takes everything
	}
	return b.Bytes()
}

// Handler returns the handler of the console, for all requests to [Path] and below. It redirects Path without its slash, compares other paths
// exactly, and answers only GET and HEAD. The files are the same for everybody and need no token. The handler is safe for concurrent use.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	guard(header, r)
	name, below := strings.CutPrefix(r.URL.Path, Path)
	if r.URL.Path+"/" == Path {
		// A relative address is also right behind a proxy that serves the hub below a path of its own.
		header.Set("Location", strings.Trim(Path, "/")+"/")
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	if name == "" {
		name = "index.html"
	}
	f, ok := files()[name]
	if !ok || !below {
		http.Error(w, "The console has no such file. Its start page is "+Path+".", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "The console answers only GET and HEAD.", http.StatusMethodNotAllowed)
		return
	}
	header.Set("Etag", f.etag)
	header.Set("Cache-Control", "no-cache") // browsers ask whether their copy is current
	if hashed.MatchString(name) {
		header.Set("Cache-Control", "max-age=31536000, immutable") // other content has another name
	}
	header.Set("Vary", "Accept-Encoding")
	header.Set("Content-Type", f.contentType)
	body := f.plain
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}

// acceptsGzip reports whether the field Accept-Encoding allows gzip (RFC 9110, section 12.5.3).
func acceptsGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil || coding != "gzip" {
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		return params["q"] == "" || err == nil && q > 0
	}
	return false
}

// guard forbids the browser to load or send anything elsewhere, and to turn text into HTML or scripts. Charts set the style of elements by
// script, which the policy allows.
//
// Pages of other origins that open the console get no handle to its window. Browsers grant that to origins that they trust, those with TLS and
// localhost, and warn elsewhere. They send Sec-Fetch-Mode only to such origins.
func guard(h http.Header, r *http.Request) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if r.Header.Get("Sec-Fetch-Mode") != "" {
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
