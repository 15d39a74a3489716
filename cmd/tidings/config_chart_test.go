package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	gocmp "github.com/google/go-cmp/cmp"
)

// TestChartKnowsTheSettings: the Helm chart refuses other names below config, and lists for a setting that takes one value. It took every name, and
// the hub then ended again and again.
func TestChartKnowsTheSettings(t *testing.T) {
	const list = "../../deploy/helm/tidings/files/settings.txt"
	var lines []string
	for _, command := range kong.Must(&commands{}, kong.NoDefaultHelp(), kong.BindTo(t.Context(), (*context.Context)(nil))).Model.Children {
		if command.Name != "serve" {
			continue
		}
		for _, flag := range command.Flags {
			switch {
			case flag.Name == "config": // no setting of the file
			case flag.IsSlice():
				lines = append(lines, flag.Name+" list")
			default:
				lines = append(lines, flag.Name)
			}
		}
	}
	want := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(list, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, strings.ReplaceAll(string(got), "\r\n", "\n")); diff != "" {
		t.Errorf("go test ./cmd/tidings -run %s -update writes the list anew; call make charts after it (-flags +list):\n%s", t.Name(), diff)
	}
}
