package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tidings-sse/tidings/eventlog"
)

// A hub without a log, or with an unusable one, takes a copy of another hub's log. The copy travels as a tar file, in the answer to a
// request between hubs.

// writeSnapshot writes a copy of a log as a tar file. The copy is first made in a new directory below parent, on the same file system as
// the log, where it takes little space.
func writeSnapshot(ctx context.Context, log eventlog.Snapshotter, parent string, w io.Writer) error {
	dir, err := os.MkdirTemp(parent, "snapshot-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // if this fails, the next start removes it
	copied := filepath.Join(dir, "log")
	if err := log.Snapshot(ctx, copied); err != nil {
		return err
	}
	out := tar.NewWriter(w)
	if err := out.AddFS(os.DirFS(copied)); err != nil {
		return err
	}
	return out.Close()
}

// readSnapshot makes a directory of the files in a tar file, durably. It fails if the tar file is not complete.
func readSnapshot(r io.Reader, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for in := tar.NewReader(r); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return syncDir(dir)
		} else if err != nil {
			return fmt.Errorf("reading a copy of another hub's log: %w", err)
		}
		if header.Name != filepath.Base(header.Name) || !filepath.IsLocal(header.Name) || header.Typeflag != tar.TypeReg {
			return fmt.Errorf("reading a copy of another hub's log: it has %q, which is not a file of a log", header.Name)
		}
		if err := readFile(in, filepath.Join(dir, header.Name)); err != nil {
			return err
		}
	}
}

// readFile writes a file, durably.
func readFile(r io.Reader, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// replaceDir puts a new directory in the place of another one. A crash in between leaves the place empty, and the hub then takes a copy again.
func replaceDir(fresh, place string) error {
	old := place + ".old"
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(place, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, place); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(place)); err != nil {
		return err
	}
	return os.RemoveAll(old)
}
