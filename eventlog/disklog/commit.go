package disklog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// commit is one batch: the requests that it answers and what it writes.
type commit struct {
	store    *store
	batch    *pebble.Batch
	indexes  *pebble.Batch // entries of topics, which go into batch after all records: see join; nil: none
	requests []*request
	now      uint64 // Unix milliseconds, at least the time of the newest record
	head     eventlog.Position
	written  bool  // the batch was handed to Pebble, which empties large ones
	synced   bool  // Pebble was asked to sync it
	size     int   // of the batch in bytes
	applied  bool  // it stores a state, perhaps without records
	failed   error // applies to all requests
	stored   []eventlog.Record

	// Used while the batch is built:
	it        *pebble.Iterator
	used      map[hash]keyUse
	decisions []decision
	key       []byte
	value     []byte
	excess    []string // topics over their limit; the trimmer gets them once the batch is visible
}

const (
	commitBytes   = 4 << 20 // a batch of this size takes no more requests
	commitRecords = 8192

	// pipeline is the number of batches that may wait for their sync while the next one is built. With none, nothing is written
	// during a sync; with many, each sync covers less.
	pipeline = 2
)

// labelled runs f with a label for profiles.
func labelled(name string, f func()) {
	pprof.Do(context.Background(), pprof.Labels("goroutine", name), func(context.Context) { f() })
}

// detach copies the slices of the caller, who may modify them after it stopped waiting.
func detach(records []eventlog.Record) []eventlog.Record {
	n := 0
	for i := range records {
		n += len(records[i].Topics)
	}
	all := make([]string, 0, n)
	records = slices.Clone(records)
	for i := range records {
		start := len(all)
		all = append(all, records[i].Topics...)
		records[i].Topics = all[start:len(all):len(all)]
	}
	return records
}

// commitLoop is the single committer. While one batch is being synced, the next one gathers in the queue.
func (l *Log) commitLoop() {
	defer close(l.unsynced)
	var waiting []*request
	for more := true; more; {
		<-l.queue.wake
		runtime.Gosched() // so that publishers whose requests have arrived are in the same batch
		waiting, more = l.queue.take(waiting)
		for rest := waiting; len(rest) > 0; {
			n := enough(rest)
			if rest[0].exclusive != nil {
				l.commitExclusive(rest[0])
			} else {
				l.commitBatch(slices.Clone(rest[:n]))
			}
			rest = rest[n:]
		}
		clear(waiting)
	}
}

// enough returns how many requests fit into one batch, at least one.
func enough(requests []*request) int {
	bytes, records := 0, 0
	for i, r := range requests {
		n, size := r.size()
		records, bytes = records+n, bytes+size
		if i > 0 && (r.exclusive != nil || bytes > commitBytes || records > commitRecords) || r.exclusive != nil {
			return max(i, 1)
		}
	}
	return len(requests)
}

// commitBatch writes a batch and hands it to the finisher.
func (l *Log) commitBatch(requests []*request) {
	c := &commit{requests: requests}
	l.awaitCompactions()
	c.failed = l.commit(c)
	l.unsynced <- c
}

// compactionPoll is how often awaitCompactions checks.
const compactionPoll = 20 * time.Millisecond

// awaitCompactions waits until compactions have caught up. It does not wait when they cannot, because blocks are damaged.
func (l *Log) awaitCompactions() {
	for {
		s, err := l.hold(context.Background())
		if err != nil {
			return
		}
		behind := s.db.Behind() && !s.damage.found.Load()
		s.release()
		if !behind {
			return
		}
		select {
		case <-time.After(compactionPoll):
		case <-l.closing:
			return
		}
	}
}

func (l *Log) commit(c *commit) error {
	s, err := l.writable()
	if err != nil {
		return err
	}
	defer s.release()
	l.turn.Lock()
	defer l.turn.Unlock()
	c.store = s
	err = c.write(l)
	if s.overfull() {
		l.trim.hurry()
	}
	l.space.spend(c.size, l.opts.Reserve)
	return err
}

// commitExclusive runs a function with no batch before it in progress.
func (l *Log) commitExclusive(r *request) {
	barrier := &request{done: make(chan struct{})}
	l.unsynced <- &commit{requests: []*request{barrier}}
	<-barrier.done // everything before is published
	r.err = r.exclusive()
	close(r.done)
}

