// Package disklog implements the log of package eventlog durably: in one directory, on Pebble, for one process.
//
//	log, err := disklog.Open("/var/lib/tidings", nil)
//	if err != nil {
//		return err
//	}
//	defer log.Close()
//
// # Promises
//
// In addition to those of package eventlog:
//
// Durability: with [SyncAlways], the default, a record that Append acknowledged survives a kill of the process, a crash of the
// machine and a power loss. With [SyncInterval] a record is visible before it is on disk: a crash loses the newest records, and
// their readers get a gap. In both cases no sequence number is used twice.
//
// Cost: a record is written once, together with its index, in one atomic batch. One committer syncs for all concurrent appends
// (group commit). Opening does not read the records. Memory does not grow with the number of records or topics.
//
// Failure: when free space falls below [Options.Reserve], or a write or sync fails, appends fail with [eventlog.ErrUnavailable]
// and reads continue. The log recovers by itself when the cause is gone. It never ends the process.
//
// Mirrors: after a crash a mirror may lack its newest records; its owner continues from State. A failure of the disk closes a mirror for
// good, because the shared log has all records. A mirror reads all that it has stored once after it was opened, so that its owner can
// replace it by a copy of another one if something is damaged: see [Log.Checked].
//
// Generations: a log whose directory is a copy of another one begins a new generation. The log cannot detect a backup that was
// restored in place; call [Restored] for it.
//
// # The path of a record
//
//	Append ─▶ queue ─▶ committer: decide, number, one batch ─▶ Pebble ─▶ finisher: synced? ─▶ head, receipts, Watch
//	         (queue.go)    (commit.go, decide.go)                        (finish.go)
//	Read ─▶ is there a gap? ─▶ by index or by scan ─▶ records
//	            (gap.go)          (read.go, gather.go)
//	trimmer ─▶ chunks ─▶ Pebble
//	           (trim.go, chunk.go, forget.go)
//
// keys.go and docs/format.md describe the stored bytes. Package guard protects the log when Pebble or the disk fails.
package disklog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
)

// Sync defines when Append returns.
type Sync int

const (
	SyncDefault  Sync = iota // SyncAlways, or SyncInterval for a mirror
	SyncAlways               // when the records are on disk
	SyncInterval             // at once; the records are on disk within Options.Interval
)

// Options are the options of [Open]. Nil and the zero value mean the defaults.
type Options struct {
	// Retention is what the log keeps. A mirror uses the rules of its last SetRetention instead.
	Retention *eventlog.Retention

	// Mirror makes the log an [eventlog.Mirror]. The directory of another log cannot be opened as a mirror, and the reverse: see
	// [ToMirror] and [FromMirror].
	Mirror bool

	Sync     Sync
	Interval time.Duration // time between syncs with SyncInterval; 0: 100 ms

	// Cache is the size of the read cache in bytes. The log uses up to 64 MiB more for memtables, and as much on disk for
	// write-ahead logs. 0: 64 MiB
	Cache int64

	// Files is the maximum number of table files that are open at a time; a few other files come on top. With a small number,
	// reading old records opens files again and again. 0: 1,000
	Files int

	// Reserve is the free disk space in bytes below which Append is refused, so that trimming can still write. 0: 256 MiB;
	// negative: none
	Reserve int64

	Logger *slog.Logger // for problems in the background; nil: slog.Default

	// Now is the clock for the time and the age of records, called concurrently. Nil: time.Now, and for a mirror none until SetClock
	Now func() time.Time

	fs        vfs.FS // for tests
	idleTrims bool   // for tests: only Trim trims
	memTable  uint64 // for tests: size of Pebble's memtable in bytes

	chunkBytes int             // for tests: see chunk.full
	onChunk    func(bytes int) // for tests: called after a chunk was written
}

const (
	defaultInterval   = 100 * time.Millisecond
	defaultCache      = 64 << 20
	defaultReserve    = 256 << 20
	defaultFiles      = 1000
	defaultMemTable   = 16 << 20 // larger ones save little, because records are written in key order, and miss the CPU cache more
	defaultChunkBytes = 1 << 20
)

