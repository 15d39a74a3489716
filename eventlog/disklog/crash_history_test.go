package disklog_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// history has the clients' knowledge of a log: the answers to their appends, and the records that they have read.
type history struct {
	script *script
	gen    string
	places map[id]place // of every record that was acknowledged, including removed ones
	seen   map[id]place // of records that were read but not acknowledged so far
	done   []int        // per client: number of batches that were answered
	used   uint64       // the newest number that a client has seen
	hole   uint64       // readers get a gap up to here: the newest number that may have been lost in a crash
	lost   int          // number of records that were lost, with a gap
}

// place is the content of a receipt.
type place struct {
	seq  uint64
	time time.Time
}

func newHistory(s *script, clients int) *history {
	return &history{script: s, places: make(map[id]place), seen: make(map[id]place), done: make([]int, clients)}
}

func (h *history) clone() *history {
	c := *h
	c.places, c.seen, c.done = maps.Clone(h.places), maps.Clone(h.seen), slices.Clone(h.done)
	return &c
}

// settle adds the records that were read to those that were acknowledged, after a crash.
func (h *history) settle() {
	maps.Copy(h.places, h.seen)
	clear(h.seen)
	for _, p := range h.places {
		h.used = max(h.used, p.seq)
	}
}

// next returns a client's next batch. Batches with unkeyed records that may be stored are not repeated.
func (h *history) next(client int) *batch {
	for {
		b := h.script.batch(client, h.done[client])
		if _, stored := h.places[b.ids[0]]; !stored || b.keyed {
			return b
		}
		h.done[client]++
	}
}

// drop forgets all records after a number.
func (h *history) drop(after uint64) {
	for name, p := range h.places {
		if p.seq > after {
			delete(h.places, name)
			h.lost++
			h.done[name.client] = min(h.done[name.client], name.n)
		}
	}
}

// answer is the result of appending a batch.
type answer struct {
	receipts []eventlog.Receipt
	err      error
}

// record adds the answer to a client's next batch. If uncertain, an earlier append of the batch had no answer: its records may be
// duplicates or not.
func (h *history) record(client int, b *batch, a answer, uncertain bool) error {
	var err error
	switch {
	case a.err != nil:
		err = h.refused(b, a.err)
	case b.refused != nil && !h.script.mayPass(b):
		err = fmt.Errorf("the batch was stored although it should be refused with: %w", b.refused)
	case len(a.receipts) != len(b.ids):
		err = fmt.Errorf("the answer has %d receipts", len(a.receipts))
	default:
		err = h.stored(b, a.receipts, uncertain)
	}
	if err != nil {
		return fmt.Errorf("batch %d of client %d, %d records: %w", h.done[client], client, len(b.ids), err)
	}
	h.done[client]++
	return nil
}

// refused returns nil if err is the error with which the batch has to be refused.
func (h *history) refused(b *batch, err error) error {
	if b.refused == nil {
		return err
	}
	record, ok := errors.AsType[*eventlog.RecordError](err)
	if !ok || record.Index != b.index || !errors.Is(err, b.refused) {
		return fmt.Errorf("the answer is %w, not about record %d", err, b.index)
	}
	var cause eventlog.Position
	if ended, ok := errors.AsType[*eventlog.EndedError](err); ok {
		cause = ended.End
	} else if used, ok := errors.AsType[*eventlog.KeyError](err); ok {
		cause = used.First
	}
	if want := h.places[b.cause].seq; cause.Seq != want || cause.Gen != h.gen {
		return fmt.Errorf("the answer is %w, but it is because of %d", err, want)
	}
	return nil
}

// stored checks the receipts of a batch.
func (h *history) stored(b *batch, receipts []eventlog.Receipt, uncertain bool) error {
	duplicate := receipts[0].Duplicate
	for i, r := range receipts {
		first, known := h.places[b.ids[i]]
		read, seen := h.seen[b.ids[i]]
		switch {
		case r.Gen != h.gen:
			return fmt.Errorf("a receipt of generation %s, not %s", r.Gen, h.gen)
		case r.Duplicate != duplicate:
			return fmt.Errorf("one record of the batch has another outcome: %+v", r)
		case known && (!r.Duplicate || first != place{r.Seq, r.Time}):
			return fmt.Errorf("record %v is at %v, and got the receipt %+v", b.ids[i], first, r)
		case !known && r.Duplicate && !uncertain:
			return fmt.Errorf("record %v was never stored, and got the receipt %+v", b.ids[i], r)
		case !r.Duplicate && r.Seq <= h.used:
			return fmt.Errorf("record %v got number %d, and %d was there before", b.ids[i], r.Seq, h.used)
		case seen && read != place{r.Seq, r.Time}:
			return fmt.Errorf("record %v was read at %v, and got the receipt %+v", b.ids[i], read, r)
		case i > 0 && r.Seq <= receipts[i-1].Seq:
			return fmt.Errorf("number %d follows %d in one batch", r.Seq, receipts[i-1].Seq)
		}
	}
	for i, r := range receipts {
		h.places[b.ids[i]] = place{r.Seq, r.Time}
		delete(h.seen, b.ids[i])
	}
	return nil
}

// saw adds a record that was read.
func (h *history) saw(rec *eventlog.Record) error {
	b, name := h.script.find(rec)
	known, acknowledged := h.places[name]
	if !acknowledged {
		known = h.seen[name]
	}
	switch at := (place{rec.Seq, rec.Time}); {
	case b == nil:
		return fmt.Errorf("no client has appended the record at %d: %.40q in %q", rec.Seq, rec.Data, rec.Topics)
	case b.refused != nil && !h.script.mayPass(b):
		return fmt.Errorf("the record at %d was refused: %v", rec.Seq, name)
	case name.n > h.done[name.client]:
		return fmt.Errorf("the client has not yet appended the record at %d: %v", rec.Seq, name)
	case known.seq != 0 && known != at:
		return fmt.Errorf("%v is at %v, and was at %v", name, at, known)
	case known.seq == 0 && name.n < h.done[name.client]:
		return fmt.Errorf("%v, at %d, belongs to a batch that was answered otherwise", name, rec.Seq)
	case !acknowledged:
		h.seen[name] = at
	}
	return nil
}