// write builds the batch and hands it to Pebble. The caller holds the turn.
func (c *commit) write(l *Log) error {
	s := c.store
	s.topics.age()
	c.batch = s.db.NewBatch()
	c.now = uint64(max(l.now().UnixMilli(), 0))
	if s.head.time > c.now && !s.mirror { // the time of a mirror's records is given
		s.warnLateClock(l, c.now)
		c.now = s.head.time
	}
	before := s.head.seq
	err := c.fill()
	if c.it != nil {
		if closeErr := c.it.Close(); err == nil && !isCorrupt(closeErr) { // the request that met damage has its own error
			err = closeErr
		}
	}
	c.head = s.position()
	err = errors.Join(err, c.join())
	if err != nil || s.head.seq == before && !c.applied {
		return err
	}
	sync := l.opts.Sync == SyncAlways
	if !sync && s.head.seq+leaseSize/2 > s.lease && !l.opts.Mirror {
		// The next lease must be on disk before this one is used up. A mirror needs none: it receives lost records again, at the
		// same numbers.
		s.lease = s.head.seq + leaseSize
		sync = true
		if err := c.batch.Set([]byte(metaLease), appendNumbers(nil, s.lease), nil); err != nil {
			return err
		}
	}
	s.time.Store(s.head.time)
	s.head.synced = s.acknowledged.seq.Load() // see progress
	if err := c.batch.Set([]byte(metaHead), s.head.value(), nil); err != nil {
		return err
	}
	c.written, c.synced, c.size = true, sync, c.batch.Len()
	if sync {
		return s.db.ApplyNoSyncWait(c.batch, pebble.Sync)
	}
	return s.db.Apply(c.batch, pebble.NoSync)
}

// lateLimit is how far the clock may be behind the newest record before the log warns.
const lateLimit = time.Minute

// warnLateClock warns once that the clock is behind the newest record.
func (s *store) warnLateClock(l *Log, now uint64) {
	if s.head.time-now > uint64(lateLimit.Milliseconds()) && !s.lateWarned {
		s.lateWarned = true
		l.opts.Logger.Warn("the clock is behind the newest record of the log, and new records get that record's time; "+
			"records expire late; check the clock",
			"dir", l.dir, "newest", unixMilli(s.head.time), "now", unixMilli(now))
	}
}

// fill decides on all requests and adds what they store to the batch.
func (c *commit) fill() error {
	n := 0
	for _, r := range c.requests {
		records, _ := r.size()
		n += records
	}
	c.stored = make([]eventlog.Record, 0, n)
	for _, r := range c.requests {
		r.receipts, r.err = nil, nil
		if r.given != nil {
			if err := c.apply(r); err != nil {
				return err
			}
			continue
		}
		refused, err := c.add(r)
		if err != nil {
			return err
		}
		r.err = refused
	}
	return nil
}

