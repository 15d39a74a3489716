package disklog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// Problem is a contradiction in a data directory, or between it and docs/format.md.
type Problem struct {
	What string // the object, such as "record 17"
	Why  string // the fault, and its consequence
}

func (p Problem) String() string { return p.What + ": " + p.Why }

// Checked counts what Check has read.
type Checked struct {
	Records, Entries, Topics, Keys, IDs int64
	Problems                            int64
}

// Check reads everything in the directory and reports contradictions. Damage is a problem to report, not an error: errors are
// those of the context and the file system.
//
// Memory use is constant. Records and index are compared by checksums over both; only if these differ, each entry is looked up.
func (i *Inspector) Check(ctx context.Context, report func(Problem)) (Checked, error) {
	v, err := i.store.view(i.store.head.seq)
	if err != nil {
		return Checked{}, err
	}
	c := &checker{view: v, ctx: ctx, report: report, seed: maphash.MakeSeed()}
	if p, missing := i.missing(); missing {
		c.problem("the end of the log", "everything up to %v was on disk, and the records end at %v; readers will get a gap, "+
			"or restore the directory from a copy", p, i.store.position())
	}
	if i.store.noted && i.proven.acknowledged == (eventlog.Position{}) {
		why := "the log was closed, and opening it writes the file again"
		if i.proven.closed == (eventlog.Position{}) {
			why = "it is unknown whether acknowledged records are missing; opening the log begins a new generation, and readers that resume get a gap"
		}
		c.problem("the file "+acknowledgedFile, "it is missing or damaged; %s", why)
	}
	for _, step := range []func() error{c.blocks, c.records, c.index, c.compare, c.statusKeys, c.elsewhere, c.states, c.deadList, c.keys, c.ends, c.ids, c.sums} {
		if err = step(); err != nil {
			break
		}
	}
	if err = typed(err); isCorrupt(err) { // an unreadable block; what depends on it was not checked
		c.problem("the store", "%v; what comes after it was not checked", err)
		err = nil
	}
	return c.checked, errors.Join(err, v.close())
}

type checker struct {
	*view
	ctx     context.Context
	report  func(Problem)
	checked Checked
	seed    maphash.Seed

	bySum, byIndex uint64 // checksums of the index: as the records say, and as it is
	idSum, byIDs   uint64
	size           int64
}

func (c *checker) problem(what, format string, args ...any) {
	c.checked.Problems++
	c.report(Problem{what, fmt.Sprintf(format, args...)})
}

// each calls f with every key of a kind.
func (c *checker) each(kind byte, f func(key, value []byte) error) error {
	it, err := c.s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}})
	if err != nil {
		return err
	}
	n := 0
	for it.First(); it.Valid(); it.Next() {
		if n++; n%4096 == 0 && c.ctx.Err() != nil {
			return errors.Join(c.ctx.Err(), it.Close())
		}
		if err := f(it.Key(), it.Value()); err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return errors.Join(it.Error(), it.Close())
}

// blocks lets Pebble verify its block checksums and levels.
func (c *checker) blocks() error {
	if err := c.s.db.CheckLevels(nil); err != nil {
		c.problem("the store", "%v; restore the directory from a copy", err)
	}
	return nil
}

// entrySum returns the checksum of one index entry. The checksum of all is their sum, so that order does not matter.
func (c *checker) entrySum(topic string, seq uint64, flags byte, size uint64) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	_, _ = h.WriteString(topic) // never fails
	_, _ = fmt.Fprintf(&h, "\x00%d %d %d", seq, flags, size)
	return h.Sum64()
}

func flagsOf(r *eventlog.Record) (flags byte) {
	if r.Flags&eventlog.End != 0 {
		flags |= entryEnd
	}
	if len(r.Topics) == 1 && r.ID == "" {
		flags |= entryPlain
	}
	return flags
}

// records decodes every record.
func (c *checker) records() error {
	last := uint64(0)
	return c.each(kindEvent, func(key, value []byte) error {
		if len(key) != 9 {
			c.problem(fmt.Sprintf("key %x", key), "it is not the key of a record")
			return nil
		}
		seq := seqOf(key)
		what := fmt.Sprintf("record %d", seq)
		r, err := decodeRecord(seq, value)
		if err != nil {
			c.problem(what, "%v; it cannot be read", err)
			return nil
		}
		if again := r.AppendTo(nil); !bytes.Equal(again, value[8:]) {
			c.problem(what, "its encoding is not canonical")
		}
		if ms := seqOf(value[:8]); ms < last {
			c.problem(what, "its time is before that of the record before it; reads since a time may begin at the wrong record")
		} else {
			last = ms
		}
		if seq > c.head {
			c.problem(what, "it comes after the head, %d", c.head)
		}
		c.checked.Records++
		c.size += int64(r.Size())
		if r.ID != "" {
			c.idSum += c.entrySum(r.ID, seq, 0, 0)
		}
		return c.expect(&r)
	})
}

