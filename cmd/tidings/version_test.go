//go:build programs

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// inClone runs a command in a small clone of a program that prints its version as tidings does, and returns the output.
func inClone(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestVersionNamesTheCommitOfAClone: go run and go build -buildvcs=false record no version in a binary, and tidings --version printed (devel).
func TestVersionNamesTheCommitOfAClone(t *testing.T) {
	commandPath(t, "git")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// The program consists of version.go alone, so that the build is fast.
	source, err := os.ReadFile("version.go")
	if err != nil {
		t.Fatal(err)
	}
	module, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(module, file))
		if err != nil {
			t.Fatal(err)
		}
		writeIn(t, dir, file, string(text))
	}
	writeIn(t, dir, "version.go", string(source))
	writeIn(t, dir, "main.go", "package main\n\nimport (\"errors\"; \"fmt\")\n\nvar errAnswered = errors.New(\"\")\n\nfunc main() { fmt.Println(versionLine()) }\n")
	git := func(args ...string) string {
		return inClone(t, dir, []string{
			"GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b",
			"GIT_AUTHOR_DATE=2026-11-28T10:00:00Z", "GIT_COMMITTER_DATE=2026-11-28T10:00:00Z",
		}, append([]string{"git"}, args...)...)
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-qm", "x")
	revision := git("rev-parse", "HEAD")[:12]

	binary := filepath.Join(t.TempDir(), "tidings")
	build := func(vcs string) string {
		inClone(t, dir, []string{"GOFLAGS=-mod=mod"}, "go", "build", "-buildvcs="+vcs, "-o", binary, ".")
		return inClone(t, t.TempDir(), nil, binary)
	}
	platform := regexp.QuoteMeta(runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH)
	for _, changes := range []string{"", " with changes"} {
		if changes != "" {
			writeIn(t, dir, "new.txt", "new")
		}
		pseudo := `v0\.0\.0-20261128100000-` + revision
		if changes != "" {
			pseudo += `\+dirty`
		}
		unstamped := `^tidings \(devel\) \(source at commit ` + revision + ` of 2026-11-28` + changes + `, ` + platform + `\)$`
		for what, test := range map[string]struct{ got, want string }{
			"go build":                 {build("true"), `^tidings ` + pseudo + ` \(commit ` + revision + ` of 2026-11-28` + changes + `, ` + platform + `\)$`},
			"go build -buildvcs=false": {build("false"), unstamped},
			"go run":                   {inClone(t, dir, []string{"GOFLAGS=-mod=mod"}, "go", "run", "."), unstamped},
		} {
			if !regexp.MustCompile(test.want).MatchString(test.got) {
				t.Errorf("%s: %s, want %s", what, test.got, test.want)
			}
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
		t.Fatal(err)
	}
	if got := inClone(t, t.TempDir(), nil, binary); !regexp.MustCompile(`^tidings \(devel\) \(` + platform + `\)$`).MatchString(build("false")) {
		t.Errorf("without a clone: %s", got)
	}
}

func writeIn(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
