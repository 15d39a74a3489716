package disklog

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog/internal/guard"
)

// store is an open Pebble store, with the state that the log keeps in memory. After a failure a Log opens another one.
type store struct {
	db     *guard.DB
	damage damage
	gen    string
	mirror bool
	fresh  bool                                // the store had no generation yet when it was opened
	rules  *atomic.Pointer[eventlog.Retention] // of the log, with defaults
	marks  *marks

	acknowledged acknowledged
	noted        bool // the store has metaAcknowledged

	users sync.WaitGroup // see use.go

	chunkBytes int // see chunk.full

	// Used by the trimmer only.
	examined map[time.Duration]uint64 // by age, 0 for the total limits: everything before it was examined
	ended    map[time.Duration]uint64 // by Rule.EndAge: the ends of all records before it were examined
	swept    bool                     // all topics were examined since the store was opened
	unread   unread

	// Guarded by Log.turn.
	head   headMeta
	lease  uint64
	topics topicCache

	lateWarned bool // see warnLateClock

	// Safe for concurrent use.
	trim   atomic.Pointer[trimMeta] // set before the change that it describes, so that readers report a gap too early rather than too late
	holes  atomic.Pointer[[]hole]   // in order
	losses *losses
	newest newest
	time   atomic.Uint64 // of the newest record, which may not be visible yet; Unix milliseconds
	events atomic.Int64  // number of existing records
	bytes  atomic.Int64  // their size

	deadTopics atomic.Int64 // number of dead topics that are remembered
	deadBytes  atomic.Int64 // their eventlog.DeadTopicSize
}

// hole is a range of sequence numbers in which records of any topic may have been lost.
type hole struct {
	from, to uint64
	reason   eventlog.Reason
}

// leaseSize is how many numbers SyncInterval may use ahead of the last sync. The end of the lease is synced before it is used; after a
// crash the log continues behind it, so that no number is used twice.
const leaseSize = 1 << 20

// maxHoles is how many holes are remembered. Beyond that the oldest two are merged, which may report gaps in between needlessly.
const maxHoles = 1000

// tuning returns Pebble's options for a log.
func (o *Options) tuning() pebble.Options {
	p := pebble.Options{
		CacheSize:             o.Cache,
		FormatMajorVersion:    pebble.FormatNewest,
		MemTableSize:          o.memTable,
		L0CompactionThreshold: 8, // compactions merge more tables at once, and write the index less often
		LBaseMaxBytes:         256 << 20,
		MaxOpenFiles:          o.Files,
		BytesPerSync:          1 << 20, // flushes reach the disk in small parts and do not delay the sync of the write-ahead log

		BlockPropertyCollectors: []func() pebble.BlockPropertyCollector{collectRanges},
	}
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return p
}

// openStore opens the store of the directory, which is locked. With newGeneration it begins one.
func (l *Log) openStore(newGeneration bool) (*store, error) {
	s, err := l.openDB(nil)
	if err != nil {
		return nil, l.openError(err)
	}
	if l.opts.Mirror {
		err = s.loadMirror()
	} else {
		proven := proofs{closed: readClosing(l.fs, l.dir).head}
		if proven.acknowledged, err = readAcknowledged(l.fs, l.dir); err == nil {
			err = s.load(newGeneration, proven)
		}
	}
	if err = errors.Join(err, s.db.Err()); err != nil {
		return nil, errors.Join(l.openError(err), s.close())
	}
	return s, nil
}

// openDB opens Pebble and loads nothing yet. If readOnly is not nil, the store is opened for reading, and appends fail with that
// error.
func (l *Log) openDB(readOnly error) (*store, error) {
	s := &store{
		damage: damage{log: l.opts.Logger, dir: l.dir, mirror: l.opts.Mirror},
		rules:  &l.rules,
		mirror: l.opts.Mirror,

		losses:     new(losses),
		chunkBytes: l.opts.chunkBytes,
		examined:   make(map[time.Duration]uint64),
		ended:      make(map[time.Duration]uint64),
	}
	db, err := guard.Open(l.dir, &guard.Options{
		FS:       l.fs,
		Lock:     l.lock,
		Pebble:   l.opts.tuning(),
		ReadOnly: readOnly,
		Manifest: readClosing(l.fs, l.dir).manifest,
		Progress: progress,
		Logger:   l.opts.Logger,
		OnFail:   l.failed,
		OnDamage: s.damage.report,
	})
	if err != nil {
		return nil, err
	}
	s.db = db
	s.acknowledged.fs, s.acknowledged.dir, s.acknowledged.none = db.FS(), l.dir, l.opts.Mirror
	return s, nil
}

