package main

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

type versionFlag bool

// BeforeReset prints the version. Kong calls it before it checks the rest of the command line.
func (versionFlag) BeforeReset(line *kong.Context) error {
	if _, err := fmt.Fprintln(line.Stdout, versionLine()); err != nil {
		return err
	}
	return errAnswered
}

// versionLine is the output of tidings --version: a release, or a commit with its date and whether it has local changes.
func versionLine() string {
	parts := []string{runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if c := builtFrom(); c != (commit{}) {
		parts = append([]string{c.String()}, parts...)
	}
	return fmt.Sprintf("tidings %s (%s)", version(), strings.Join(parts, ", "))
}

// version returns the version that the go command has recorded in the binary: a release, or a pseudo-version that ends in the commit. It is
// "(devel)" without a record: with go run, in a worktree, and with -buildvcs=false.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	return cmp.Or(info.Main.Version, "(devel)")
}

// builtOn returns the date of the commit, "" if it is unknown.
func builtOn() string { return builtFrom().date }

// commit is what a binary was built from.
type commit struct {
	revision string // its first 12 digits
	date     string // such as 2026-11-28
	modified bool   // with uncommitted changes
	here     bool   // the binary has no record, so this is the current commit of the source directory
}

func (c commit) String() string {
	text := "commit " + c.revision + " of " + c.date
	if c.modified {
		text += " with changes"
	}
	if c.here {
		text = "source at " + text
	}
	return text
}

// builtFrom returns the commit that the go command has recorded in the binary. Without a record it is the current commit of the clone with the
// source, if it still exists. With go run, which records nothing, that is the right one.
func builtFrom() commit {
	c := commit{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				c.revision = s.Value
			case "vcs.time":
				c.date = s.Value
			case "vcs.modified":
				c.modified = s.Value == "true"
			}
		}
	}
	if _, file, _, ok := runtime.Caller(0); ok && c.revision == "" && version() == "(devel)" {
		c = commitIn(filepath.Dir(file))
	}
	c.revision = c.revision[:min(len(c.revision), 12)]
	c.date, _, _ = strings.Cut(c.date, "T")
	return c
}

// commitIn asks git for the commit that is checked out in a directory. Without git or a clone it returns the zero commit.
func commitIn(dir string) commit {
	if !filepath.IsAbs(dir) { // built with -trimpath
		return commit{}
	}
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	head, err := exec.CommandContext(ctx, "git", "-C", dir, "log", "-1", "--format=%H %cI").Output()
	if err != nil {
		return commit{}
	}
	changes, err := exec.CommandContext(ctx, "git", "-C", dir, "status", "--porcelain").Output()
	if err != nil {
		return commit{}
	}
	c := commit{modified: len(changes) > 0, here: true}
	c.revision, c.date, _ = strings.Cut(strings.TrimSpace(string(head)), " ")
	return c
}