func (o *Options) withDefaults() (Options, error) {
	var d Options
	if o != nil {
		d = *o
	}
	r, err := d.Retention.WithDefaults()
	if err != nil {
		return d, err
	}
	d.Retention = &r
	switch {
	case d.Sync < SyncDefault || d.Sync > SyncInterval:
		return d, &eventlog.InvalidError{What: "option Sync", Value: fmt.Sprint(int(d.Sync)), Reason: "it is neither SyncAlways nor SyncInterval"}
	case d.Interval < 0 || d.Cache < 0 || d.Files < 0:
		return d, &eventlog.InvalidError{What: "option", Reason: "Interval, Cache or Files is negative"}
	}
	if d.Sync == SyncDefault {
		d.Sync = SyncAlways
		if d.Mirror {
			d.Sync = SyncInterval
		}
	}
	d.Interval = orElse(d.Interval, defaultInterval)
	d.Cache = orElse(d.Cache, defaultCache)
	d.Files = orElse(d.Files, defaultFiles)
	d.Reserve = orElse(d.Reserve, defaultReserve)
	d.memTable = orElse(d.memTable, defaultMemTable)
	d.chunkBytes = orElse(d.chunkBytes, defaultChunkBytes)
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	switch {
	case d.Now == nil && d.Mirror:
		d.Now = func() time.Time { return time.UnixMilli(0) } // no record is old
	case d.Now == nil:
		d.Now = time.Now
	}
	return d, nil
}

func orElse[T comparable](v, standard T) T {
	var zero T
	if v == zero {
		return standard
	}
	return v
}

// Log is a durable log. It implements eventlog.Log, Mirror, Snapshotter, Awaiter, Lookup, Lister, Readier and Checker.
type Log struct {
	dir  string
	opts Options
	fs   vfs.FS
	lock *pebble.Lock

	rules atomic.Pointer[eventlog.Retention] // with defaults
	clock atomic.Pointer[func() time.Time]
	whole atomic.Bool                       // see Checked
	head  atomic.Pointer[eventlog.Position] // set by publish
	watch chan struct{}
	moved signal // the head has moved, or the log is being closed
	queue queue
	space space

	// The open store, see use.go.
	taken sync.Mutex // held while the store is taken away
	mu    sync.Mutex // guards the following fields
	store *store
	why   error           // the reason if there is no store
	back  chan struct{}   // closed when the store is put back; nil: it is not taken away
	last  eventlog.Bounds // when it was taken away

	// turn is held while the store is changed: by the committer for a batch, by the trimmer for a chunk.
	turn sync.Mutex

	unsynced chan *commit  // from committer to finisher: batches that wait for their sync
	broken   chan struct{} // wakes recoverLoop

	trim trimmer

	// Close closes closing first; then each goroutine of running ends.
	closeOnce sync.Once
	closing   <-chan struct{}
	stop      context.CancelFunc // closes closing
	running   sync.WaitGroup
	closeErr  error
}

var (
	_ eventlog.Mirror      = (*Log)(nil)
	_ eventlog.Snapshotter = (*Log)(nil)
	_ eventlog.Awaiter     = (*Log)(nil)
	_ eventlog.Lookup      = (*Log)(nil)
	_ eventlog.Lister      = (*Log)(nil)
	_ eventlog.Readier     = (*Log)(nil)
	_ eventlog.Checker     = (*Log)(nil)
)

// Open opens the log in a directory, and creates both if needed. One process at a time can open a directory.
//
// Errors: a *DirError says what is wrong with the directory and what to do. An *eventlog.InvalidError names an invalid option. An
// *eventlog.CorruptError, inside a *DirError, is damage without which the log cannot be opened.
func Open(dir string, o *Options) (*Log, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return open(dir, opts, false)
}

