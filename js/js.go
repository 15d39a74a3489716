// Package js holds tidings.js, the client of a hub for browsers, and serves it.
//
// Folder dist has the minified files and their types. They are checked in, so that a build of the hub needs no Node. `make js` checks that
// they are made from the sources: tidings.js beside this file, and its modules in folder tidings.
package js

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

//go:embed dist tidings.js tidings/*.js
var embedded embed.FS

// file is a file as it is served.
type file struct {
	name        string // the end of its path
	contentType string
	text        string
	etag        string
	immutable   bool // the name has a hash of the text
}

const (
	typeJS = "text/javascript; charset=utf-8"
	typeTS = "text/plain; charset=utf-8" // browsers never load it, people may look at it
)

// files has every file under each of its names: the files of dist under their own names, such as tidings.js and tidings/follow.d.ts; modules of
// dist also under names with a hash of their content, tidings.1f2e3d4c5b6a.js; and sources, tidings.source.js and tidings/follow.js.
var files = load()

func load() (all []file) {
	err := fs.WalkDir(embedded, ".", func(from string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, built := strings.CutPrefix(from, "dist/")
		if from == "tidings.js" {
			name = "tidings.source.js"
		}
		f := fileOf(name, from)
		all = append(all, f)
		if built && f.contentType == typeJS {
			f.name, f.immutable = strings.TrimSuffix(f.name, ".js")+"."+f.etag[1:1+hashLength]+".js", true
			all = append(all, f)
		}
		return nil
	})
	if err != nil {
		panic(err) // it is embedded
	}
	return all
}

// hashLength is the length of the hash in a name, in hexadecimal digits: 48 bits tell builds apart.
const hashLength = 12

func fileOf(name, from string) file {
	text, err := embedded.ReadFile(from)
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(text)
	f := file{name: name, contentType: typeJS, text: string(text), etag: `"` + hex.EncodeToString(sum[:]) + `"`}
	if strings.HasSuffix(name, ".ts") {
		f.contentType = typeTS
	}
	return f
}

// Names returns the names of all files: tidings.js and the minified files beside it, each also with a hash of its content in its name; types and
// sources, some of which are in a folder: tidings/follow.js.
func Names() (names []string) {
	for _, f := range files {
		names = append(names, f.name)
	}
	return names
}

// Handler serves the files. It looks only at the end of a path, so it can be mounted at the root or under a prefix. Pages of all origins
// may load the files, because they hold no secret. A name without a hash is checked by its ETag at each use; one with a hash is cached for a
// year. Other names get 404, and other methods than GET and HEAD get 405.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	asked := path.Clean("/" + r.URL.Path)
	i := slices.IndexFunc(files, func(f file) bool { return strings.HasSuffix(asked, "/"+f.name) })
	switch {
	case i < 0:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are allowed", http.StatusMethodNotAllowed)
		return
	}
	f, h := &files[i], w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", f.etag)
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // for pages that isolate themselves
	h.Set("Cache-Control", "no-cache")
	if f.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, f.name, time.Time{}, strings.NewReader(f.text))
}
