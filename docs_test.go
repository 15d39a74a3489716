package tidings_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages returns the text of each page of documentation, by its path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	pages := make(map[string]string)
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			pages[filepath.ToSlash(name)] = string(text)
		}
	}
	return pages
}

var (
	fenced   = regexp.MustCompile("(?s)```.*?```")
	file     = regexp.MustCompile("`([a-zA-Z0-9_][a-zA-Z0-9_/.-]*/[a-zA-Z0-9_.-]+\\.(?:go|js|yaml|md|golden|c|mod))`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	unlinked = regexp.MustCompile(`[^a-z0-9 _-]`) // the characters that an anchor leaves out
)

// hasAnchor reports whether a page has the heading that an anchor names.
func hasAnchor(page, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		if strings.ReplaceAll(unlinked.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}

func TestLinksBetweenPagesResolve(t *testing.T) {
	all := pages(t)
	found := 0
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			path, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if path != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), path))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
			} else if anchor != "" && !hasAnchor(all[target], anchor) {
				t.Errorf("%s links to %s, which has no such heading", name, m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d links were found", found)
	}
}

func TestFilesNamedInPagesExist(t *testing.T) {
	found := 0
	for page, text := range pages(t) {
		for _, m := range file.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			found++
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d names of files were found", found)
	}
}

// TestEveryPageIsListed: in the table of all pages, and beside each page of the site, which had no links to three pages.
func TestEveryPageIsListed(t *testing.T) {
	all := pages(t)
	_, table, _ := strings.Cut(all["docs/README.md"], "\n## All pages\n")
	site, err := os.ReadFile("site/.vitepress/config.js")
	if err != nil {
		t.Fatal(err)
	}
	for path := range all {
		dir, name := filepath.Split(path)
		if dir != "docs/" || name == "README.md" {
			continue
		}
		if !strings.Contains(table, "]("+name+")") {
			t.Errorf("docs/README.md does not list %s", name)
		}
		if !strings.Contains(string(site), ", '/"+strings.TrimSuffix(name, ".md")+"')") {
			t.Errorf("site/.vitepress/config.js does not list %s", name)
		}
	}
}

func TestEveryDecisionHasItsPartsAndItsPlaceInTheIndex(t *testing.T) {
	all := pages(t)
	index := all["docs/decisions/README.md"]
	numbers := make(map[string]string)
	for path, text := range all {
		dir, name := filepath.Split(path)
		if dir != "docs/decisions/" || name == "README.md" {
			continue
		}
		number, _, _ := strings.Cut(name, "-")
		if other := numbers[number]; other != "" {
			t.Errorf("%s and %s have the same number", name, other)
		}
		numbers[number] = name
		title, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
		if !strings.Contains(index, "- ["+number+"]("+name+") "+title+"\n") {
			t.Errorf("the index does not have %s with the title %q", name, title)
		}
		for _, part := range []string{"**Context.** ", "**Decision.** ", "**Consequence.** "} {
			if strings.Count(text, part) != 1 {
				t.Errorf("%s does not have exactly one %s", name, part)
			}
		}
	}
	if len(numbers) == 0 {
		t.Error("there is no decision")
	}
}

// TestChineseREADMEKeepsStep: README.zh.md has the code blocks, the headings and the links of README.md, in the same order.
func TestChineseREADMEKeepsStep(t *testing.T) {
	all := pages(t)
	english, chinese := partsOf(all["README.md"]), partsOf(strings.Replace(all["README.zh.md"], "[English](README.md)\n", "", 1))
	for _, kind := range []string{"block", "level of heading", "link", "row"} {
		if len(english[kind]) < 5 {
			t.Errorf("only %d of kind %s were found", len(english[kind]), kind)
		}
		for i := range max(len(english[kind]), len(chinese[kind])) {
			var a, b string
			if i < len(english[kind]) {
				a = english[kind][i]
			}
			if i < len(chinese[kind]) {
				b = chinese[kind][i]
			}
			if a != b {
				t.Errorf("%s %d is %q in README.md and %q in README.zh.md", kind, i+1, a, b)
				break
			}
		}
	}
}

// partsOf returns what two languages have in common.
func partsOf(page string) map[string][]string {
	text := fenced.ReplaceAllString(page, "")
	parts := map[string][]string{
		"block":            fenced.FindAllString(page, -1),
		"level of heading": regexp.MustCompile(`(?m)^#+ `).FindAllString(text, -1),
		"row":              regexp.MustCompile(`(?m)^\|`).FindAllString(text, -1),
	}
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[1], "#") && m[1] != "README.zh.md" {
			parts["link"] = append(parts["link"], m[1])
		}
	}
	return parts
}
