// Package guard opens a Pebble store so that a failing or damaged disk neither ends the process nor loses data silently.
//
// Pebble is built for CockroachDB. There a node that cannot write should die, and a node with a damaged disk copies its data
// from another one. A log for one machine has no other copy: it has to keep serving what it can read, to report what it lost,
// and to take writes again once the disk works. The following paragraphs list what Pebble 2.1.7 does instead, the discussion
// upstream, and the file of this package that deals with it.
//
// Failed writes (fence.go, tables.go). After a failed write, Pebble ends the process: it calls Logger.Fatalf, panics while it
// holds locks, or unlocks a mutex twice while it rotates the write-ahead log. A flush that fails is retried at once, forever.
// See cockroachdb/pebble issues 270, 3427, 5601 and 6139. The fence stops all writes after the first error and reports success
// to Pebble. [DB.Err] has the error.
//
// Damage at the end of files (tail.go, tail_manifest.go, tail_wal.go). Pebble reads its manifest up to the first invalid chunk and drops every
// table that is listed after it (issue 4560). It reads a write-ahead log in the same way, unless a later chunk proves that the
// place was synced (issue 453, pull request 4336). The first log of a new store has no such proofs. The proofs in other logs
// cover only a part of the synced bytes (compare pull request 6031). [Open] checks these files first and refuses a store whose
// files prove that something is missing.
//
// Manifest rotation (fence.go). The marker file that names the manifest and the manifest itself become durable by one sync of the
// directory. If a file system reorders them, a power loss leaves a marker without a manifest, and Pebble cannot open the store.
// See issue 5825; pull request 5915 fixes it, not in 2.1.7. The fence syncs the directory before it creates a marker.
//
// Damaged blocks (blocks.go). Pebble reads a damaged block again for each caller. Each time it flips every single bit to see
// whether the checksum then matches (issue 2571). That takes 13 ms for 4 KiB, and half a minute for each MiB. Further reads of a
// block that Pebble has reported fail at once.
//
// Compactions (compactions.go). Pebble retries a failed compaction at once (issue 908), so that one damaged block keeps a
// processor and the disk busy. It also stops writers when compactions fall behind, without a way to cancel the wait.
// The scheduler here runs one compaction at a time and backs off after failures; [DB.Behind] lets the caller wait instead.
//
// # When the version of Pebble changes
//
// This package was checked against [Version], and tail.go reads the file formats of that version.
// TestPebbleIsTheVersionThatWasChecked fails with any other version and names the tests to run and the code to read.
package guard