// Restored declares that a directory was restored from a backup or copied. It begins a new generation and returns it. Otherwise
// new records could get numbers that readers have seen on other records.
func Restored(dir string) (string, error) {
	opts, err := (&Options{Reserve: -1}).withDefaults()
	if err != nil {
		return "", err
	}
	l, err := open(dir, opts, true)
	if err != nil {
		return "", err
	}
	return l.Head().Gen, l.Close()
}

func open(dir string, opts Options, restored bool) (_ *Log, err error) {
	ctx, stop := context.WithCancel(context.Background())
	l := &Log{
		dir: dir, opts: opts, fs: opts.fs,
		watch:    make(chan struct{}, 1),
		unsynced: make(chan *commit, pipeline),
		broken:   make(chan struct{}, 1),
		closing:  ctx.Done(),
		stop:     stop,
	}
	if l.fs == nil {
		l.fs = vfs.Default
	}
	l.rules.Store(opts.Retention)
	l.clock.Store(&opts.Now)
	d := directory{fs: l.fs, name: dir, mirror: opts.Mirror}
	same, err := d.take(restored)
	if err != nil {
		stop()
		return nil, err
	}
	l.dir, l.lock = d.name, d.lock
	defer func() {
		if err != nil {
			stop()
			err = errors.Join(err, d.lock.Close())
		}
	}()
	if err = l.space.fits(l); err != nil {
		return nil, err
	}
	l.queue.wake = make(chan struct{}, 1)
	l.space.wake = make(chan struct{}, 1)
	l.trim.init()
	if l.store, err = l.openStore(!same); err != nil {
		return nil, err
	}
	if head := l.store.position(); head.Gen == "" {
		l.head.Store(&head) // a mirror with nothing to watch
	} else {
		l.publish(head)
	}
	if err = errors.Join(d.settle(same), l.space.check(l)); err != nil {
		return nil, errors.Join(accessError(l.dir, err), l.store.close())
	}
	l.run(ctx)
	return l, nil
}

func (l *Log) run(ctx context.Context) {
	for name, loop := range map[string]func(){
		"committer": l.commitLoop,
		"finisher":  l.finishLoop,
		"trimmer":   func() { l.trimLoop(ctx) },
		"recovery":  l.recoverLoop,
		"space":     l.spaceLoop,
	} {
		l.running.Go(func() { labelled("disklog "+name, loop) })
	}
	if l.opts.Sync == SyncInterval {
		synced := l.Head()
		l.running.Go(func() { labelled("disklog syncer", func() { l.syncLoop(synced) }) })
	}
	if l.opts.Mirror {
		l.running.Go(func() { labelled("disklog scrub", func() { l.scrub(ctx) }) })
	}
}

// Close implements eventlog.Log.
//
// The order: it refuses new calls, commits and answers those it accepted, stops the background goroutines, and closes the store,
// which waits for reads.
func (l *Log) Close() error {
	l.closeOnce.Do(func() {
		l.queue.close()
		l.moved.send()
		l.stop()
		l.running.Wait()
		close(l.watch)
		if s := l.take(); s != nil {
			if l.closeErr = s.close(); l.closeErr == nil {
				l.closeErr = writeClosing(l.fs, l.dir, s.position())
			}
		}
		l.closeErr = errors.Join(l.closeErr, l.lock.Close())
		l.put(nil, eventlog.ErrClosed)
	})
	return l.closeErr
}

// SetClock implements eventlog.Mirror.
func (l *Log) SetClock(now func() time.Time) { l.clock.Store(&now) }

// now returns what the clock shows.
func (l *Log) now() time.Time { return (*l.clock.Load())() }

// Head implements eventlog.Log.
func (l *Log) Head() eventlog.Position { return *l.head.Load() }

// publish makes everything up to a position visible. Calls must not overlap.
func (l *Log) publish(head eventlog.Position) {
	l.head.Store(&head)
	l.moved.send()
	select {
	case l.watch <- struct{}{}:
	default: // a value already waits for the receiver
	}
}

// Watch implements eventlog.Log.
func (l *Log) Watch() <-chan struct{} { return l.watch }