// progress decodes which records a batch of the committer reports as acknowledged, for [guard.Options].
func progress(key, value []byte) (guard.Progress, bool) {
	switch string(key) {
	case metaGeneration:
		return guard.Progress{Restart: true}, true
	case metaHead:
		head, err := decodeHeadMeta(value)
		return guard.Progress{Position: head.seq, Acknowledged: head.synced}, err == nil
	}
	return guard.Progress{}, false
}

// openError explains why the store cannot be opened.
func (l *Log) openError(err error) error {
	err = openError(l.dir, err)
	if damaged, ok := errors.AsType[*DirError](err); ok && l.opts.Mirror && isCorrupt(err) {
		damaged.Remedy = "move the directory away: a new one takes all records from the shared log, or from another mirror"
	}
	return err
}

// openError explains why a store cannot be opened. Errors that do not come from the file system come from the content of its files.
func openError(dir string, err error) error {
	_, system := errors.AsType[syscall.Errno](err)
	system = system || errors.Is(err, fs.ErrPermission)
	if system && !errors.Is(err, fs.ErrNotExist) && !isCorrupt(err) {
		return accessError(dir, err)
	}
	return &DirError{dir, "restore the directory from a copy, then run: tidings log restored " + dir, asDamage(err)}
}

// load reads the state that the log keeps in memory, and writes what must be on disk before the first append.
func (s *store) load(newGeneration bool, proven proofs) error {
	gen, err := s.get([]byte(metaGeneration))
	if err != nil {
		return err
	}
	s.fresh = len(gen) == 0
	if s.gen = string(gen); s.fresh && !newGeneration {
		return corrupt("store", "its generation is missing")
	}
	if err := s.loadMeta(); err != nil {
		return err
	}
	if err := s.resume(); err != nil {
		return err
	}
	unsure := s.lease > s.head.seq
	newGeneration, lost := s.loseProven(proven, newGeneration)
	if noProof := proven == (proofs{}); s.noted && noProof && !newGeneration {
		newGeneration, lost = true, true
		s.damage.log.Error("the file "+acknowledgedFile+" of the log is missing or damaged, so that acknowledged records may be missing unnoticed;  "+
			"the log begins a new generation, and readers that resume get a gap; check the disk, and restore the log from a backup if the records matter",
			"dir", s.damage.dir, "head", s.position().String())
	}
	if unsure && !lost {
		s.damage.log.Warn(notClosed, "dir", s.damage.dir, "head", s.position().String(), "next", s.lease+1)
	}
	if newGeneration {
		s.gen = otherGeneration(s.gen)
		// The file comes first: it proves after a crash that the generation was to begin.
		if err := s.acknowledged.begin(s.at(max(s.head.seq, s.lease))); err != nil {
			return err
		}
	}
	s.marks = newMarks(max(s.head.seq, s.lease), s.trim.Load().trimmed)
	s.topics.init()
	if err := s.buildEnds(); err != nil {
		return err
	}
	err = s.apply(func(b *pebble.Batch) error {
		if s.lease > s.head.seq {
			// The store was not closed. Readers may have seen records up to the lease that are gone now.
			lost := hole{s.head.seq + 1, s.lease, eventlog.Rollback}
			s.head.seq = s.lease
			holes, err := s.addHole(b, lost)
			if err != nil {
				return err
			}
			s.holes.Store(&holes)
		}
		s.lease = s.head.seq // the first batch extends it if needed
		s.head.synced = 0
		if newGeneration {
			s.noted = true
			err := errors.Join(
				b.Set([]byte(metaAcknowledged), nil, nil),
				b.Delete([]byte(metaState), nil), // if it was a mirror
				b.Delete([]byte(metaRetention), nil))
			if err != nil {
				return err
			}
		}
		return errors.Join(
			b.Set([]byte(metaGeneration), []byte(s.gen), nil),
			b.Set([]byte(metaLease), appendNumbers(nil, s.lease), nil),
			b.Set([]byte(metaHead), s.head.value(), nil),
			b.Set([]byte(metaTrim), s.trim.Load().value(), nil))
	})
	if err != nil || newGeneration {
		return err
	}
	return s.beginAcknowledged()
}

