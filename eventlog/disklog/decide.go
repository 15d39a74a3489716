package disklog

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// decision is the outcome for one record.
type decision struct {
	first   keyUse // of a duplicate: the use of its key
	refused error
}

// decide decides on each record of a request, in log order: after everything stored before, and after the request's own earlier
// records. It changes nothing.
//
// Keys are checked before ends: a repeated publish gets its first answer again, even if the topic has ended since.
func (c *commit) decide(r *request) ([]decision, error) {
	c.decisions = append(c.decisions[:0], make([]decision, len(r.records))...)
	d := decider{commit: c, seq: c.store.head.seq, keys: c.store.head.keys}
	for i := range r.records {
		if err := d.record(r, i, &c.decisions[i]); err != nil {
			return nil, err
		}
	}
	return c.decisions, nil
}

// decider has the keys and the ends of the earlier records of a request. Few requests have many records with keys and ends.
type decider struct {
	*commit
	seq, keys uint64 // after the records that were decided on
	ended     map[string]uint64
	used      map[hash]keyUse
}

func (d *decider) record(r *request, i int, out *decision) error {
	rec := &r.records[i]
	if rec.Key != "" {
		use, known, err := d.use(r.keys[i].key)
		switch {
		case err != nil:
			return err
		case known && use.content == r.keys[i].content:
			out.first = use
			return nil
		case known:
			out.refused = &eventlog.KeyError{Topic: rec.Topics[0], Key: rec.Key, First: d.store.at(use.seq)}
			return nil
		}
	}
	for _, topic := range rec.Topics {
		end, err := d.end(topic)
		if err != nil {
			return err
		}
		if end != 0 {
			out.refused = &eventlog.EndedError{Topic: topic, End: d.store.at(end)}
			return nil
		}
	}
	d.note(r, i)
	return nil
}

// note remembers what record i means for later records of the request.
func (d *decider) note(r *request, i int) {
	rec := &r.records[i]
	d.seq++
	if rec.Flags&eventlog.End != 0 {
		if d.ended == nil {
			d.ended = make(map[string]uint64, len(rec.Topics))
		}
		for _, topic := range rec.Topics {
			d.ended[topic] = d.seq
		}
	}
	if rec.Key != "" {
		if d.used == nil {
			d.used = make(map[hash]keyUse)
		}
		d.keys++
		d.used[r.keys[i].key] = keyUse{n: d.keys, seq: d.seq, time: d.now, content: r.keys[i].content}
	}
}

// end returns the number of the record that ended a topic, or 0.
func (d *decider) end(topic string) (uint64, error) {
	if end, ok := d.ended[topic]; ok {
		return end, nil
	}
	t, err := d.topic(topic)
	if err != nil {
		return 0, err
	}
	return t.ended(d.now), nil
}

// use returns the use of a key, if it is still known.
func (d *decider) use(key hash) (keyUse, bool, error) {
	use, ok := d.used[key]
	if !ok {
		use, ok = d.commit.used[key] // used in this batch, which is not in the store yet
	}
	if !ok {
		var err error
		if use, ok, err = d.storedUse(key); err != nil || !ok {
			return use, false, err
		}
	}
	ret := d.store.ret()
	return use, d.keys-use.n < uint64(ret.Keys) && d.now-min(use.time, d.now) <= uint64(ret.KeyAge.Milliseconds()), nil
}

func (d *decider) storedUse(key hash) (keyUse, bool, error) {
	it, err := d.iter()
	if err != nil {
		return keyUse{}, false, err
	}
	d.key = keyUseKey(d.key[:0], key, ^uint64(0))
	if !it.SeekLT(d.key) || len(it.Key()) != len(d.key) || string(it.Key()[:1+len(key)]) != string(d.key[:1+len(key)]) {
		return keyUse{}, false, it.Error()
	}
	use, err := decodeKeyUse(it.Key(), it.Value())
	return use, err == nil, err
}

// iter returns an iterator over the store as it was when the batch began. Changes since then are in memory.
func (c *commit) iter() (*pebble.Iterator, error) {
	if c.it == nil {
		it, err := c.store.db.NewIter(nil)
		if err != nil {
			return nil, err
		}
		c.it = it
	}
	return c.it, nil
}

// firstRefusal returns the first refusal, for requests that are stored as a whole or not at all.
func firstRefusal(decisions []decision) error {
	for i := range decisions {
		if err := decisions[i].refused; err != nil {
			return &eventlog.RecordError{Index: i, Err: err}
		}
	}
	return nil
}
