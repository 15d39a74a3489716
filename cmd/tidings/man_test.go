package main

import (
	"context"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestManualPageHasEveryCommandAndFlag, and every argument.
func TestManualPageHasEveryCommandAndFlag(t *testing.T) {
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
}
