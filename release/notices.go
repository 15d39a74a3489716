package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// notices returns the licences of all that the binaries contain beside our own code: modules, Go itself, and the scripts of the console.
func notices(src *source, modules map[target][]dependency) ([]byte, error) {
	all := map[string]dependency{}
	for _, t := range targets {
		for _, d := range modules[t] {
			if known, ok := all[d.path]; ok {
				maps.Copy(d.texts, known.texts)
			}
			all[d.path] = d
		}
	}
	golang, err := os.ReadFile(filepath.Join(runtime.GOROOT(), "LICENSE")) //nolint:staticcheck // the program runs by go run, where the Go that built it still exists
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("Tidings contains the following works of others. Each is followed by its licence.\n\n")
	section(&b, "Go, its runtime and standard library", []file{{"LICENSE", golang}})
	if err := fs.WalkDir(os.DirFS(src.dir), "console/vendor", func(path string, d fs.DirEntry, err error) error {
		name, ok := strings.CutSuffix(path, ".LICENSE")
		if err != nil || !ok {
			return err
		}
		text, err := src.read(path)
		section(&b, filepath.Base(name)+", in the web console", []file{{"LICENSE", text}})
		return err
	}); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		d := all[path]
		texts := slices.SortedFunc(maps.Values(d.texts), func(a, b file) int { return strings.Compare(a.name, b.name) })
		section(&b, fmt.Sprintf("%s %s (%s)", d.path, d.version, strings.Join(d.licences, " AND ")), texts)
	}
	return b.Bytes(), nil
}

// section writes the texts of a work.
func section(b *bytes.Buffer, title string, texts []file) {
	fmt.Fprintf(b, "%s\n%s\n%s\n", strings.Repeat("=", 80), title, strings.Repeat("=", 80))
	for _, f := range texts {
		fmt.Fprintf(b, "\n--- %s\n\n%s\n", f.name, bytes.TrimSpace(bytes.ReplaceAll(f.text, []byte("\r\n"), []byte("\n"))))
	}
	b.WriteString("\n")
}
