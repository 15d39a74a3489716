package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnknownAndForbiddenLicencesAreRefused in a module that needs others, which are folders beside it.
func TestUnknownAndForbiddenLicencesAreRefused(t *testing.T) {
	const mit = "The MIT License\n\nPermission is hereby granted, free of\n// charge, to any person obtaining a copy of this software"
	for name, test := range map[string]struct{ file, text, want string }{
		"allowed":          {"LICENSE", mit, ""},
		"British spelling": {"LICENCE.md", mit, ""},
		"none":             {"README", mit, "example.com/other v0.0.0: it has no licence file"},
		"unknown":          {"LICENSE.txt", "All rights reserved.", "the licence in LICENSE.txt is unknown"},
		"forbidden":        {"COPYING", "GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3", "has the licence AGPL-3.0, which is not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{
				"main/go.mod":        "module example.com/main\ngo 1.26\nrequire example.com/other v0.0.0\nreplace example.com/other => ../other\n",
				"main/main.go":       "package main\n\nimport _ \"example.com/other\"\n\nfunc main() {}\n",
				"other/go.mod":       "module example.com/other\ngo 1.26\n",
				"other/other.go":     "package other\n",
				"other/" + test.file: test.text,
				"main/LICENSE":       mit,
			} {
				file = filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := run(io.Discard, []string{filepath.Join(dir, "main")})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
		})
	}
}
