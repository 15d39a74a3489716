//go:build programs

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

// completionFile writes the completion script of a shell into a file, checks its syntax with the shell, and returns its name.
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

// TestShellsComplete runs each script in its shell, as a press of Tab does.
func TestShellsComplete(t *testing.T) {
	// bash and zsh set variables for a completion function. Here the test sets them. fish completes a line that it is given.
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
				cmd := exec.Command(path, skipStartupFiles[name], "-c", press(file, words))
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

// TestZshLoadsItsCompletionSystemForTheScript: without compinit before it, the script failed with "command not found: compdef".
func TestZshLoadsItsCompletionSystemForTheScript(t *testing.T) {
	path := commandPath(t, "zsh")
	file := completionFile(t, "zsh", path)
	for _, before := range []string{"", "autoload -Uz compinit; compinit -D -i; "} {
		cmd := exec.Command(path, skipStartupFiles["zsh"], "-c", before+"source "+file+"; print -r -- $_comps[tidings]")
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "ZDOTDIR="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != "_tidings\n" {
			t.Errorf("after %q: %v\n%s", before, err, out)
		}
	}
}

// skipStartupFiles are the flags by which shells do not read the startup files of the user who runs the tests.
var skipStartupFiles = map[string]string{"bash": "--norc", "zsh": "-f", "fish": "--no-config"}

func quoted(words []string) string {
	q := make([]string, len(words))
	for i, word := range words {
		q[i] = "'" + word + "'"
	}
	return strings.Join(q, " ")
}
