package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// source is a commit, checked out in a clone of its own.
type source struct {
	dir  string
	date time.Time // of the commit, in UTC
}

// checkout clones the commit that is checked out in the repository around the working directory. With a version, the clone gets a tag
// with it, which the go command records in binaries.
func checkout(ctx context.Context, dir, version string) (*source, error) {
	top, err := command(ctx, ".", nil, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	commit, err := command(ctx, ".", nil, "git", "rev-parse", "HEAD")
	if err != nil {
		return nil, err
	}
	// A clone and not a worktree: the go command records no version in a worktree.
	for _, args := range [][]string{
		{"git", "clone", "--quiet", "--shared", "--no-checkout", top, dir},
		{"git", "-C", dir, "checkout", "--quiet", "--detach", commit},
	} {
		if _, err := command(ctx, ".", nil, args...); err != nil {
			return nil, err
		}
	}
	if version != "" {
		if _, err := command(ctx, dir, nil, "git", "-c", "tag.gpgSign=false", "tag", "--force", version); err != nil {
			return nil, err
		}
	}
	seconds, err := command(ctx, dir, nil, "git", "log", "-1", "--format=%cI")
	if err != nil {
		return nil, err
	}
	date, err := time.Parse(time.RFC3339, seconds)
	if err != nil {
		return nil, err
	}
	return &source{dir, date.UTC()}, nil
}

// read returns the content of a file of the commit.
func (s *source) read(name string) ([]byte, error) { return os.ReadFile(filepath.Join(s.dir, name)) }

// command runs a program in a directory and returns its output without the last newline. env is added to the environment.
func command(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
