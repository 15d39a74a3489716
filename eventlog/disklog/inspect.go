package disklog

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
)

// Inspector reads a data directory that no process has open, and changes nothing in it. It is not safe for concurrent use.
type Inspector struct {
	dir    directory
	id     identity
	store  *store
	proven proofs // positions that were on disk, by other files of the directory
}

// missing returns a position that was on disk and is not in the store any more, if there is one.
func (i *Inspector) missing() (p eventlog.Position, ok bool) {
	for _, p := range []eventlog.Position{i.proven.closed, i.proven.acknowledged} {
		if p.Gen != "" && (p.Gen != i.store.gen || p.Seq > i.store.head.seq) {
			return p, true
		}
	}
	return p, false
}

var errInspecting = errors.New("the log is open for reading only")

// Inspect opens a data directory for reading. The error is a *DirError, as for [Open].
func Inspect(dir string) (_ *Inspector, err error) {
	opts, err := (*Options)(nil).withDefaults()
	if err != nil {
		return nil, err
	}
	d := directory{fs: vfs.Default, name: dir}
	if d.name, err = filepath.Abs(dir); err != nil {
		return nil, accessError(dir, err)
	}
	if err := checkRestored(d.fs, d.name); err != nil {
		return nil, err
	}
	id, err := readIdentity(d.fs, d.name)
	if err != nil {
		return nil, err
	}
	if d.lock, err = lockDir(d.fs, d.name); err != nil {
		return nil, err
	}
	if err := checkStore(d.fs, d.name, id); err != nil {
		return nil, errors.Join(err, d.lock.Close())
	}
	l := &Log{dir: d.name, fs: d.fs, lock: d.lock, opts: opts}
	l.rules.Store(opts.Retention)
	s, err := l.openDB(errInspecting)
	if err != nil {
		return nil, errors.Join(openError(d.name, err), d.lock.Close())
	}
	i := &Inspector{dir: d, id: id, store: s, proven: proofs{closed: readClosing(d.fs, d.name).head}}
	if i.proven.acknowledged, err = readAcknowledged(d.fs, d.name); err != nil {
		return nil, errors.Join(accessError(d.name, err), i.Close())
	}
	if err := s.whole(); errors.Is(err, errHalfCut) {
		return nil, errors.Join(&DirError{d.name, "open the log once, which finishes the change", err}, i.Close())
	}
	gen, err := s.get([]byte(metaGeneration))
	s.gen = string(gen)
	if err = errors.Join(err, s.loadMeta()); err != nil {
		return nil, errors.Join(openError(d.name, err), i.Close())
	}
	s.marks = newMarks(s.head.seq, s.trim.Load().trimmed)
	return i, nil
}

// Close unlocks the directory.
func (i *Inspector) Close() error {
	err := i.store.db.Close()
	return errors.Join(err, i.dir.lock.Close())
}

// Stats describes the content of a log.
type Stats struct {
	Dir    string
	Format int
	eventlog.Bounds
	Oldest, Newest time.Time // times of records; zero if there are none
	Disk           int64     // bytes of all files in the directory
	Topics         int       // topics that have records
	Dead           int       // dead topics that are remembered
	Keys           uint64    // idempotency keys that are remembered
	Holes          []Hole
	Closed         bool    // no record was lost: the log was closed, or uses SyncAlways
	Largest        []Topic // the topics with the most bytes, at most ten
}

// Hole is a range of sequence numbers in which records of any topic may have been lost.
type Hole struct {
	From, To uint64
	Reason   eventlog.Reason
}

// Topic describes a topic.
type Topic struct {
	Name   string
	Events int64
	Bytes  int64 // by eventlog.Record.Size; a record counts for each of its topics
	Last   uint64
}

const largestTopics = 10

// Stats counts the content of the log. It reads the index, not the records.
func (i *Inspector) Stats(ctx context.Context) (Stats, error) {
	s := i.store
	_, missing := i.missing()
	st := Stats{
		Dir: i.dir.name, Format: i.id.Format, Bounds: eventlog.Bounds{Head: s.position()},
		Dead: int(s.trim.Load().died - s.head.revived), Keys: s.head.keys - s.trim.Load().keys,
		Closed: s.lease <= s.head.seq && !missing,
	}
	s.bounds(&st.Bounds)
	var err error
	if st.Disk, err = directorySize(i.dir.name); err != nil {
		return st, accessError(i.dir.name, err)
	}
	for _, h := range *s.holes.Load() {
		st.Holes = append(st.Holes, Hole{h.from, h.to, h.reason})
	}
	if st.First != 0 {
		st.Newest = unixMilli(s.head.time)
		answer, err := s.read(ctx, eventlog.Query{Selector: eventlog.Everything(), Told: ^uint64(0), Limit: 1}.WithDefaults(), s.position())
		if err != nil {
			return st, err
		}
		for _, r := range answer.Records {
			st.Oldest = r.Time
		}
	}
	return st, i.countTopics(ctx, &st)
}

// directorySize returns the bytes of all files in a directory. Pebble's metrics leave out obsolete files and those that are not
// Pebble's.
func directorySize(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

// countTopics counts topics by reading the index.
func (i *Inspector) countTopics(ctx context.Context, st *Stats) error {
	it, err := i.store.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kindIndex}, UpperBound: []byte{kindIndex + 1}})
	if err != nil {
		return err
	}
	var t Topic
	n := 0
	for it.First(); it.Valid(); it.Next() {
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return errors.Join(ctx.Err(), it.Close())
		}
		name, _, ok := cutName(it.Key()[1:])
		e, err := decodeEntry(it.Value())
		if !ok || err != nil {
			continue // Check reports it
		}
		if name != t.Name {
			st.addTopic(t)
			t = Topic{Name: name}
		}
		t.Events++
		t.Bytes += int64(e.size)
		t.Last = seqOf(it.Key())
	}
	st.addTopic(t)
	return errors.Join(it.Error(), it.Close())
}

func (st *Stats) addTopic(t Topic) {
	if t.Events == 0 {
		return
	}
	st.Topics++
	at := len(st.Largest)
	for at > 0 && st.Largest[at-1].Bytes < t.Bytes {
		at--
	}
	if at == largestTopics {
		return
	}
	st.Largest = append(st.Largest[:at:at], append([]Topic{t}, st.Largest[at:]...)...)
	st.Largest = st.Largest[:min(len(st.Largest), largestTopics)]
}

// Head returns the position of the newest record.
func (i *Inspector) Head() eventlog.Position { return i.store.position() }

// Seek is the Seek of eventlog.Log.
func (i *Inspector) Seek(ctx context.Context, sel eventlog.Selector, from eventlog.Start) (eventlog.Query, error) {
	if err := from.Check(); err != nil {
		return eventlog.Query{}, err
	}
	v, err := i.store.view(i.store.head.seq)
	if err != nil {
		return eventlog.Query{}, err
	}
	q, err := v.seek(ctx, sel, from)
	return q, errors.Join(err, v.close())
}

// Dump yields every existing record that a query finds, in order. An error ends the sequence. Missing records are skipped silently.
func (i *Inspector) Dump(ctx context.Context, q eventlog.Query) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		for q = q.WithDefaults(); ; {
			answer, err := i.store.read(ctx, q, i.store.position())
			if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
				q = gap.Partial(q)
				continue
			} else if err != nil {
				yield(eventlog.Record{}, err)
				return
			}
			for _, r := range answer.Records {
				if !yield(r, nil) {
					return
				}
			}
			if q.After = answer.Complete; q.After == i.store.position() {
				return
			}
		}
	}
}
