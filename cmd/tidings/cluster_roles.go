package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// A hub alone has its log in its data directory, and a hub of a cluster in a directory below it. join and leave move the log and change its
// role, in an order in which a crash loses nothing: the command can be repeated.

// joiningDir has the log while tidings cluster join moves it.
const joiningDir = "log.joining"

// clusterJoinCmd is the command line of tidings cluster join.
type clusterJoinCmd struct {
	Dir string `arg:"" name:"dir" help:"Data directory of the hub, which must be stopped."`
}

// Help is the manual.
func (*clusterJoinCmd) Help() string {
	return `
Turns the data directory of a hub alone into that of the first hub of a new cluster. The events stay. The cluster begins a new generation:
every subscriber that resumes gets a gap with the reason reset, and continues with new events.

Start this hub first, and then the others, whose directories must be empty: they take a copy of its log. A hub cannot bring events
into a cluster that exists: it is refused, and keeps its events.

Examples:

    tidings cluster join tidings-data
    tidings serve --data tidings-data --cluster-key-file cluster.key --cluster-peers a,b,c`
}

// Run moves the log and changes its role.
func (c *clusterJoinCmd) Run(_ context.Context, std stdio) error {
	place := filepath.Join(c.Dir, mirrorDir)
	if !exists(filepath.Join(place, identityFile)) {
		if !exists(filepath.Join(c.Dir, identityFile)) && !exists(filepath.Join(c.Dir, joiningDir)) {
			return fmt.Errorf("%s has no log of a hub alone", c.Dir)
		}
		if err := moveLog(c.Dir, place); err != nil {
			return err
		}
	}
	if _, err := disklog.ToMirror(place); err != nil && !errors.Is(err, disklog.ErrIsMirror) { // it may be one since an earlier try
		return whenInUse(err)
	}
	_, err := fmt.Fprintf(std.out, "%s is ready for a new cluster; next: tidings serve --data %[1]s --cluster-key-file FILE --cluster-peers ...\n", c.Dir)
	return err
}

// moveLog moves the files of a log into a directory below, which appears at once when it has all of them.
func moveLog(dir, place string) error {
	moving := filepath.Join(dir, joiningDir)
	if err := checkUnused(dir); err != nil && !exists(moving) {
		return err
	}
	if err := os.MkdirAll(moving, 0o700); err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		if file.Name() == joiningDir {
			continue
		}
		if err := os.Rename(filepath.Join(dir, file.Name()), filepath.Join(moving, file.Name())); err != nil {
			return err
		}
	}
	if err := syncDir(moving); err != nil {
		return err
	}
	if err := os.Rename(moving, place); err != nil {
		return err
	}
	return syncDir(dir)
}

// clusterLeaveCmd is the command line of tidings cluster leave.
type clusterLeaveCmd struct {
	Dir string `arg:"" name:"dir" help:"Data directory of the hub, which must be stopped."`
	To  string `arg:"" optional:"" name:"new" help:"Directory for the hub alone, which must not exist."`
}

// Help is the manual.
func (*clusterLeaveCmd) Help() string {
	return `
Turns the log of a hub of a cluster into the data directory of a hub alone. The events stay. A new generation begins: every subscriber that
resumes gets a gap with the reason reset, and continues with new events.

The other hubs of the cluster go on without this one; tidings cluster remove removes it there.

Examples:

    tidings cluster leave tidings-data single-data
    tidings serve --data single-data`
}

// Run changes the role of the log and moves it.
func (c *clusterLeaveCmd) Run(_ context.Context, std stdio) error {
	place := filepath.Join(c.Dir, mirrorDir)
	moved := c.To != "" && !exists(filepath.Join(place, identityFile)) && exists(filepath.Join(c.To, identityFile)) && isDir(c.Dir) // by an earlier try
	switch {
	case c.To == "":
		return &exitError{exitUsage, fmt.Errorf("name the new directory, too\nhint: tidings cluster leave %s %[1]s-alone", c.Dir)}
	case moved:
		return c.convert(std)
	case exists(c.To):
		return &exitError{exitUsage, fmt.Errorf("%s exists; name a new directory", c.To)}
	case !exists(filepath.Join(place, identityFile)):
		return fmt.Errorf("%s has no log of a hub in a cluster", c.Dir)
	}
	if err := checkUnused(place); err != nil {
		return err
	}
	if err := os.Rename(place, c.To); err != nil {
		return fmt.Errorf("%w\nhint: the new directory must be on the same file system", err)
	}
	if err := c.convert(std); err != nil {
		return errors.Join(err, os.Rename(c.To, place))
	}
	return nil
}

// checkUnused fails if a hub uses the log in a directory, or there is none.
func checkUnused(dir string) error {
	inspector, err := disklog.Inspect(dir)
	if err == nil {
		err = inspector.Close()
	}
	return whenInUse(err)
}

// convert makes the moved log that of a hub alone, if it is not yet.
func (c *clusterLeaveCmd) convert(std stdio) error {
	at, err := disklog.FromMirror(c.To)
	if errors.Is(err, disklog.ErrNotMirror) {
		_, err = fmt.Fprintf(std.out, "%s is a hub alone already; next: tidings serve --data %[1]s\n", c.To)
		return err
	}
	if err != nil {
		return whenInUse(err)
	}
	_, err = fmt.Fprintf(std.out, "%s is a hub alone, with its events up to %s; next: tidings serve --data %[1]s\n", c.To, at)
	return err
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
