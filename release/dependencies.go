package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// dependency is a module of others in a binary.
type dependency struct {
	path, version string
	sum           string          // as in go.sum
	licences      []string        // SPDX identifiers, sorted
	texts         map[string]file // its licences and notices, by path
}

// allowed are the licences of what a binary may contain.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT"}

// licenceFile matches licences, and paperFile also the other files whose text has to go with the program. A package may have another licence
// than its module.
var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)([._-].*)?$`)
	paperFile   = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([._-].*)?$`)
)

// dependencies returns the modules that a binary contains, sorted by path, with their licences. A licence that is unknown or not allowed is an error.
func dependencies(ctx context.Context, src *source, t target, info *debug.BuildInfo) ([]dependency, error) {
	list, err := command(ctx, src.dir, buildEnv(t), "go", "list", "-deps", "-json=Dir,Module", "./cmd/tidings")
	if err != nil {
		return nil, err
	}
	found := map[string]*dependency{}
	for _, m := range info.Deps {
		m = cmp.Or(m.Replace, m)
		found[m.Path] = &dependency{path: m.Path, version: m.Version, sum: m.Sum, texts: map[string]file{}}
	}
	for decoder := json.NewDecoder(strings.NewReader(list)); ; {
		var p struct {
			Dir    string
			Module *struct {
				Path, Dir string
				Main      bool
			}
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Module == nil || p.Module.Main {
			continue // of Go, or ours
		}
		d := found[p.Module.Path]
		if d == nil {
			return nil, fmt.Errorf("%s: go list has module %s, and the binary does not", t, p.Module.Path)
		}
		for dir := p.Dir; ; dir = filepath.Dir(dir) {
			if err := d.read(dir, p.Module.Dir); err != nil {
				return nil, err
			}
			if dir == p.Module.Dir {
				break
			}
		}
	}
	all, faults := []dependency{}, []error{}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		d := found[name]
		faults = append(faults, d.classify())
		all = append(all, *d)
	}
	return all, errors.Join(faults...)
}

// read reads the licences in a directory of a module.
func (d *dependency) read(dir, module string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		full := filepath.Join(dir, entry.Name())
		if _, known := d.texts[full]; known || entry.IsDir() || !paperFile.MatchString(entry.Name()) || filepath.Ext(full) == ".go" {
			continue
		}
		text, err := os.ReadFile(full)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(module, full)
		if err != nil {
			return err
		}
		d.texts[full] = file{filepath.ToSlash(name), text}
	}
	return nil
}

// classify finds the licences in the texts of a module.
func (d *dependency) classify() error {
	for _, f := range d.texts {
		if !licenceFile.MatchString(path.Base(f.name)) {
			continue
		}
		scan := licensecheck.Scan(f.text)
		for _, match := range scan.Match {
			if !slices.Contains(d.licences, match.ID) {
				d.licences = append(d.licences, match.ID)
			}
		}
	}
	slices.Sort(d.licences)
	if len(d.licences) == 0 {
		return fmt.Errorf("module %s has no licence that is known", d.path)
	}
	for _, id := range d.licences {
		if !slices.Contains(allowed, id) {
			return fmt.Errorf("module %s has the licence %s, which is not one of %s", d.path, id, strings.Join(allowed, ", "))
		}
	}
	return nil
}