// add decides on the records of a request and stores all of them or none. An error other than a refusal leaves the batch unusable.
func (c *commit) add(r *request) (refused, err error) {
	decisions, err := c.decide(r)
	if err == nil {
		err = firstRefusal(decisions)
	}
	if err != nil {
		return unreadable(err), nil
	}
	r.receipts = make([]eventlog.Receipt, len(r.records))
	for i := range decisions {
		if err := c.settle(r, i, &decisions[i]); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// settle carries out the decision about record i, which is not refused, and fills its receipt.
func (c *commit) settle(r *request, i int, d *decision) error {
	h, receipt := &c.store.head, &r.receipts[i]
	if d.first.seq != 0 {
		receipt.Duplicate = true
		receipt.Position, receipt.Time = c.store.at(d.first.seq), unixMilli(d.first.time)
		return nil
	}
	h.seq++
	if c.store.mirror && c.now > h.time {
		if err := c.noteTime(h.seq); err != nil {
			return err
		}
	}
	h.time = c.now
	receipt.Position, receipt.Time = c.store.position(), unixMilli(c.now)
	if err := c.put(r, i); err != nil {
		return fmt.Errorf("writing a record: %w", err)
	}
	return nil
}

func (s *store) at(seq uint64) eventlog.Position { return eventlog.Position{Gen: s.gen, Seq: seq} }

func unixMilli(ms uint64) time.Time { return time.UnixMilli(int64(ms)).UTC() }

// put adds a record and its index entries to the batch. Its number and time are those of the head.
func (c *commit) put(r *request, i int) error {
	h, rec := &c.store.head, &r.records[i]
	size := uint64(rec.Size())
	h.events++
	h.bytes += size
	c.store.events.Add(1)
	c.store.bytes.Add(int64(size))
	const keySize, timeSize = 9, 8
	event := c.batch.SetDeferred(keySize, timeSize+r.length(i))
	eventKey(event.Key[:0], h.seq)
	binary.BigEndian.PutUint64(event.Value, h.time)
	r.copyTo(event.Value[timeSize:], i)
	if err := event.Finish(); err != nil {
		return err
	}
	c.stored = append(c.stored, *rec)
	stored := &c.stored[len(c.stored)-1]
	stored.Seq, stored.Time = h.seq, unixMilli(h.time)
	e := entry{size: size}
	if rec.Flags&eventlog.End != 0 {
		e.flags |= entryEnd
	}
	if len(rec.Topics) == 1 && rec.ID == "" {
		e.flags |= entryPlain
	}
	for _, topic := range rec.Topics {
		if err := c.index(topic, e); err != nil {
			return err
		}
	}
	if rec.ID != "" {
		c.key = namedKey(c.key[:0], kindID, rec.ID, h.seq)
		if err := c.batch.Set(c.key, nil, nil); err != nil {
			return err
		}
	}
	if rec.Key != "" {
		return c.useKey(r.keys[i])
	}
	return nil
}

// index adds the newest record to a topic's index.
func (c *commit) index(topic string, e entry) error {
	s := c.store
	t, err := c.topic(topic)
	if err != nil {
		return err
	}
	if err := c.begin(topic, t); err != nil {
		return err
	}
	t.ord++
	t.last = s.head.seq
	if err := c.noteEnd(topic, t, e.flags&entryEnd != 0); err != nil {
		return err
	}
	if t.excess() {
		c.excess = append(c.excess, topic)
	}
	raise(&s.marks.of(topic).last, s.head.seq)
	e.ord = t.ord
	c.key = namedKey(c.key[:0], kindIndex, topic, s.head.seq)
	c.value = e.appendTo(c.value[:0])
	if c.indexes == nil {
		c.indexes = s.db.NewBatch()
	}
	return c.indexes.Set(c.key, c.value, nil)
}

// join puts the index entries into the batch. Pebble inserts a key that follows the one before without a search, so that records and entries
// must not alternate.
func (c *commit) join() error {
	if c.indexes == nil {
		return nil
	}
	return errors.Join(c.batch.Apply(c.indexes, nil), c.indexes.Close())
}

// begin writes the state of a topic that had no records.
func (c *commit) begin(topic string, t *topicInfo) error {
	s := c.store
	if t.dead != 0 {
		c.key = deadKey(c.key[:0], t.dead, topic)
		t.dead = 0
		s.head.revived++
		s.head.revivedBytes += uint64(eventlog.DeadTopicSize(topic))
		s.deadTopics.Add(-1)
		s.deadBytes.Add(-eventlog.DeadTopicSize(topic))
		return c.batch.Delete(c.key, nil)
	}
	floor := s.trim.Load().floor
	if t.known || floor == 0 {
		t.known = true
		return nil
	}
	// The topic may have been forgotten: then it may have lost anything up to the floor.
	t.known = true
	c.key = topicKey(c.key[:0], topic)
	raise(&s.marks.of(topic).trimmed, floor)
	return c.batch.Set(c.key, topicState{last: floor, trimmed: floor, gone: floor}.value(), nil)
}

// useKey stores that the newest record used a key.
func (c *commit) useKey(k preparedKey) error {
	h := &c.store.head
	h.keys++
	use := keyUse{n: h.keys, seq: h.seq, time: h.time, content: k.content}
	if c.used == nil {
		c.used = make(map[hash]keyUse)
	}
	c.used[k.key] = use
	c.key = keyUseKey(c.key[:0], k.key, use.n)
	if err := c.batch.Set(c.key, use.value(), nil); err != nil {
		return err
	}
	line := append(appendNumbers(nil, use.time), k.key[:]...)
	c.key = keyLineKey(c.key[:0], use.n)
	return c.batch.Set(c.key, line, nil)
}
