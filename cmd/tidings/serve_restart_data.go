package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// dataPlace is the data directory of a process that gives its place to another one. A new process with another directory, or with none, would open
// an empty log: positions of clients would mean nothing there, and the events would be missing.
type dataPlace struct {
	Dir  string `json:"dir"`  // absolute
	Node string `json:"node"` // names the directory itself, which may be moved, and replaced by another one
}

// dataPlace returns the data directory, with its absolute path also if it cannot be found.
func (f *storeFlags) dataPlace() (place dataPlace, err error) {
	if place.Dir, err = filepath.Abs(f.dataDir()); err != nil {
		return place, err
	}
	info, err := os.Stat(place.Dir)
	if err == nil {
		place.Node = nodeOf(info)
	}
	return place, err
}

// keepsLog returns an error if this process would not continue the log of its predecessor. It changes nothing.
func (p *predecessor) keepsLog(f *serveFlags) error {
	if p == nil || p.data == nil { // an older version does not say where its log is
		return nil
	}
	const otherwise = "or stop the running hub and start it again"
	theirs := p.data.Dir
	if f.Memory {
		return fmt.Errorf("the running hub has its events in %q, and with --memory they would be missing; remove that setting, %s", theirs, otherwise)
	}
	ours, err := f.dataPlace()
	switch {
	case err == nil && ours.Node == p.data.Node && hasLog(ours.Dir):
		return nil
	case err == nil && ours.Node == p.data.Node, ours.Dir == theirs && (err == nil || errors.Is(err, fs.ErrNotExist)):
		return fmt.Errorf("the data directory %q of the running hub was moved, emptied or replaced; move it back, %s, which begins with what is there now", theirs, otherwise)
	case ours.Dir == theirs:
		return fmt.Errorf("the data directory of the running hub: %w", err)
	}
	return fmt.Errorf("the running hub has its events in %q, and this process would have them in %q; a restart keeps the data directory: set data to the first one, %s", theirs, ours.Dir, otherwise)
}

// hasLog reports whether a data directory has a log, of a hub alone or of one in a cluster.
func hasLog(dir string) bool {
	return exists(filepath.Join(dir, identityFile)) || exists(filepath.Join(dir, mirrorDir, identityFile))
}
