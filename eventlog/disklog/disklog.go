// Package disklog is the durable log of package eventlog: in one directory, on Pebble, for one process.
//
//	log, err := disklog.Open("/var/lib/tidings", nil)
//	if err != nil {
//		return err
//	}
//	defer log.Close()
//
// # What is promised
//
// Everything that package eventlog promises, and:
//
// Durability: with [SyncAlways], the default, a record that Append has acknowledged survives the end of the process
// by any signal, of the machine, and of its power. With [SyncInterval] it is visible before it is on disk; a crash takes the
// newest, and readers that were there are told by a gap. No sequence number is used twice, in either case.
//
// Cost: a record is written once, with its index, as one atomic batch. One committer syncs for all who append at the same
// time. Opening does not read the records. Memory does not grow with their number nor with that of their topics.
//
// Failure: below [Options.Reserve] of free space, and after anything could not be written or synced, the log takes no
// records and says so with [eventlog.ErrUnavailable]; reads go on. It opens the store again by itself when the
// cause is gone. It never ends the process.
//
// Generations: a directory that is not the one it was, because it is a copy or was restored, begins a new generation.
// What cannot be noticed, a restore in place, is said with [Restored].
//
// # How a record goes
//
//	Append ─▶ queue ─▶ committer: decide, number, one batch ─▶ Pebble ─▶ finisher: synced? ─▶ head, receipts, Watch
//	            (queue.go)    (commit.go, decide.go)                     (finish.go)
//	Read   ─▶ is something gone? ─▶ by index or by scan ─▶ records
//	            (gap.go)              (read.go, gather.go)
//	trimmer ─▶ (trim.go and the files beside it)
//
// The bytes are described in keys.go and docs/format.md.
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

// Sync says when Append answers.
type Sync int

const (
	SyncAlways   Sync = iota // when the record is on disk
	SyncInterval             // at once; it is on disk within Options.Interval
)

// Options are those of [Open]. Nil and the zero value mean the defaults.
type Options struct {
	Retention *eventlog.Retention

	Sync     Sync
	Interval time.Duration // of SyncInterval; 0: 100 ms

	// Cache is the memory for what was read, in bytes. Besides it the log takes up to 64 MiB for what was
	// written and is not in its place yet. 0: 64 MiB
	Cache int64

	// Files is how many tables of the store are open at most; a few more files come on top of them. With fewer, reading
	// what is old opens them again and again. 0: 1,000
	Files int

	// Reserve is the free space on the disk, in bytes, below which Append is refused, so that what is needed to make
	// room can still be written. 0: 256 MiB; negative: none
	Reserve int64

	Logger *slog.Logger     // what goes wrong, and is mended, in the background; nil: slog.Default
	Now    func() time.Time // the time of records, called by several goroutines at a time; nil: time.Now

	fs        vfs.FS // of tests
	idleTrims bool   // of tests: nothing is trimmed but by Trim
	memTable  uint64 // of tests: bytes that Pebble keeps in memory before it writes a table

	chunkBytes int             // of tests: see chunk.full
	onChunk    func(bytes int) // of tests: called when a chunk was written
}

const (
	defaultInterval   = 100 * time.Millisecond
	defaultCache      = 64 << 20
	defaultReserve    = 256 << 20
	defaultFiles      = 1000
	defaultMemTable   = 16 << 20 // larger ones are colder memory: events are in order as they come, so that little is saved when they are merged
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
	case d.Sync != SyncAlways && d.Sync != SyncInterval:
		return d, &eventlog.InvalidError{What: "option Sync", Value: fmt.Sprint(int(d.Sync)), Reason: "it is neither SyncAlways nor SyncInterval"}
	case d.Interval < 0 || d.Cache < 0 || d.Files < 0:
		return d, &eventlog.InvalidError{What: "option", Reason: "Interval, Cache or Files is negative"}
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
	if d.Now == nil {
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

// Log is a durable log. It is an eventlog.Log, Mirror and Lookup.
type Log struct {
	dir  string
	opts Options
	fs   vfs.FS
	lock *pebble.Lock

	head  atomic.Pointer[eventlog.Position] // set by whoever has the committer's turn, see publish
	watch chan struct{}
	queue queue
	space space

	// What is open, see use.go.
	taken sync.Mutex // held by whoever has taken the store away
	mu    sync.Mutex // guards the following fields
	store *store
	why   error           // why there is none
	back  chan struct{}   // closed when the store is put back; nil if nobody has taken it
	last  eventlog.Bounds // when it was taken

	// turn is held by whoever changes the store: the committer for a batch, the trimmer for a chunk.
	turn sync.Mutex

	unsynced chan *commit  // from committer to finisher: written, and waiting for the sync
	broken   chan struct{} // wakes the reviver

	trim trimmer

	// How the log ends: closing is closed first, each goroutine of running then comes to its end.
	closeOnce sync.Once
	closing   <-chan struct{}
	stop      context.CancelFunc // closes it
	running   sync.WaitGroup
	closeErr  error
}

var (
	_ eventlog.Mirror  = (*Log)(nil)
	_ eventlog.Lookup  = (*Log)(nil)
	_ eventlog.Readier = (*Log)(nil)
)

// Open opens the log in a directory, and makes both if they are not there. One process at a time can do so.
//
// Errors: a *DirError says what is wrong with the directory and what to do; an *eventlog.InvalidError is one in the
// options; an *eventlog.CorruptError is damage in what the log needs in order to open.
func Open(dir string, o *Options) (*Log, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return open(dir, opts, false)
}

// Restored says that what is in a directory was restored or copied from somewhere, and lets the log begin a
// new generation when it is opened next: otherwise it might give numbers to new records that readers have seen on others.
// It returns the new generation.
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
	d := directory{fs: l.fs, name: dir}
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
	l.queue.wake = make(chan struct{}, 1)
	l.space.wake = make(chan struct{}, 1)
	l.trim.init()
	if l.store, err = l.openStore(!same); err != nil {
		return nil, err
	}
	l.publish(l.store.position())
	if err = errors.Join(d.settle(same), l.space.look(l)); err != nil {
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
		"reviver":   l.reviveLoop,
		"space":     l.spaceLoop,
	} {
		l.running.Go(func() { labelled("disklog "+name, loop) })
	}
	if l.opts.Sync == SyncInterval {
		l.running.Go(func() { labelled("disklog syncer", l.syncLoop) })
	}
}

// Close implements eventlog.Log.
//
// The order: first nothing new is taken, then what was taken is committed and answered, then trimming and reviving stop, and
// only then the store is closed, which waits for readers.
func (l *Log) Close() error {
	l.closeOnce.Do(func() {
		l.queue.close()
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

// Head implements eventlog.Log.
func (l *Log) Head() eventlog.Position { return *l.head.Load() }

// publish makes everything up to a position visible. Its callers take turns: nobody publishes while another does.
func (l *Log) publish(head eventlog.Position) {
	l.head.Store(&head)
	select {
	case l.watch <- struct{}{}:
	default: // one is enough
	}
}

// Watch implements eventlog.Log.
func (l *Log) Watch() <-chan struct{} { return l.watch }