// notClosed is the warning about a log with SyncInterval that a crash ended.
const notClosed = "the log was not closed, and records appended after the last sync may be missing at its end; " +
	"numbers below next are not used again, and readers that resume from one of them get a gap"

// proofs are positions up to which everything was on disk, read from other files of the directory. The zero position proves nothing.
type proofs struct {
	closed       eventlog.Position // see readClosing
	acknowledged eventlog.Position // see readAcknowledged
}

// loseProven compares the head of the store with positions that were on disk. Missing records of this generation become a hole whose
// numbers are not used again. A position of another generation proves that the store lost the beginning of that one.
// It returns whether the log has to begin a generation, for this or another reason.
func (s *store) loseProven(proven proofs, newGeneration bool) (_, lost bool) {
	head := s.position()
	var missing eventlog.Position
	for _, p := range []eventlog.Position{proven.closed, proven.acknowledged} {
		switch {
		case p.Gen == "":
		case p.Gen != s.gen && newGeneration: // readers of both get a gap
		case p.Gen != s.gen:
			newGeneration, missing = true, p
		case p.Seq > head.Seq:
			s.lease, missing = max(s.lease, p.Seq), p
		}
	}
	if missing.Gen == "" {
		return newGeneration, false
	}
	if missing == proven.acknowledged && missing.Gen == s.gen && s.lease <= math.MaxUint64-leaseSize {
		s.lease += leaseSize // with SyncInterval the log has used more numbers, and may also have lost the lease that covers them
	}
	if !s.fresh {
		s.damage.log.Error("the disk has lost or damaged acknowledged records at the end of the log; "+
			"their numbers are not used again, and readers that resume there get a gap; check the disk, and restore the log from a backup if the records matter",
			"dir", s.damage.dir, "acknowledged", missing.String(), "head", head.String())
	}
	return newGeneration, true
}

// otherGeneration returns a random generation other than gen.
func otherGeneration(gen string) string {
	for {
		if other := eventlog.NewGeneration(); other != gen {
			return other
		}
	}
}

func (s *store) loadMeta() error {
	head, err1 := s.get([]byte(metaHead))
	trim, err2 := s.get([]byte(metaTrim))
	lease, err3 := s.get([]byte(metaLease))
	noted, err4 := s.get([]byte(metaAcknowledged))
	s.noted = noted != nil
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	var err error
	if s.head, err = decodeHeadMeta(head); err != nil {
		return err
	}
	t, err := decodeTrimMeta(trim)
	if err != nil {
		return err
	}
	if _, ok := cutNumbers(lease, &s.lease); !ok {
		return corrupt("lease", "a number is cut off")
	}
	if err := s.countDead(&t); err != nil {
		return err
	}
	s.trim.Store(&t)
	s.setCounts()
	holes, err := s.loadHoles()
	s.holes.Store(&holes)
	return err
}

// ret returns the retention rules.
func (s *store) ret() *eventlog.Retention { return s.rules.Load() }

// setCounts sets the counters in memory to those of the store.
func (s *store) setCounts() {
	t := s.trim.Load()
	s.time.Store(s.head.time)
	s.events.Store(int64(s.head.events - t.events))
	s.bytes.Store(int64(s.head.bytes - t.bytes))
	s.deadTopics.Store(int64(t.died - s.head.revived))
	s.deadBytes.Store(int64(t.diedBytes - s.head.revivedBytes))
}

// countDead counts the size of dead topics if the store was written by a version that did not.
func (s *store) countDead(t *trimMeta) error {
	if s.head.revivedBytes != 0 && t.diedBytes != 0 {
		return nil
	}
	s.head.revivedBytes, t.diedBytes = 1, 1
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kindDead}, UpperBound: []byte{kindDead + 1}})
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		t.diedBytes += uint64(eventlog.DeadTopicSize(string(it.Key()[9:])))
	}
	if err = errors.Join(it.Error(), it.Close()); isCorrupt(err) {
		return nil // the list is damaged; unreadable topics are not counted
	}
	return err
}

