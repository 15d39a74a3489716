package disklog_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// mustLog creates a log with one record and closes it. It returns the record's position.
func mustLog(t *testing.T, dir string) eventlog.Position {
	t.Helper()
	log, err := disklog.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: "hello"})[0].Position
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return at
}

// listing returns the files of a directory with their content. It does not read lock files, because closing one would release a lock of
// this process.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%v %d", info.Mode(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() && d.Name() != "LOCK" {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += fmt.Sprintf(" %x", sha256.Sum256(text))
		} else if d.Name() == "LOCK" {
			what = "lock"
		}
		all[path] = what
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		t.Fatal(err)
	}
	return all
}

// logFiles returns the part of a listing that stays the same while a log is open.
func logFiles(all map[string]string) map[string]string {
	maps.DeleteFunc(all, func(path, _ string) bool {
		name := filepath.Base(path)
		return name != "tidings.json" && name != "owner"
	})
	return all
}

// wantDirError checks an error about a directory, and that the directory has not changed, unless before is nil.
func wantDirError(t *testing.T, dir string, before map[string]string, err, want error, words ...string) {
	t.Helper()
	dirErr, ok := errors.AsType[*disklog.DirError](err)
	if !ok || !errors.Is(err, want) || dirErr.Dir != dir || !strings.Contains(err.Error(), dir) {
		t.Errorf("%s: the error is %v", dir, err)
		return
	}
	for _, word := range append(words, dirErr.Remedy) {
		if !strings.Contains(err.Error(), word) || word == "" {
			t.Errorf("%q is missing in: %v", word, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has several lines: %v", err)
	}
	if after := listing(t, dir); before != nil && !maps.Equal(before, after) {
		t.Errorf("%s: it has changed from\n%v\nto\n%v", dir, before, after)
	}
	t.Log(err)
}

// go test -v -run Refused prints the errors.
func TestRefusedDirectories(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		want    error
		words   []string
	}{
		"other files": {
			func(t *testing.T, dir string) { mustWrite(t, filepath.Join(dir, "index.html"), "hello") },
			disklog.ErrNotALog,
			[]string{`"index.html"`, "a directory of its own"},
		},
		"a file": {
			func(t *testing.T, dir string) { mustWrite(t, dir, "hello") },
			syscall.ENOTDIR,
			[]string{"move away the file", "name another directory"},
		},
		"below a file": {
			func(t *testing.T, dir string) { mustWrite(t, filepath.Dir(dir), "hello") },
			syscall.ENOTDIR,
			[]string{"move away the file", "name another directory"},
		},
		"a newer format": {
			func(t *testing.T, dir string) {
				mustLog(t, dir)
				mustWrite(t, filepath.Join(dir, "tidings.json"), `{"format": 7, "other": []}`)
			},
			disklog.ErrNewFormat,
			[]string{"its format is 7, this version knows 1", "open it with that version"},
		},
		"a newer store": {
			func(t *testing.T, dir string) {
				mustLog(t, dir)
				markers, err := filepath.Glob(filepath.Join(dir, "marker.format-version.*"))
				if err != nil || len(markers) != 1 {
					t.Fatal(markers, err)
				}
				if err := os.Rename(markers[0], filepath.Join(dir, "marker.format-version.000999.999")); err != nil {
					t.Fatal(err)
				}
			},
			disklog.ErrNewFormat,
			[]string{"its format is 999", "open it with that version"},
		},
		"garbage": {
			func(t *testing.T, dir string) {
				mustLog(t, dir)
				mustWrite(t, filepath.Join(dir, "tidings.json"), "\x00\x00\x00")
			},
			nil,
			[]string{"tidings.json is invalid", "tidings log restored "},
		},
		"no format": {
			func(t *testing.T, dir string) {
				mustLog(t, dir)
				mustWrite(t, filepath.Join(dir, "tidings.json"), "{}")
			},
			nil,
			[]string{"tidings.json is invalid: it has no format", "tidings log restored "},
		},
		"no tidings.json": {
			func(t *testing.T, dir string) {
				mustLog(t, dir)
				if err := os.Remove(filepath.Join(dir, "tidings.json")); err != nil {
					t.Fatal(err)
				}
			},
			disklog.ErrNotALog,
			[]string{"no tidings.json", "restore that file or run: tidings log restored ", "name another directory"},
		},
		"another program's store": {
			mustStore, disklog.ErrNotALog, []string{"no tidings.json", "name another directory"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data", "log")
			c.prepare(t, dir)
			before := listing(t, dir)
			_, err := disklog.Open(dir, nil)
			if c.want == nil {
				c.want = err
			}
			wantDirError(t, dir, before, err, c.want, c.words...)
		})
	}
}

func mustWrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// mustStore creates a Pebble store that is not a log.
func mustStore(t *testing.T, dir string) {
	t.Helper()
	db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte("k"), nil, pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
}

type quiet struct{ pebble.Logger }

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

// TestDirectoryWithoutPermission uses a file system that refuses access, because root may read and write every real directory.
func TestDirectoryWithoutPermission(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"mkdir other", "create other", "create marker", "rename other", ""} {
		fs := newFaultFS(vfs.NewMem())
		fs.begin(fault{kind: kind, err: syscall.EACCES})
		_, err := disklog.Open("data/log", faultOptions(fs))
		wantDirError(t, "data/log", listing(t, "data/log"), err, os.ErrPermission,
			"let this user read and write the directory and the files in it, or name another directory")
	}
}

