package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	gocmp "github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of docs/configuration.md anew")

// settingsTable returns the table of settings, generated from the flags.
func settingsTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	group := ""
	for _, command := range kong.Must(&commands{}, kong.NoDefaultHelp(), kong.BindTo(t.Context(), (*context.Context)(nil))).Model.Children {
		if command.Name != "serve" {
			continue
		}
		for _, flag := range command.Flags {
			if flag.Name == "config" {
				continue // no setting of the file
			}
			if flag.Group.Title != group {
				group = flag.Group.Title
				fmt.Fprintf(&b, "\n### %s\n\n| setting | default | meaning |\n|---|---|---|\n", group)
			}
			value := ""
			if text := cmp.Or(flag.Default, impliedDefaults[flag.Name]); text != "" {
				value = "`" + text + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", flag.Name, value, strings.ReplaceAll(flag.Help, "|", `\|`))
		}
	}
	return b.String() + "\n"
}

func TestConfigurationIsDocumented(t *testing.T) {
	const page = "../../docs/configuration.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile(`(?s)^(.*<!-- settings -->\n)(.*)(<!-- /settings -->.*)$`).FindSubmatch(text)
	if parts == nil {
		t.Fatal("the page has no place for the table")
	}
	want := settingsTable(t)
	if *update {
		if err := os.WriteFile(page, []byte(string(parts[1])+want+string(parts[3])), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(want, string(parts[2])); diff != "" {
		t.Errorf("go test ./cmd/tidings -run %s -update writes it anew (-flags +page):\n%s", t.Name(), diff)
	}
}
