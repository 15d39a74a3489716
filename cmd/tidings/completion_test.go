package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// complete returns what tidings complete offers for some words, by value.
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

func TestCompletionOffersWhatTheCommandLineTakes(t *testing.T) {
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

// TestBashSplitsWordsAtColonsAndEqualSigns, and replaces only what follows the last of them.
func TestBashSplitsWordsAtColonsAndEqualSigns(t *testing.T) {
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

// commandPath returns the path of a program. In CI it has to be there.
func commandPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

// completionFile writes the completion of a shell into a file that the shell finds sound, and returns its name.
func completionFile(t *testing.T, shell, path string) string {
	t.Helper()
	code, script, complaint := say(t, "completion", shell)
	if code != 0 || complaint != "" {
		t.Fatalf("exit code %d, %s", code, complaint)
	}
	file := writeFile(t, "_tidings", script)
	if out, err := exec.Command(path, "-n", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%s -n: %v\n%s", shell, err, out)
	}
	return file
}

// TestShellsComplete runs the scripts in the shells that they are for, as a press of Tab does.
func TestShellsComplete(t *testing.T) {
	// What each is told about a line is what it would find there itself. fish can be asked directly.
	for name, press := range map[string]func(file string, words []string) string{
		"bash": func(file string, words []string) string {
			return `source ` + file + `; complete -p tidings >/dev/null || exit 1
				compopt() { :; } # works only while a key is pressed
				COMP_WORDS=(` + quoted(words) + `) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
				_tidings; printf '%s\n' "${COMPREPLY[@]}"`
		},
		"zsh": func(file string, words []string) string {
			return `compdef() { [[ "$*" == "_tidings tidings" ]] || exit 1; }
				_describe() { print -rl -- "${(@)${(@P)2}%%:*}"; }
				_files() { if [[ $1 == -/ ]]; then print -rl -- *(/N); else print -rl -- *(N); fi; }
				source ` + file + `
				words=(` + quoted(words) + `); CURRENT=$#words; PREFIX=$words[-1]; _tidings`
		},
		"fish": func(file string, words []string) string {
			return `source ` + file + `; complete -C '` + strings.ReplaceAll(strings.Join(words, " "), "'", `\'`) + `' | string replace -r '\t.*' ''; true`
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := commandPath(t, name)
			file := completionFile(t, name, path)
			home, config := t.TempDir(), t.TempDir()
			for _, dir := range []string{"data", "my keys"} {
				if err := os.Mkdir(filepath.Join(home, dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(home, "hub.yaml"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			for line, want := range map[string]string{
				"ser":             `^serve$`,
				"completion ":     `^bash\nfish\nzsh$`,
				"sub --format nd": `^ndjson$`,
				"sub --last-e":    `^--last-event-id$`,
				"serve --data ":   `^data/?\nmy keys/?$`,
				"serve --config ": `(?s)data/?\nhub.yaml\nmy keys/?$`,
			} {
				words := append([]string{"tidings"}, strings.Split(line, " ")...)
				cmd := exec.Command(path, noStartup[name], "-c", press(file, words))
				cmd.Dir = home
				cmd.Env = append(os.Environ(), "HOME="+config, "XDG_CONFIG_HOME="+config, "GORACE=atexit_sleep_ms=0")
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				got := strings.ReplaceAll(string(out), `\ `, " ")
				lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(got), "\n"), func(s string) bool { return strings.HasPrefix(s, ".") })
				slices.Sort(lines)
				if got := strings.Join(lines, "\n"); !regexp.MustCompile(want).MatchString(got) {
					t.Errorf("tidings %s offers\n%s", line, out)
				}
			}
		})
	}
}

// noStartup keeps shells from reading what whoever runs the tests has in files.
var noStartup = map[string]string{"bash": "--norc", "zsh": "-f", "fish": "--no-config"}

func quoted(words []string) string {
	q := make([]string, len(words))
	for i, word := range words {
		q[i] = "'" + word + "'"
	}
	return strings.Join(q, " ")
}