func (s *store) loadHoles() (holes []hole, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kindHole}, UpperBound: []byte{kindHole + 1}})
	if err != nil {
		return nil, err
	}
	for it.First(); it.Valid(); it.Next() {
		h := hole{to: seqOf(it.Key())}
		reason, ok := cutNumbers(it.Value(), &h.from)
		if !ok {
			return nil, errors.Join(corrupt("hole", "a number is cut off"), it.Close())
		}
		h.reason = eventlog.Reason(reason)
		holes = append(holes, h)
	}
	return holes, errors.Join(it.Error(), it.Close())
}

// addHole stores a hole that comes after all others, and returns all holes. The caller holds the turn.
func (s *store) addHole(b *pebble.Batch, h hole) (holes []hole, err error) {
	holes = append(slices.Clone(*s.holes.Load()), h)
	err = setHole(b, h)
	if len(holes) > maxHoles {
		holes[1].from = holes[0].from
		err = errors.Join(err, b.Delete(appendSeq([]byte{kindHole}, holes[0].to), nil), setHole(b, holes[1]))
		holes = holes[1:]
	}
	return holes, err
}

func setHole(b *pebble.Batch, h hole) error {
	return b.Set(appendSeq([]byte{kindHole}, h.to), append(appendNumbers(nil, h.from), h.reason...), nil)
}

// get returns a copy of a value, nil if there is none.
//
// Pebble's Get uses the filters of tables. It meets only damage in the key's own block or in a filter. But a damaged filter is
// large and slow to read (see package guard). So once damage was found, get tries without filters first.
func (s *store) get(key []byte) ([]byte, error) {
	if s.damage.found.Load() {
		if value, err := s.seek(key); !isCorrupt(err) {
			return value, err
		}
	}
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	copied := append([]byte{}, value...)
	return copied, closer.Close()
}

// seek is get without filters.
func (s *store) seek(key []byte) (value []byte, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: key, UpperBound: append(slices.Clone(key), 0)})
	if err != nil {
		return nil, err
	}
	if it.First() {
		value = append([]byte{}, it.Value()...)
	}
	return value, errors.Join(it.Error(), it.Close())
}

// close closes the store. It returns an error if writes have failed: the last records may be lost then.
func (s *store) close() error {
	var err error
	if !s.db.Failed() && s.lease > s.head.seq {
		// Release the rest of the lease: nothing was lost.
		b := s.db.NewBatch()
		err = errors.Join(b.Set([]byte(metaLease), appendNumbers(nil, s.head.seq), nil), s.db.Apply(b, pebble.Sync), b.Close())
	}
	err = errors.Join(err, s.db.Close(), s.acknowledged.close())
	if failed := s.db.Err(); failed != nil {
		return fmt.Errorf("eventlog: the last records may be lost: %w", failed)
	}
	return err
}

func (s *store) position() eventlog.Position { return eventlog.Position{Gen: s.gen, Seq: s.head.seq} }

func (s *store) bounds(b *eventlog.Bounds) {
	t := s.trim.Load()
	b.Events, b.Bytes = s.count()
	b.DeadTopics, b.DeadBytes = s.deadTopics.Load(), s.deadBytes.Load()
	b.Floor, b.Trimmed = t.floor, max(t.trimmed, t.floor)
	if holes := *s.holes.Load(); len(holes) > 0 {
		b.Trimmed = max(b.Trimmed, holes[len(holes)-1].to)
	}
	if first, err := s.firstEvent(t.first); err == nil && first <= b.Head.Seq {
		b.First = first
	}
}

// firstEvent returns the number of the first record from a number on, 0 if there is none. If records are unreadable it may return the
// first number.
func (s *store) firstEvent(from uint64) (uint64, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: eventKey(nil, from), UpperBound: []byte{kindEvent + 1}})
	if err != nil {
		return 0, err
	}
	var seq uint64
	if it.First() {
		seq = seqOf(it.Key())
	}
	if err = errors.Join(it.Error(), it.Close()); isCorrupt(err) {
		return max(from, 1), nil
	}
	return seq, err
}
