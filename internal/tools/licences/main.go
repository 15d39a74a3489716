// Command licences lists the licences of all modules that packages of the given modules need, tests included, and fails if one is unknown or
// not allowed:
//
//	go run -C internal/tools ./licences ../.. ../../bench
//
// It reads the licence file of each module in the module cache. A licence is known by a sentence that only it has.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// allowed are the licences that a program under Apache-2.0 may link. MPL-2.0 concerns only changed files of such a module.
var allowed = []string{"Apache-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause", "ISC", "MPL-2.0", "Unlicense", "CC0-1.0"}

// sentences are looked for in this order, in text with single spaces. MPL-2.0 names the licences of GNU, and the clauses of BSD-2-Clause are also in
// BSD-3-Clause.
var sentences = []struct{ licence, sentence string }{
	{"MPL-2.0", "Mozilla Public License Version 2.0"},
	{"MPL-2.0", "Mozilla Public License, version 2.0"},
	{"AGPL-3.0", "GNU AFFERO GENERAL PUBLIC LICENSE"},
	{"LGPL", "GNU LESSER GENERAL PUBLIC LICENSE"},
	{"GPL", "GNU GENERAL PUBLIC LICENSE"},
	{"BUSL-1.1", "Business Source License"},
	{"SSPL-1.0", "Server Side Public License"},
	{"Apache-2.0", "Apache License Version 2.0"},
	{"Apache-2.0", "http://www.apache.org/licenses/LICENSE-2.0"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee"},
	{"ISC", "Permission to use, copy, modify, and distribute this software for any purpose with or without fee"},
	{"BSD-3-Clause", "may be used to endorse or promote products"},
	{"BSD-2-Clause", "Redistributions in binary form must reproduce the above copyright notice"},
	{"Unlicense", "This is free and unencumbered software released into the public domain"},
	{"CC0-1.0", "CC0 1.0 Universal"},
}

func main() {
	quiet := flag.Bool("q", false, "print nothing if all is well")
	flag.Parse()
	var out io.Writer = os.Stdout
	if *quiet {
		out = io.Discard
	}
	if err := run(out, flag.Args()); err != nil {
		log.SetFlags(0)
		log.Fatal(err)
	}
}

func run(out io.Writer, dirs []string) error {
	needed := map[string]string{} // directories, by path and version
	for _, dir := range dirs {
		if err := modules(dir, needed); err != nil {
			return err
		}
	}
	if len(needed) == 0 {
		return errors.New("licences: no module was found")
	}
	var refused []error
	for _, module := range slices.Sorted(maps.Keys(needed)) {
		licence, err := licenceOf(needed[module])
		switch {
		case err != nil:
			refused = append(refused, fmt.Errorf("licences: %s: %w", module, err))
		case !slices.Contains(allowed, licence):
			refused = append(refused, fmt.Errorf("licences: %s has the licence %s, which is not allowed", module, licence))
		}
		fmt.Fprintf(out, "%-14s %s\n", cmp.Or(licence, "unknown"), module)
	}
	return errors.Join(refused...)
}

// modules adds the modules that the packages of the module in dir need, except those of this repository.
func modules(dir string, needed map[string]string) error {
	list := exec.Command("go", "list", "-deps", "-test", "-tags", "programs", "-json=Module", "./...")
	list.Dir = dir
	var complaints bytes.Buffer
	list.Stderr = &complaints
	text, err := list.Output()
	if err != nil {
		return fmt.Errorf("licences: go list in %s: %w\n%s", dir, err, complaints.String())
	}
	type module struct {
		Path, Version, Dir string
		Replace            *module
	}
	for d := json.NewDecoder(bufio.NewReader(bytes.NewReader(text))); ; {
		var p struct{ Module *module }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if p.Module != nil && !strings.HasPrefix(p.Module.Path+"/", "github.com/tidings-sse/tidings/") {
			needed[p.Module.Path+" "+p.Module.Version] = p.Module.Dir
		}
	}
}

var (
	files  = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)([-._].*)?$`)
	spaces = regexp.MustCompile(`[\s*#/]+`)
)

// licenceOf returns the licence in the licence file of a module. With several files, any that is known and allowed counts, because they are
// alternatives or belong to parts.
func licenceOf(dir string) (licence string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	err = errors.New("it has no licence file")
	for _, e := range entries {
		if e.IsDir() || !files.MatchString(e.Name()) {
			continue
		}
		text, readErr := os.ReadFile(filepath.Join(dir, e.Name()))
		if readErr != nil {
			return "", readErr
		}
		found := classify(string(text))
		if slices.Contains(allowed, found) {
			return found, nil
		}
		if licence = cmp.Or(licence, found); found == "" {
			err = fmt.Errorf("the licence in %s is unknown", e.Name())
		}
	}
	if licence != "" {
		return licence, nil
	}
	return "", err
}

func classify(text string) string {
	text = strings.ToLower(spaces.ReplaceAllString(text, " "))
	for _, s := range sentences {
		if strings.Contains(text, strings.ToLower(spaces.ReplaceAllString(s.sentence, " "))) {
			return s.licence
		}
	}
	return ""
}
