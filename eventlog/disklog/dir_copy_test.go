package disklog_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestCopyBeginsAGeneration: otherwise the copy and the original would give the same number to different records. Readers with positions of
// the original get a gap, and numbers continue above theirs.
func TestCopyBeginsAGeneration(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	at := mustLog(t, dir)
	copied := dir + ".copy"
	mustCopy(t, dir, copied)

	log := mustOpen(t, copied, nil)
	if head := log.Head(); head.Gen == at.Gen || head.Seq != at.Seq {
		t.Fatalf("the head of the copy of %v is %v", at, head)
	}
	_, err := log.Read(t.Context(), eventlog.Query{Selector: eventlog.Topics("news"), After: at})
	if gap, ok := errors.AsType[*eventlog.GapError](err); !ok || gap.Reason != eventlog.Reset || gap.To != log.Head() {
		t.Errorf("a reader at %v gets %v", at, err)
	}
	if n := len(mustRead(t, log, eventlog.Query{Selector: eventlog.Topics("news")}).Records); n != 1 {
		t.Errorf("the copy has %d records", n)
	}
	if next := mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})[0]; next.Gen != log.Head().Gen || next.Seq != at.Seq+1 {
		t.Errorf("the next record of the copy is at %v", next.Position)
	}
	gen := log.Head().Gen
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if head := mustOpen(t, copied, nil).Head(); head.Gen != gen {
		t.Errorf("opened again, the copy is of generation %s, and was of %s", head.Gen, gen)
	}
	if head := mustOpen(t, dir, nil).Head(); head != at {
		t.Errorf("the head of the original is %v, and was %v", head, at)
	}
}

func mustCopy(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestCopyThatCrashesIsNotTheOriginal: tidings.json must not name the copy before its generation has begun. Otherwise, after a crash in
// between, the next Open would take the copy for the original.
func TestCopyThatCrashesIsNotTheOriginal(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	at := mustLog(t, dir)
	for n, failed := 0, true; failed; n += 3 {
		copied := fmt.Sprintf("%s.%d", dir, n)
		mustCopy(t, dir, copied)
		fs := newFaultFS(vfs.Default)
		fs.begin(fault{after: n, err: syscall.EIO})
		log, err := disklog.Open(copied, faultOptions(fs))
		if failed = fs.hit() > 0; err == nil {
			_ = log.Close() // may fail in part
			continue
		}
		if log, err = disklog.Open(copied, nil); err != nil {
			t.Fatal(err)
		}
		if head := log.Head(); head.Gen == at.Gen || head.Seq != at.Seq {
			t.Errorf("after operation %d has failed the head of the copy of %v is %v", n, at, head)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestCopyByHardLinksBeginsAGeneration: in such a copy tidings.json has the same inode and birth time. The original keeps its generation, no
// matter which of the two is opened first.
func TestCopyByHardLinksBeginsAGeneration(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // copies are not recognised, see fingerprint_other.go
	}
	for _, first := range []string{"copy", "original"} {
		dir := filepath.Join(t.TempDir(), "original")
		at := mustLog(t, dir)
		copied := filepath.Join(filepath.Dir(dir), "copy")
		mustLink(t, dir, copied)
		order := []string{copied, dir}
		if first == "original" {
			slices.Reverse(order)
		}
		gens := make(map[string]string)
		for _, name := range slices.Concat(order, order) {
			log, err := disklog.Open(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			head := log.Head()
			if known := gens[name]; known != "" && known != head.Gen {
				t.Errorf("%s was of generation %s, and is of %s", name, known, head.Gen)
			}
			gens[name] = head.Gen
			if n := len(mustRead(t, log, eventlog.Query{Selector: eventlog.Topics("news")}).Records); n != 1 || head.Seq != at.Seq {
				t.Errorf("%s has %d records, and its head is %v", name, n, head)
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if gens[copied] == at.Gen || gens[dir] != at.Gen {
			t.Errorf("%s first: it was of generation %s, and they are of %v", first, at.Gen, gens)
		}
	}
}

// mustLink copies a directory as cp -al does.
func mustLink(t *testing.T, from, to string) {
	t.Helper()
	mustMkdir(t, to)
	for path := range listing(t, from) {
		if path != from {
			if err := os.Link(path, filepath.Join(to, filepath.Base(path))); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestMovedDirectoryIsTheSame after it is renamed, and renamed back.
func TestMovedDirectoryIsTheSame(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	at := mustLog(t, dir)
	moved := filepath.Join(t.TempDir(), "moved")
	for _, way := range [][2]string{{dir, moved}, {moved, dir}} {
		if err := os.Rename(way[0], way[1]); err != nil {
			t.Fatal(err)
		}
		log, err := disklog.Open(way[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		if head := log.Head(); head != at {
			t.Errorf("the head is %v, and was %v", head, at)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
