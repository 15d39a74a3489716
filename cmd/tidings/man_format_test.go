//go:build programs

package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestManualPageHasNoFormattingErrors runs the page through the programs that format manual pages.
func TestManualPageHasNoFormattingErrors(t *testing.T) {
	_, page, _ := say(t, "man")
	lint := exec.Command(commandPath(t, "mandoc"), "-T", "lint", "-W", "warning")
	lint.Stdin = strings.NewReader(page)
	if out, err := lint.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
}

// TestManualPageEscapesText, also at the beginning of a line.
func TestManualPageEscapesText(t *testing.T) {
	render := exec.Command(commandPath(t, "mandoc"), "-T", "utf8")
	const text = ".SH is no heading\n'quoted' `and` \\fBnot bold\\fR, ~ ^ - --flag “…”\n\tindented -x \\n\n"
	var p roff
	p.line(`.TH X 1 "2026-11-28"`)
	p.line(".SH TEXT")
	p.prose(text)
	render.Stdin = strings.NewReader(p.String())
	out, err := render.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(string(out)), " ")
	if want := strings.Join(strings.Fields(text), " "); !strings.Contains(got, want) {
		t.Errorf("%q became %q", want, got)
	}
}
