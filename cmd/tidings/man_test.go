package main

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestTheManualPageSaysAllThatTheHelpSays: every command, argument and flag, and it is sound to those who format such pages.
func TestTheManualPageSaysAllThatTheHelpSays(t *testing.T) {
	code, page, complaint := say(t, "man")
	if code != 0 || complaint != "" {
		t.Fatalf("exit code %d, %s", code, complaint)
	}
	app := kong.Must(&commands{}, kong.Name("tidings"), kong.NoDefaultHelp(), kong.BindTo(t.Context(), (*context.Context)(nil))).Model
	for _, leaf := range app.Leaves(true) {
		wants := []string{".SS " + roffText(leaf.FullPath()), roffText(leaf.Help)}
		for _, flag := range leaf.Flags {
			if !flag.Hidden {
				wants = append(wants, `\fB`+roffText("--"+flag.Name)+`\fR`)
			}
		}
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("of %s the page lacks %s", leaf.FullPath(), want)
			}
		}
	}
	for _, want := range []string{".TH TIDINGS 1 ", ".SH EXIT CODES", ".SH EXAMPLES", "TIDINGS_HUB", `curl \-d hello localhost:3000/events/news`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(page, "${default}") || strings.Contains(page, "${env}") {
		t.Error("a variable of the help was not filled in")
	}
	lint := exec.Command(commandPath(t, "mandoc"), "-T", "lint", "-W", "warning")
	lint.Stdin = strings.NewReader(page)
	if out, err := lint.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
}

// TestTextStaysTextInTheManualPage, whatever it begins with.
func TestTextStaysTextInTheManualPage(t *testing.T) {
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