// TestDirectoryOfAnotherUser: if root runs this test, it starts the test again as a process of another user. Otherwise it uses a directory
// that even its owner may not use.
func TestDirectoryOfAnotherUser(t *testing.T) {
	const variable = "TIDINGS_DIR_OF_ROOT"
	if dir := os.Getenv(variable); dir != "" {
		_, err := disklog.Open(dir, nil)
		fmt.Println(err)
		_, err = disklog.Restored(dir)
		fmt.Println(err)
		return
	}
	t.Parallel()
	top := t.TempDir()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(top, "test")
	if err := errors.Join(os.WriteFile(binary, text, 0o755), os.Chmod(top, 0o755), os.Chmod(filepath.Dir(top), 0o755)); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"no permission to enter": 0, "no permission to write": 0o555} {
		dir := filepath.Join(top, strings.ReplaceAll(name, " ", "-"))
		mustLog(t, dir)
		for path := range listing(t, dir) { // so that the other user owns none of the files
			if path != dir {
				if err := os.Chmod(path, 0o444); err != nil {
					t.Fatal(err)
				}
			}
		}
		before := listing(t, dir)
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary, "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), variable+"="+dir)
		cmd.Dir = top
		asUnprivilegedUser(cmd)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if n := strings.Count(string(out), "data directory "+dir+": "); n != 2 ||
			strings.Count(string(out), "permission denied; let this user read and write the directory and the files in it, or name another directory\n") != 2 {
			t.Errorf("%s: the output is\n%s", name, out)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if after := listing(t, dir); !maps.Equal(before, after) {
			t.Errorf("%s: it has changed from\n%v\nto\n%v", name, before, after)
		}
	}
}

// TestIdentityFileIsReadable pins the content of tidings.json, which people read.
func TestIdentityFileIsReadable(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	mustLog(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, "tidings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil || fields["format"] != 1.0 || !strings.Contains(fmt.Sprint(fields["about"]), "tidings log stats") {
		t.Errorf("tidings.json is %s, %v", text, err)
	}
	if names := slices.Sorted(maps.Keys(fields)); !slices.Equal(names, []string{"about", "fingerprint", "format"}) {
		t.Errorf("tidings.json has fields %v", names)
	}
}

// TestWrongOptionsAreTyped: invalid options are refused before anything is created.
func TestWrongOptionsAreTyped(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	for _, o := range []disklog.Options{
		{Sync: 3},
		{Sync: -1},
		{Interval: -1},
		{Cache: -1},
		{Retention: &eventlog.Retention{Keys: -1}},
		{Retention: &eventlog.Retention{Rules: []eventlog.Rule{{}}}},
	} {
		_, err := disklog.Open(dir, &o)
		if _, ok := errors.AsType[*eventlog.InvalidError](err); !ok {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if all := listing(t, dir); len(all) > 0 {
		t.Errorf("invalid options have created %v", all)
	}
}

// TestClosedLogDetectsAMissingEnd: the file owner holds the end of the log at the time of its close.
func TestClosedLogDetectsAMissingEnd(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	at := mustLog(t, dir)
	owner := filepath.Join(dir, "owner")
	text, err := os.ReadFile(owner)
	if err != nil || !strings.HasPrefix(string(text), "closed at "+at.String()+" with ") {
		t.Fatalf("owner is %q, %v", text, err)
	}
	later := eventlog.Position{Gen: at.Gen, Seq: at.Seq + 3}
	mustWrite(t, owner, strings.Replace(string(text), at.String(), later.String(), 1))
	i, err := disklog.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := i.Stats(t.Context())
	if err != nil || stats.Closed {
		t.Errorf("the end of the log is missing, and stats are %+v, %v", stats, err)
	}
	var problems []string
	if _, err := i.Check(t.Context(), func(p disklog.Problem) { problems = append(problems, p.String()) }); err != nil ||
		len(problems) != 1 || !strings.Contains(problems[0], later.String()+" was on disk") {
		t.Errorf("Check has found %q, %v", problems, err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
	log := mustOpen(t, dir, nil)
	if head := log.Head(); head != later {
		t.Errorf("the head is %v, and was %v", head, later)
	}
	_, err = log.Read(t.Context(), eventlog.Query{Selector: eventlog.Topics("news"), After: at})
	if gap, ok := errors.AsType[*eventlog.GapError](err); !ok || gap.Reason != eventlog.Rollback || gap.To != later {
		t.Errorf("a reader at %v gets %v", at, err)
	}
}
