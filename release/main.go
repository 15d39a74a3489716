// Command release builds everything that a release of Tidings consists of: make release. It publishes nothing.
//
//	go run . -version v0.1.0 -out ../dist
//
// It builds the commit that is checked out, from a clone of its own, so uncommitted changes and files that are not in the repository
// cannot reach a release. The same commit gives the same bytes on every machine with the same version of Go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	version := flag.String("version", "", "the version, such as v0.1.0; by default the tag of the commit, or a pseudo-version with its date")
	out := flag.String("out", "../dist", "the folder for the result; what it contains is removed")
	flag.Parse()
	if err := build(ctx, *version, *out); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// build builds a release of the commit that is checked out here.
func build(ctx context.Context, version, out string) (err error) {
	work, err := os.MkdirTemp("", "tidings-release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	src, err := checkout(ctx, filepath.Join(work, "source"), version)
	if err != nil {
		return err
	}
	p, err := compile(ctx, src, filepath.Join(work, "binaries"))
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	names, err := p.pack(out, filepath.Join(work, "stage"))
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(out, name))
		if err != nil {
			return err
		}
		fmt.Printf("%9.2f MB  %s\n", float64(info.Size())/1e6, filepath.Join(out, name))
	}
	return nil
}
