package disklog_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestLockThatCannotBeTakenIsNotInUse: an error of the lock does not always mean that another process has the directory open.
func TestLockThatCannotBeTakenIsNotInUse(t *testing.T) {
	t.Parallel()
	o := faultOptions(&noLocks{vfs.NewMem()})
	_, err := disklog.Open("log", o)
	if errors.Is(err, disklog.ErrInUse) || !errors.Is(err, syscall.ENOLCK) {
		t.Errorf("where nothing can be locked Open returns %v", err)
	}
}

// TestDirectoryHasOneOwner: a second Open fails under every name of the directory, and the error names the process that has it open.
func TestDirectoryHasOneOwner(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	log := mustOpen(t, dir, nil)
	alias := filepath.Join(filepath.Dir(dir), "alias")
	if err := os.Symlink("log", alias); err != nil {
		t.Fatal(err)
	}
	work, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(work, dir)
	if err != nil {
		t.Fatal(err)
	}
	before := logFiles(listing(t, dir))
	for _, name := range []string{dir, dir + "/", alias, relative} {
		absolute, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = disklog.Open(name, nil)
		wantDirError(t, absolute, nil, err, disklog.ErrInUse, fmt.Sprintf("in this process (%d)", os.Getpid()), "close that log first")
		_, err = disklog.Restored(name)
		wantDirError(t, absolute, nil, err, disklog.ErrInUse, "in this process", "close that log first")
	}
	if after := logFiles(listing(t, dir)); !maps.Equal(before, after) {
		t.Errorf("the directory has changed from %v to %v", before, after)
	}
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})
}

// TestDirectoryHasOneOwnerAmongProcesses runs the test binary again as a second process.
func TestDirectoryHasOneOwnerAmongProcesses(t *testing.T) {
	const variable = "TIDINGS_DIR_CHILD"
	if dir := os.Getenv(variable); dir != "" {
		for _, open := range []func() error{
			func() error { _, err := disklog.Open(dir, nil); return err },
			func() error { _, err := disklog.Restored(dir); return err },
		} {
			fmt.Printf("%v\n", open())
		}
		return
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	log := mustOpen(t, dir, nil)
	before := logFiles(listing(t, dir))
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := fmt.Sprintf("data directory %s: it is already open, in process %d; end that process first, or give this log a directory of its own\n", dir, os.Getpid())
	if n := strings.Count(string(out), want); n != 2 {
		t.Errorf("another process gets\n%s, not twice\n%s", out, want)
	}
	if after := logFiles(listing(t, dir)); !maps.Equal(before, after) {
		t.Errorf("the directory has changed from %v to %v", before, after)
	}
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})
}