// expect adds to the checksum the index entries that a record should have.
func (c *checker) expect(r *eventlog.Record) error {
	statuses, err := c.statuses(r.Seq)
	if err != nil {
		return err
	}
	for i, topic := range r.Topics {
		if i >= len(statuses) || statuses[i] == live {
			c.bySum += c.entrySum(topic, r.Seq, flagsOf(r), uint64(r.Size()))
		}
	}
	return nil
}

// index reads every index entry.
func (c *checker) index() error {
	topic, ord := "", uint64(0)
	return c.each(kindIndex, func(key, value []byte) error {
		name, rest, ok := cutName(key[1:])
		e, err := decodeEntry(value)
		if !ok || len(rest) != 8 || err != nil {
			c.problem(fmt.Sprintf("index key %x", key), "it is damaged: %v", err)
			return nil
		}
		what := fmt.Sprintf("topic %q, record %d", name, seqOf(key))
		if name != topic || c.checked.Topics == 0 {
			topic, ord = name, 0
			c.checked.Topics++
		}
		if ord != 0 && e.ord != ord+1 {
			c.problem(what, "it is number %d of its topic, after %d; retention may keep the wrong ones", e.ord, ord)
		}
		ord = e.ord
		c.checked.Entries++
		c.byIndex += c.entrySum(name, seqOf(key), e.flags, e.size)
		return nil
	})
}

// compare looks up every index entry and every record, if their checksums differ.
func (c *checker) compare() error {
	if c.bySum == c.byIndex {
		return nil
	}
	before := c.checked.Problems
	err := c.each(kindIndex, func(key, value []byte) error {
		name, _, ok := cutName(key[1:])
		e, err := decodeEntry(value)
		if !ok || err != nil {
			return nil //nolint:nilerr // index has reported it
		}
		return c.compareEntry(name, seqOf(key), e)
	})
	if err != nil {
		return err
	}
	err = c.each(kindEvent, func(key, value []byte) error {
		r, err := decodeRecord(seqOf(key), value)
		if err != nil {
			return nil //nolint:nilerr // records has reported it
		}
		return c.compareRecord(&r)
	})
	if err == nil && c.checked.Problems == before {
		c.problem("the index", "it does not agree with the records")
	}
	return err
}

func (c *checker) compareEntry(topic string, seq uint64, e entry) error {
	what := fmt.Sprintf("topic %q, record %d", topic, seq)
	r, err := c.event(seq)
	if isCorrupt(err) {
		c.problem(what, "the index names a record that does not exist or cannot be read")
		return nil
	} else if err != nil {
		return err
	}
	only := eventlog.Topics(topic)
	switch found, err := c.selects(&only, &r); {
	case err != nil:
		return err
	case !found:
		c.problem(what, "the index names a record of another topic")
	case e.flags != flagsOf(&r) || e.size != uint64(r.Size()):
		c.problem(what, "the index has flags %d and size %d, the record %d and %d", e.flags, e.size, flagsOf(&r), r.Size())
	}
	return nil
}

func (c *checker) compareRecord(r *eventlog.Record) error {
	statuses, err := c.statuses(r.Seq)
	if err != nil {
		return err
	}
	for i, topic := range r.Topics {
		if i < len(statuses) && statuses[i] != live {
			continue
		}
		if _, found, err := c.find(namedKey(nil, kindIndex, topic, r.Seq)); err != nil {
			return err
		} else if !found {
			c.problem(fmt.Sprintf("record %d", r.Seq), "it is not in the index of topic %q; readers of that topic miss it", topic)
		}
	}
	return nil
}

// statusKeys compares the statuses of records with the records.
func (c *checker) statusKeys() error {
	return c.each(kindStatus, func(key, value []byte) error {
		what := fmt.Sprintf("statuses of record %d", seqOf(key))
		r, err := c.event(seqOf(key))
		switch {
		case isCorrupt(err):
			c.problem(what, "there is no such record, or it cannot be read")
			return nil
		case err != nil:
			return err
		case len(value) != len(r.Topics):
			c.problem(what, "there are %d statuses for %d topics", len(value), len(r.Topics))
			return nil
		case bytes.IndexByte(value, live) < 0 || len(bytes.Trim(value, string(live))) == 0:
			c.problem(what, "%q: some topics should have it and others not", value)
		case seqOf(key) > c.trim.partial:
			c.problem(what, "no record after %d should have statuses", c.trim.partial)
		}
		for i, topic := range r.Topics {
			if value[i] != trimmed {
				continue
			}
			if _, found, err := c.find(namedKey(nil, kindElsewhere, topic, r.Seq)); err != nil {
				return err
			} else if !found {
				c.problem(what, "topic %q has trimmed it without noting it; its readers may miss it without a gap", topic)
			}
		}
		return nil
	})
}