import (
	"errors"
	"fmt"
	"log/slog"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Version is the version of Pebble that this package was checked against.
const Version = "v2.1.7"

// Options are the options of [Open]. FS, Lock, Pebble and Logger are required.
type Options struct {
	FS   vfs.FS
	Lock *pebble.Lock // of the directory; the caller keeps it

	// Pebble tunes the store. Open sets its fields FS, Lock, ReadOnly, Logger, EventListener, L0StopWritesThreshold and
	// Experimental.CompactionScheduler.
	Pebble pebble.Options

	// ReadOnly, if not nil, makes Open write nothing, and [DB.Err] return this error.
	ReadOnly error

	// Manifest is the result of [ReadManifest] after the store was last closed cleanly. The zero value means that the store was
	// not closed cleanly: then Open takes a manifest that ends early for the result of a crash, unless the write-ahead logs show that
	// entries are missing.
	Manifest Manifest

	// Progress, if not nil, decodes the operation in which a batch reports acknowledged writes, and returns false for all other
	// operations. It is the second proof that a damaged write-ahead log lost something, see tail_wal.go.
	Progress func(key, value []byte) (Progress, bool)

	Logger   *slog.Logger
	OnFail   func(error)                  // called once, with the error that stopped all writes, by the goroutine that met it, which may hold Pebble's locks
	OnDamage func(path string, why error) // called for each damaged block that Pebble reports; may be nil
}

// Progress is the report of a batch about itself and the batches before it. The caller chooses the positions, which only grow.
type Progress struct {
	Position     uint64 // that the batch reaches
	Acknowledged uint64 // the newest one that was acknowledged when the batch was written; 0: not known
	Restart      bool   // positions before this batch are not valid any more
}

// DB is a Pebble store behind a fence. After the first failed write, Pebble still reports success: callers check [DB.Err] after a
// write before they rely on it. Reads continue until Close. All methods are safe for concurrent use.
type DB struct {
	*pebble.DB
	fence       *fence
	compactions *compactions
}

// Open checks the files of a store and opens it, or creates a new one. Errors of a store that lost something or is inconsistent
// satisfy [pebble.IsCorruptionError]; a *[CorruptError] has the file and offset. Open opens a store twice if it is new or has an older
// format, also because a kill ended its first Open. Pebble begins the log before it raises the format, and logs of older formats do not
// distinguish damage from their end. The second log has the new format.
func Open(dir string, o *Options) (*DB, error) {
	names, err := o.FS.List(dir)
	if err != nil {
		return nil, err
	}
	old := formatOf(names) < o.Pebble.FormatMajorVersion && o.ReadOnly == nil
	db, err := open(dir, o)
	if err == nil && old {
		if err := errors.Join(db.Close(), db.Err()); err != nil {
			return nil, err
		}
		return open(dir, o)
	}
	return db, err
}

// formatOf returns the format of a store, given the names of all files in its directory; 0 if there is none.
func formatOf(names []string) (format pebble.FormatMajorVersion) {
	for _, name := range names {
		var number, its int
		if n, _ := fmt.Sscanf(name, markerPrefix+"format-version.%d.%d", &number, &its); n == 2 {
			format = max(format, pebble.FormatMajorVersion(its)) // it only rises
		}
	}
	return format
}

func open(dir string, o *Options) (_ *DB, err error) {
	f := newFence(o.FS, o.OnFail)
	f.dir = o.FS.PathDir(o.FS.PathJoin(dir, "x")) // as in the names of its files
	if o.ReadOnly != nil {
		f.cause.Store(&o.ReadOnly)
	}
	db := &DB{fence: f, compactions: newCompactions(f)}
	defer func() {
		if cause := recover(); cause != nil {
			err = &CorruptError{File: "store", Reason: fmt.Sprintf("Pebble panicked while it read it: %v", cause)}
		}
		if failed := f.err(); failed != nil && o.ReadOnly == nil {
			err = failed // the other errors follow from it
		}
		if err == nil {
			return
		}
		if db.DB != nil {
			err = errors.Join(err, db.Close())
		}
		db.compactions.Unregister() // Pebble does not when it cannot be opened
	}()
	if err := checkTails(dir, o); err != nil {
		return nil, err
	}
	db.DB, err = pebble.Open(dir, db.options(o))
	return db, err
}

// options returns Pebble's options with those that the guard sets.
func (db *DB) options(o *Options) *pebble.Options {
	p := o.Pebble
	p.FS, p.Lock, p.ReadOnly = db.fence, o.Lock, o.ReadOnly != nil
	p.Logger = &logger{o.Logger, db.fence}
	p.L0StopWritesThreshold = math.MaxInt32 // see Behind
	p.Experimental.CompactionScheduler = db.compactions
	p.EventListener = &pebble.EventListener{
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			db.fence.bad.learn(info.Path, info.Details)
			if o.OnDamage != nil {
				o.OnDamage(info.Path, info.Details)
			}
		},
		BackgroundError: func(err error) {
			if !pebble.IsCorruptionError(err) && !db.Failed() { // those were reported
				o.Logger.Error("the store failed in the background", "err", err.Error())
			}
		},
		FlushEnd:      func(pebble.FlushInfo) { db.compactions.changed.Store(true) },
		CompactionEnd: func(info pebble.CompactionInfo) { db.compactions.ended(info.Err) },
	}
	return &p
}

// Err returns the error that stopped all writes, or nil.
func (db *DB) Err() error { return db.fence.err() }

// Failed reports whether writes have stopped.
func (db *DB) Failed() bool { return db.fence.down() }

// Fail stops all writes, as a failed write does. Only the first error counts.
func (db *DB) Fail(err error) { db.fence.fail(err) }

// FS returns the file system behind the fence, for files that the caller keeps beside the store: they fail with it.
func (db *DB) FS() vfs.FS { return db.fence }

// Behind reports whether reads have become expensive because compactions lag behind. The caller should not write until they
// have caught up. It is false when they cannot catch up because the disk has failed. Call it from one goroutine at a time.
func (db *DB) Behind() bool { return db.compactions.behind(db.DB) && !db.Failed() }

// logger passes Pebble's messages on, and turns Fatalf into a failure of the store.
type logger struct {
	log   *slog.Logger
	fence *fence
}

var _ pebble.Logger = (*logger)(nil)

// Infof drops Pebble's messages about every flush and compaction.
func (l *logger) Infof(string, ...any) {}

func (l *logger) Errorf(format string, args ...any) {
	l.log.Error("the store reports an error", "err", fmt.Sprintf(format, args...))
}

func (l *logger) Fatalf(format string, args ...any) { l.fence.fail(fmt.Errorf(format, args...)) }

// CorruptError reports the place at which a file of a store is invalid.
type CorruptError struct {
	File   string // name, without its directory
	Offset int64  // of the first invalid byte
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.File, e.Offset, e.Reason)
}

func (e *CorruptError) Unwrap() error { return pebble.ErrCorruption }
