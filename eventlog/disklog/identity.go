package disklog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog/internal/guard"
)

// A data directory is Pebble's directory with additional files: tidings.json identifies the log, and owner says which process has it
// open, or how it was closed.
const (
	identityFile = "tidings.json"
	ownerFile    = "owner"
	format       = 1 // of keys and values; raised when older versions cannot read them
	formatMirror = 2 // of a mirror's directory: versions that know no mirrors would begin a generation in it
)

// Causes of a [*DirError], for errors.Is. Other causes are eventlog.ErrCorrupt and errors of the file system.
var (
	ErrInUse     = errors.New("it is already open")
	ErrNotALog   = errors.New("it is not the directory of a log")
	ErrNewFormat = errors.New("a newer version of tidings has written it")
	ErrNoLog     = errors.New("there is no log in it")

	// The directory is open for another role than it has, see Options.Mirror.
	ErrIsMirror  = errors.New("it mirrors the shared log of a cluster")
	ErrNotMirror = errors.New("it is the log of a single hub, not a mirror")

	errCannotRead = errors.New("tidings.json is invalid")
	errNoIdentity = errors.New("it has the files of a store, but no tidings.json")
)

// DirError reports a data directory that cannot be opened.
type DirError struct {
	Dir    string
	Remedy string // what to do
	Err    error
}

func (e *DirError) Error() string {
	return fmt.Sprintf("data directory %s: %v; %s", e.Dir, e.Err, e.Remedy)
}

func (e *DirError) Unwrap() error { return e.Err }

// Damaged reports whether the files in the directory are damaged, or some of them are missing.
func (e *DirError) Damaged() bool {
	return errors.Is(e.Err, eventlog.ErrCorrupt) || errors.Is(e.Err, errCannotRead) || errors.Is(e.Err, errNoIdentity)
}

// accessError reports a directory that the file system does not let the process use.
func accessError(dir string, err error) error {
	if dirErr, ok := errors.AsType[*DirError](err); ok {
		return dirErr
	}
	return &DirError{dir, remedy(err) + ", or name another directory", err}
}

// cannotMake reports whether the parent exists and no directory can be created in it.
func cannotMake(err error) bool {
	path, ok := errors.AsType[*fs.PathError](err)
	return ok && path.Op == "mkdir" && errors.Is(err, fs.ErrNotExist)
}

// remedy returns what to do about an error of the file system.
func remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "let this user read and write the directory and the files in it"
	case errors.Is(err, syscall.EROFS):
		return "mount its file system so that it can be written"
	case vfs.IsNoSpaceError(err), errors.Is(err, syscall.EDQUOT):
		return "make room on its disk"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return "move away the file that is in its place"
	case cannotMake(err):
		return "no directory can be made there, as in /proc"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "let the process open more files"
	}
	return "check its disk; the system's log may say more"
}

