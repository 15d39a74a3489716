package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The code in the documentation is tested: Go is compiled (docs_go_test.go), and commands are run (docs_commands_linux_test.go).

// repository returns the folder of the repository.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// fragment is a fenced block of a page.
type fragment struct {
	page, language string
	line           int // of its first line
	text           string
}

func (f fragment) String() string { return fmt.Sprintf("%s:%d", f.page, f.line) }

// command returns the first line without its comment.
func (f fragment) command() string {
	first, _, _ := strings.Cut(f.text, "\n")
	first, _, _ = strings.Cut(first, " #")
	return strings.TrimRight(first, " ")
}

// fragments returns the fenced blocks of all pages.
func fragments(t *testing.T) (all []fragment) {
	t.Helper()
	root := repository(t)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || path != root && strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case filepath.Ext(path) != ".md" || entry.Name() == "README.zh.md": // its blocks are those of README.md: TestChineseREADMEKeepsStep
			return nil
		}
		page, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, fragmentsOf(t, filepath.ToSlash(page), string(text))...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func fragmentsOf(t *testing.T, page, text string) (all []fragment) {
	t.Helper()
	var open *fragment
	for i, line := range strings.Split(text, "\n") {
		fence, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case ok && open == nil:
			open = &fragment{page: page, language: fence, line: i + 2}
		case ok:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		t.Errorf("%s: the block is not closed", open)
	}
	return all
}

// TestEveryLanguageInTheDocumentationIsTested: each language of a code block has a test.
func TestEveryLanguageInTheDocumentationIsTested(t *testing.T) {
	tested := map[string]string{
		"go":        "TestGoInTheDocumentationCompiles",
		"sh":        "TestCommandsInTheDocumentationRun",
		"js":        "TestJavaScriptInTheDocumentationIsValid",
		"json":      "here",
		"yaml":      "TestConfigurationFilesInTheDocumentationAreValid",
		"html":      "e2e/browser.spec.js",
		"svelte":    "e2e/frameworks.spec.js",
		"nginx":     "e2e/proxy.spec.js",
		"haproxy":   "e2e/proxy.spec.js",
		"caddyfile": "e2e/proxy.spec.js",
		"ini":       "deploy/files_test.go",
		"python":    "TestProgramsOfOtherLanguagesLoseAndDoubleNothing",
		"php":       "TestProgramsOfOtherLanguagesLoseAndDoubleNothing",
		"ruby":      "TestProgramsOfOtherLanguagesLoseAndDoubleNothing",
		"java":      "the same with make languages",
		"rust":      "the same with make languages",
		"csharp":    "nothing: TestEveryPageOfALanguageIsRunOrSaysThatItIsUntried",
		"":          "nothing: it is a picture or a table of text",
	}
	for _, f := range fragments(t) {
		if tested[f.language] == "" {
			t.Errorf("%s: no test takes fragments of %q", f, f.language)
		}
		if f.language == "json" && !json.Valid([]byte(f.text)) {
			t.Errorf("%s is no JSON", f)
		}
	}
}

// TestConfigurationFilesInTheDocumentationAreValid runs tidings config with each of them.
func TestConfigurationFilesInTheDocumentationAreValid(t *testing.T) {
	for _, f := range fragments(t) {
		if f.language != "yaml" {
			continue
		}
		if code, _, complaint := say(t, "config", "--config", writeFile(t, "hub.yaml", f.text)); code != 0 || complaint != "" {
			t.Errorf("%s: exit code %d, %s", f, code, complaint)
		}
	}
}

// TestConfigurationFileOfThePackagesIsValid: as it is installed, and with each of its suggestions.
func TestConfigurationFileOfThePackagesIsValid(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository(t), "release", "packaging", "hub.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	suggestions := regexp.MustCompile(`(?m)^#([a-z-]+:.*\n(?:#  - .*\n)*)`).FindAllStringSubmatch(string(text), -1)
	if len(suggestions) < 10 {
		t.Errorf("it has only %d suggestions", len(suggestions))
	}
	for _, s := range append(suggestions, []string{"", ""}) {
		lines := strings.ReplaceAll(s[1], "\n#", "\n")
		if strings.HasPrefix(lines, "tls-") {
			lines = "tls-cert: /cert.pem\ntls-key: /cert.key\n" // they go together
		}
		if strings.HasPrefix(lines, "addr: 0.0.0.0") || strings.HasPrefix(lines, "public") {
			lines += "key-file: /key\n"
		}
		if code, _, complaint := say(t, "config", "--config", writeFile(t, "hub.yaml", string(text)+lines)); code != 0 || complaint != "" {
			t.Errorf("%q: exit code %d, %s", lines, code, complaint)
		}
	}
}
