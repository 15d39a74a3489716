package disklog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A data directory is Pebble's, with two files more: tidings.json says whose it is and from where, and owner
// which process has it open.
const (
	identityFile = "tidings.json"
	ownerFile    = "owner"
	format       = 1 // of keys and values; raised when an older version could not read them
)

// What is wrong with a directory. [*DirError] is one of these to errors.Is, or an error of the file system.
var (
	ErrInUse      = errors.New("another process has it open")
	ErrNotALog    = errors.New("it is not the directory of a log")
	ErrNewFormat  = errors.New("a newer version of tidings has written it")
	ErrNoLog      = errors.New("there is no log in it")
	errCannotRead = errors.New("tidings.json cannot be read")
)

// DirError is a data directory that cannot be opened.
type DirError struct {
	Dir    string
	Remedy string // what to do
	Err    error
}

func (e *DirError) Error() string {
	return fmt.Sprintf("data directory %s: %v; %s", e.Dir, e.Err, e.Remedy)
}

func (e *DirError) Unwrap() error { return e.Err }

// identity is the content of tidings.json.
type identity struct {
	About       string `json:"about"`
	Format      int    `json:"format"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

const about = "An event log of Tidings. Look into it with: tidings log stats DIR. After restoring a copy: tidings log restored DIR."

// lockDir makes sure that nobody else has the directory open.
func lockDir(fsys vfs.FS, dir string) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fsys)
	switch {
	case err == nil:
		return lock, nil
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist), isReadOnly(err):
		return nil, permission(dir, err)
	}
	inUse := ErrInUse
	if pid := readOwner(fsys, dir); pid != "" {
		inUse = fmt.Errorf("%w, process %s", ErrInUse, pid)
	}
	return nil, &DirError{dir, "end that process first, or give this one a directory of its own", inUse}
}

// makeDir makes the directory and those above it, and syncs them as long as there is no log: a new directory may have been made
// by a process that did not live to do so. Pebble syncs only the one above dir.
func makeDir(fsys vfs.FS, dir string) error {
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if _, err := fsys.Stat(fsys.PathJoin(dir, identityFile)); err == nil {
		return nil
	}
	for above := fsys.PathDir(dir); ; above = fsys.PathDir(above) {
		// One that this user cannot read is none that was made here.
		if err := syncDir(fsys, above); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		if above == fsys.PathDir(above) {
			return nil
		}
	}
}

// haveLog returns an error if there is no log in the directory.
func haveLog(fsys vfs.FS, dir string) error {
	if _, err := fsys.Stat(fsys.PathJoin(dir, identityFile)); errors.Is(err, fs.ErrNotExist) {
		return &DirError{dir, "name the directory in which tidings keeps its log; it has a file " + identityFile, ErrNoLog}
	}
	return nil
}

func permission(dir string, err error) error {
	return &DirError{dir, "let this user read and write the directory and the files in it, or name another one", err}
}

// readIdentity returns the zero identity for an empty directory.
func readIdentity(fsys vfs.FS, dir string) (id identity, err error) {
	text, err := readFile(fsys, fsys.PathJoin(dir, identityFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return id, onlyIfEmpty(fsys, dir)
	case err != nil:
		return id, permission(dir, err)
	}
	if err := json.Unmarshal(text, &id); err != nil || id.Format < 1 {
		return id, &DirError{
			dir, "restore the file, or let the log begin a new generation with: tidings log restored " + dir,
			errors.Join(errCannotRead, err),
		}
	}
	if id.Format > format {
		return id, &DirError{
			dir, "open it with that version", fmt.Errorf("%w: its format is %d, this one knows %d", ErrNewFormat, id.Format, format),
		}
	}
	return id, nil
}

// onlyIfEmpty returns an error if there is anything in dir that is not ours: a store without tidings.json is either a log
// that died within its first second, or one whose file was lost, or somebody else's.
func onlyIfEmpty(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return permission(dir, err)
	}
	for _, name := range names {
		if name != "LOCK" && name != ownerFile && !strings.HasPrefix(name, identityFile) && name != "lost+found" {
			return &DirError{dir, "give the log a directory of its own, that is empty or does not exist", fmt.Errorf("%w: there is %q in it", ErrNotALog, name)}
		}
	}
	return nil
}

// writeIdentity writes tidings.json with the fingerprint of that very file; mark returns it.
func writeIdentity(fsys vfs.FS, dir string, mark func(path string) string) error {
	return replaceFile(fsys, dir, identityFile, func(path string) ([]byte, error) {
		text, err := json.MarshalIndent(identity{About: about, Format: format, Fingerprint: mark(path)}, "", "  ")
		return append(text, '\n'), err
	})
}

// writeOwner is for people: the lock is what counts.
func writeOwner(fsys vfs.FS, dir string) error {
	return replaceFile(fsys, dir, ownerFile, func(string) ([]byte, error) { return fmt.Appendf(nil, "%d\n", os.Getpid()), nil })
}

func readOwner(fsys vfs.FS, dir string) string {
	text, err := readFile(fsys, fsys.PathJoin(dir, ownerFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func readFile(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	return text, errors.Join(err, f.Close())
}

// replaceFile replaces a file as a whole, and is done when that is on disk. The function is called with the path at which
// the new file stands until then.
func replaceFile(fsys vfs.FS, dir, name string, content func(path string) ([]byte, error)) error {
	path := fsys.PathJoin(dir, name)
	f, err := fsys.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	text, err := content(path + ".new")
	if err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