// identity is the content of tidings.json.
type identity struct {
	About       string `json:"about"`
	Format      int    `json:"format"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Mirror      bool   `json:"mirror,omitempty"`
}

const about = "An event log of Tidings. Look into it with: tidings log stats DIR. After restoring a copy: tidings log restored DIR."

// directory is a data directory that is being opened.
type directory struct {
	fs   vfs.FS
	name string
	lock *pebble.Lock

	mirror bool // it is to be opened as a mirror
}

// real reports whether the directory is on disk rather than in a test's file system.
func (d *directory) real() bool { return vfs.Root(d.fs) == vfs.Default }

// mark returns the fingerprint of a file.
func (d *directory) mark(path string) string {
	if !d.real() {
		return ""
	}
	return fingerprint(path)
}

// take locks the directory and reports whether it is the one that was last written. If not, the log has to begin a generation. take
// leaves the files as they are; settle is called when the store could be opened.
func (d *directory) take(restored bool) (same bool, err error) {
	if d.real() {
		if d.name, err = filepath.Abs(d.name); err != nil { // the working directory may change
			return false, accessError(d.name, err)
		}
	}
	if restored {
		err = checkRestored(d.fs, d.name)
	} else if err = makeDir(d.fs, d.name); err == nil {
		_, err = readIdentity(d.fs, d.name)
	}
	if err == nil {
		d.lock, err = lockDir(d.fs, d.name)
	}
	if err != nil {
		return false, accessError(d.name, err)
	}
	if same, err = d.claim(restored); err != nil {
		return false, errors.Join(accessError(d.name, err), d.lock.Close())
	}
	return same, nil
}

// claim is the part of take that needs the lock.
func (d *directory) claim(restored bool) (same bool, err error) {
	id, err := readIdentity(d.fs, d.name) // read again, because another process may have held the lock until now
	if restored && (errors.Is(err, errCannotRead) || errors.Is(err, errNoIdentity)) {
		err = nil
	}
	if err != nil {
		return false, err
	}
	if err := d.checkRole(id); err != nil {
		return false, err
	}
	if empty := id.Format == 0 && !restored; empty { // from now on a store in this directory is recognised as a log
		return false, d.writeIdentity(func(string) string { return unsettled })
	}
	if err := checkStore(d.fs, d.name, id); err != nil {
		return false, err
	}
	if d.mirror { // a copy may continue: its numbers come from the shared log
		return id.Fingerprint != unsettled, nil
	}
	return !restored && id.Fingerprint == d.mark(d.fs.PathJoin(d.name, identityFile)), nil
}

// checkRole returns an error if the directory has another role than it is opened for.
func (d *directory) checkRole(id identity) error {
	switch {
	case id.Format == 0 || id.Mirror == d.mirror:
		return nil
	case id.Mirror:
		return &DirError{
			d.name, "open it as a part of its cluster, name another directory, or make it the log of a single hub, after which clients with a position get a gap",
			ErrIsMirror,
		}
	}
	return &DirError{
		d.name, "name another directory, or make it a mirror, which keeps its records; clients with a position get a gap once the cluster gives them new positions",
		ErrNotMirror,
	}
}

// unsettled is the fingerprint of a directory whose log has no generation yet. It equals no other fingerprint, so that the next
// Open begins a generation.
const unsettled = "none so far"

// settle is called after the store was opened, and after a generation was begun if the directory is not the same. Until then
// tidings.json has another fingerprint, so that after a crash in between the next Open begins a generation too.
func (d *directory) settle(same bool) error {
	if !same {
		if err := d.writeIdentity(d.mark); err != nil {
			return err
		}
	}
	return writeOwner(d.fs, d.name)
}

// writeIdentity writes tidings.json with the fingerprint of the new file itself, which mark returns.
func (d *directory) writeIdentity(mark func(path string) string) error {
	return replaceFile(d.fs, d.name, identityFile, func(path string) ([]byte, error) {
		text, err := json.MarshalIndent(identity{About: about, Format: d.format(), Fingerprint: mark(path), Mirror: d.mirror}, "", "  ")
		return append(text, '\n'), err
	})
}

func (d *directory) format() int {
	if d.mirror {
		return formatMirror
	}
	return format
}

// lockDir locks the directory against other processes and other logs of this process.
func lockDir(fsys vfs.FS, dir string) (*pebble.Lock, error) {
	name := dir
	if vfs.Root(fsys) == vfs.Default {
		// Within a process, locks go by the name of the file, and a file may have several names.
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			name = real
		}
	}
	lock, err := pebble.LockDirectory(name, fsys)
	if err == nil {
		return lock, nil
	}
	// If this process holds the lock, the error is not an errno.
	if errno, ok := errors.AsType[syscall.Errno](err); ok && errno != syscall.EAGAIN {
		return nil, accessError(dir, err)
	}
	switch pid := readOwner(fsys, dir); pid {
	case 0:
		return nil, &DirError{dir, "end the process that has it, or give this log a directory of its own", ErrInUse}
	case os.Getpid():
		return nil, &DirError{
			dir, "close that log first, or give this one a directory of its own", fmt.Errorf("%w, in this process (%d)", ErrInUse, pid),
		}
	default:
		return nil, &DirError{
			dir, "end that process first, or give this log a directory of its own", fmt.Errorf("%w, in process %d", ErrInUse, pid),
		}
	}
}

// makeDir creates the directory and its parents. While there is no log in it, makeDir syncs all parents: a process that created
// them may have died before it synced them. Pebble syncs only the direct parent.
func makeDir(fsys vfs.FS, dir string) error {
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if _, err := fsys.Stat(fsys.PathJoin(dir, identityFile)); err == nil {
		return nil
	}
	for above := fsys.PathDir(dir); ; above = fsys.PathDir(above) {
		// A parent that this user cannot read was not created here.
		if err := guard.SyncDir(fsys, above); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		if above == fsys.PathDir(above) {
			return nil
		}
	}
}

// readIdentity returns the zero identity for an empty directory.
func readIdentity(fsys vfs.FS, dir string) (id identity, err error) {
	text, err := readFile(fsys, fsys.PathJoin(dir, identityFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return id, onlyIfEmpty(fsys, dir)
	case err != nil:
		return id, accessError(dir, err)
	}
	if err = json.Unmarshal(text, &id); err == nil && id.Format < 1 {
		err = errors.New("it has no format")
	}
	if err != nil {
		return id, &DirError{
			dir, "restore that file, or let the log begin a new generation with: tidings log restored " + dir,
			fmt.Errorf("%w: %w", errCannotRead, err),
		}
	}
	known := format
	if id.Mirror {
		known = formatMirror
	}
	if id.Format > known {
		return id, newFormat(dir, id.Format, known)
	}
	return id, nil
}

// checkStore checks the names of Pebble's files in a locked directory. If the marker of the manifest is missing, Pebble would begin a
// new store and remove all files of the old one.
func checkStore(fsys vfs.FS, dir string, id identity) error {
	names, err := fsys.List(dir)
	if err != nil {
		return accessError(dir, err)
	}
	for _, name := range names {
		var number, its int
		if n, _ := fmt.Sscanf(name, "marker.format-version.%d.%d", &number, &its); n == 2 && its > int(pebble.FormatNewest) {
			return newFormat(dir, its, int(pebble.FormatNewest))
		}
	}
	switch {
	case id.Fingerprint == unsettled: // the store may not have been created yet
	case guard.ManifestName(names) == "":
		return openError(dir, corrupt("store", "there is no file "+guard.MarkerPrefix+"*"))
	}
	return nil
}

func newFormat(dir string, its, ours int) error {
	return &DirError{
		dir, "open it with that version or a newer one", fmt.Errorf("%w: its format is %d, this version knows %d", ErrNewFormat, its, ours),
	}
}

// checkRestored returns an error if the directory is not that of a log. tidings.json may be missing or damaged.
func checkRestored(fsys vfs.FS, dir string) error {
	id, err := readIdentity(fsys, dir)
	switch {
	case errors.Is(err, errCannotRead):
		return nil
	case errors.Is(err, errNoIdentity):
		return haveLog(fsys, dir, err)
	case err == nil && id.Format == 0, errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrNotALog):
		return &DirError{dir, "name the directory in which tidings keeps its log; it has a file " + identityFile, ErrNoLog}
	}
	return err
}

// haveLog returns the error why unless the store in a directory is that of a log. It changes nothing.
func haveLog(fsys vfs.FS, dir string, why error) (err error) {
	lock, err := lockDir(fsys, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := checkStore(fsys, dir, identity{}); err != nil {
		return err
	}
	db, err := guard.Open(dir, &guard.Options{FS: fsys, Lock: lock, ReadOnly: errInspecting, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return openError(dir, err)
	}
	_, value, err := db.Get([]byte(metaGeneration))
	if err == nil {
		err = value.Close()
	} else {
		err = why
	}
	return errors.Join(err, db.Close())
}

// certificates is the folder in which tidings serve keeps the certificates of a hub. It makes the folder before it opens the log, so that a hub whose
// log opens slowly has a certificate.
const certificates = "acme"

// onlyIfEmpty returns an error if dir contains anything but files that the log creates before the store. A store without tidings.json
// is not a log's, or has lost that file.
func onlyIfEmpty(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return accessError(dir, err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, guard.MarkerPrefix) {
			return &DirError{
				dir, "if it is a log of tidings, restore that file or run: tidings log restored " + dir + "; if not, name another directory",
				fmt.Errorf("%w: %w", ErrNotALog, errNoIdentity),
			}
		}
	}
	for _, name := range names {
		if name != "LOCK" && name != "lost+found" && name != certificates && !strings.HasPrefix(name, ownerFile) && !strings.HasPrefix(name, identityFile) {
			return &DirError{
				dir, "give the log a directory of its own, that is empty or does not exist", fmt.Errorf("%w: there is %q in it", ErrNotALog, name),
			}
		}
	}
	return nil
}

// writeOwner records which process has the directory open, for people. Only the lock protects the directory.
func writeOwner(fsys vfs.FS, dir string) error {
	return replaceFile(fsys, dir, ownerFile, func(string) ([]byte, error) { return fmt.Appendf(nil, "%d\n", os.Getpid()), nil })
}

// readOwner returns the process that has the directory open, 0 if it is not known.
func readOwner(fsys vfs.FS, dir string) int {
	text, err := readFile(fsys, fsys.PathJoin(dir, ownerFile))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

func readFile(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	return text, errors.Join(err, f.Close())
}

// replaceFile replaces a file atomically and durably. content gets the path of the new file before it is renamed.
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
	return guard.SyncDir(fsys, dir)
}