func (c *checker) elsewhere() error {
	return c.each(kindElsewhere, func(key, _ []byte) error {
		topic, rest, ok := cutName(key[1:])
		if !ok || len(rest) != 8 {
			c.problem(fmt.Sprintf("key %x of a record kept by other topics", key), "it is damaged")
			return nil
		}
		statuses, err := c.statuses(seqOf(key))
		if err == nil && bytes.IndexByte(statuses, trimmed) < 0 {
			c.problem(fmt.Sprintf("record %d, trimmed from topic %q and kept by others", seqOf(key), topic), "the record does not say that it was trimmed")
		}
		return err
	})
}

func (c *checker) states() error {
	return c.each(kindTopic, func(key, value []byte) error {
		topic, _, ok := cutName(key[1:])
		s, err := decodeTopicState(value)
		if !ok || err != nil || s.gone > s.trimmed || s.trimmed > s.last || s.last > c.head {
			c.problem(fmt.Sprintf("state of topic %q", topic), "%+v contradicts the head at %d: %v", s, c.head, err)
		}
		return nil
	})
}

func (c *checker) deadList() error {
	n, size := uint64(0), int64(0)
	err := c.each(kindDead, func(key, _ []byte) error {
		n++
		topic := string(key[9:])
		size += eventlog.DeadTopicSize(topic)
		value, found, err := c.find(topicKey(nil, topic))
		if err != nil {
			return err
		}
		what := fmt.Sprintf("dead topic %q", topic)
		if s, err := decodeTopicState(value); !found || err != nil || s.last != seqOf(key[:9]) {
			c.problem(what, "its last record was %d, its state says %d", seqOf(key[:9]), s.last)
		}
		prefix := appendName(nil, kindIndex, topic)
		if c.it.SeekGE(prefix) && bytes.HasPrefix(c.it.Key(), prefix) {
			c.problem(what, "it has records")
		}
		return c.it.Error()
	})
	if dead := c.trim.died - c.s.head.revived; err == nil && dead != n {
		c.problem("dead topics", "there are %d, and %d were counted", n, dead)
	}
	if counted := c.s.deadBytes.Load(); err == nil && counted != size {
		c.problem("dead topics", "they count for %d bytes, and %d were counted", size, counted)
	}
	return err
}

func (c *checker) keys() error {
	lines := int64(0)
	err := c.each(kindKeyLine, func(key, value []byte) error {
		lines++
		var time uint64
		line, ok := cutNumbers(value, &time)
		if !ok || len(line) != len(hash{}) {
			c.problem(fmt.Sprintf("key %d", seqOf(key)), "it is damaged")
			return nil
		}
		_, found, err := c.find(keyUseKey(nil, hash(line), seqOf(key)))
		if err == nil && !found {
			c.problem(fmt.Sprintf("key %d", seqOf(key)), "its use is missing; a repetition would be stored again")
		}
		return err
	})
	if err != nil {
		return err
	}
	err = c.each(kindKey, func(key, value []byte) error {
		c.checked.Keys++
		if use, err := decodeKeyUse(key, value); err != nil || use.seq > c.head {
			c.problem(fmt.Sprintf("key use %x", key), "its value is invalid: %+v, %v", use, err)
		}
		return nil
	})
	if err == nil && lines != c.checked.Keys {
		c.problem("keys", "%d are in order of use, %d by hash; some would never be forgotten", lines, c.checked.Keys)
	}
	return err
}

func (c *checker) ids() error {
	err := c.each(kindID, func(key, _ []byte) error {
		id, rest, ok := cutName(key[1:])
		if !ok || len(rest) != 8 {
			c.problem(fmt.Sprintf("ID key %x", key), "it is damaged")
			return nil
		}
		c.checked.IDs++
		c.byIDs += c.entrySum(id, seqOf(key), 0, 0)
		return nil
	})
	if err == nil && c.byIDs != c.idSum {
		c.problem("publisher's IDs", "they do not agree with the records; lookups by ID may fail")
	}
	return err
}

// sums compares the counters with the records that were read.
func (c *checker) sums() error {
	if events := c.s.events.Load(); events != c.checked.Records {
		c.problem("the count of records", "it is %d, there are %d", events, c.checked.Records)
	}
	if size := c.s.bytes.Load(); size != c.size {
		c.problem("the size of all records", "it is %d, they have %d; retention by bytes keeps too much or too little", size, c.size)
	}
	return nil
}
