package main

import (
	"slices"
	"strings"
	"testing"
)

// complete returns the candidates of tidings complete for some words, with their help.
func complete(t *testing.T, shell string, words ...string) (values []string) {
	t.Helper()
	code, out, complaint := say(t, append([]string{"complete", "--shell", shell, "--"}, words...)...)
	if code != 0 || complaint != "" {
		t.Errorf("%q: exit code %d, %s", words, code, complaint)
	}
	for line := range strings.Lines(out) {
		value, _, _ := strings.Cut(line, "\t")
		values = append(values, value)
	}
	return values
}

func TestCompletionOffersCommandsFlagsAndValues(t *testing.T) {
	for _, test := range []struct {
		line       string // the last word is the one under the cursor
		want, less string // what is offered and what is not
	}{
		{"", "serve sub pub completion", "complete --help"},
		{"s", "serve sub", "pub"},
		{"ser", "serve", "sub"},
		{"nonsense ", "", ""},
		{"sub ", "", "serve"},
		{"sub --fo", "--format", "--hub"},
		{"sub --", "--format --hub --help", "--version --sync"},
		{"sub --format ", "pretty ndjson", ":files"},
		{"sub --format nd", "ndjson", "pretty"},
		{"sub --format=", "--format=pretty --format=ndjson", "pretty"},
		{"sub -f ", "pretty ndjson", ""},
		{"sub news -f ", "pretty", ""},
		{"sub -- --", "", "--format"},
		{"sub --nonsense=", "", ""},
		{"serve --sync ", "always interval", ""},
		{"serve --memory ", "", "always"},
		{"serve --key-file ", ":files", ""},
		{"serve --data ", ":dirs", ":files"},
		{"token ", "mint key explain", "serve"},
		{"token mint --sub", "--sub --subscribe", ""},
		{"log dump ", ":dirs", "stats"},
		{"log stats data ", "", ":dirs"},
		{"topics --format n", "names ndjson", "table"},
		{"presence --f", "--follow --format", "--exec"},
		{"completion ", "bash zsh fish", ""},
		{"completion bash ", "", "zsh"},
	} {
		got := complete(t, "zsh", strings.Split(test.line, " ")...)
		for want := range strings.FieldsSeq(test.want) {
			if !slices.Contains(got, want) {
				t.Errorf("tidings %q: %q is not offered, only %q", test.line, want, got)
			}
		}
		for less := range strings.FieldsSeq(test.less) {
			if slices.Contains(got, less) {
				t.Errorf("tidings %q: %q is offered", test.line, less)
			}
		}
		if test.want == "" && len(got) > 0 {
			t.Errorf("tidings %q: %q are offered", test.line, got)
		}
	}
}

// TestCompletionJoinsWordsThatBashSplits: bash splits words at = and :, and replaces only the part after the last of them.
func TestCompletionJoinsWordsThatBashSplits(t *testing.T) {
	for _, test := range []struct{ words, want []string }{
		{[]string{"sub", "--format", "=", "nd"}, []string{"ndjson"}},
		{[]string{"sub", "--format", "="}, complete(t, "zsh", "sub", "--format", "")},
		{[]string{"sub", "--hub", "=", "http", ":", "//localhost", ":", "3000", "--format", "nd"}, []string{"ndjson"}},
		{[]string{"sub", "--hub", "http", "://", "localhost", ":", "3000", "--format", "nd"}, []string{"ndjson"}},
		{[]string{"serve", "--data", "=", "x"}, []string{":dirs"}},
	} {
		if got := complete(t, "bash", test.words...); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.words, got, test.want)
		}
	}
}
