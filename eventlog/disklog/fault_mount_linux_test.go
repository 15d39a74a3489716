package disklog_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// mountSmall mounts a small file system if the process has the permission. Otherwise only the tests with simulated file systems run.
func mountSmall(t *testing.T, options string) (dir string, ok bool) {
	t.Helper()
	dir = t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, options)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		t.Logf("nothing can be mounted here: %v", err)
		return "", false
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, true
}

// TestRealDiskFillsUp fills a real file system under a log, and then frees the space.
func TestRealDiskFillsUp(t *testing.T) {
	t.Parallel()
	mount, ok := mountSmall(t, "size=24m")
	if !ok {
		return
	}
	dir := filepath.Join(mount, "log")
	log := mustOpen(t, dir, faultOptions(nil))
	c := newFaultClients(t, log)
	c.cause, c.pause = syscall.ENOSPC, runtime.Gosched
	c.append(4, 80)
	ballast := filepath.Join(mount, "ballast")
	fillDisk(t, ballast)

	done := make(chan struct{})
	go func() {
		defer close(done)
		c.append(4, 1000)
	}()
	<-c.failed
	var err error
	for range 1000 {
		if err = c.check(t.Context(), log); !errors.Is(err, eventlog.ErrUnavailable) {
			break // otherwise the log is just opening the store again
		}
	}
	if err != nil {
		t.Errorf("reading on a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	<-done
	if err := c.check(t.Context(), log); err != nil {
		t.Errorf("after making room: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	if err := c.check(t.Context(), mustOpen(t, dir, faultOptions(nil))); err != nil {
		t.Errorf("after opening it again: %v", err)
	}
}

// fillDisk writes a file until the disk is full.
func fillDisk(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.WriteString(faultNoise)
	}
	if closeErr := f.Close(); !errors.Is(err, unix.ENOSPC) || closeErr != nil {
		t.Fatal(err, closeErr)
	}
}

// TestReadOnlyFileSystem mounts the file system read-only under a log.
func TestReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	mount, ok := mountSmall(t, "size=24m")
	if !ok {
		return
	}
	dir := filepath.Join(mount, "log")
	open := func() (*disklog.Log, error) { return disklog.Open(dir, faultOptions(nil)) }
	log, err := open()
	if err != nil {
		t.Fatal(err)
	}
	head := mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})[0].Position
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", mount, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err = open()
	if dirErr, ok := errors.AsType[*disklog.DirError](err); !ok || !errors.Is(err, unix.EROFS) || !strings.Contains(dirErr.Remedy, "mount") {
		t.Errorf("on a read-only file system Open returns %v", err)
	}
	if err := unix.Mount("", mount, "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	log, err = open()
	if err != nil || log.Head() != head {
		t.Fatalf("after mounting it again: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}
