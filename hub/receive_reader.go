package hub

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
)

// intake reads a streamed body in its own goroutine, and passes the events on in batches. Events that are not appended yet count against
// the memory budget for bodies.
type intake struct {
	pub     *Publication
	body    idleReader
	batches chan batch
	stop    chan struct{} // closed when the handler takes no more batches

	next     batch          // the batch that is being filled
	last     int            // how many records the batch before it had
	topics   []string       // of the last record
	waiting  sync.WaitGroup // batches that were handed over and not settled
	panicked any            // of the code of a dialect; set before batches is closed
}

// batch is a group of records that the reader of a body hands to the handler.
type batch struct {
	records []eventlog.Record
	bytes   int
	rented  int64 // memory of the body budget, until the batch is appended
	err     error // the error that ended the body, after the records
}

func (b *batch) empty() bool { return len(b.records) == 0 && b.err == nil }

// errPanicked ends a body whose parser has panicked.
var errPanicked = errors.New("the parser of the body has panicked")

// read reads the body until it ends or the handler stops, and then closes batches.
func (in *intake) read(events func(*Body) iter.Seq2[Event, error]) {
	defer close(in.batches)
	defer func() {
		if v := recover(); v != nil {
			in.panicked = v
			if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) { // net/http handles ErrAbortHandler itself
				in.panicked = fmt.Sprintf("%v\n\n%s", v, debug.Stack())
			}
			in.body.ended.Store(true) // the handler panics, too, and net/http closes the connection
			in.next.err = errPanicked
			in.send()
		}
	}()
	body := in.pub.openStream(&in.body, in.take)
	defer body.close()
	for e, err := range events(body) {
		if err == nil {
			body.renew()
			err = in.add(&e)
		}
		if err != nil {
			if !errors.Is(err, errStopped) {
				in.next.err = err
			}
			break
		}
	}
	in.send()
}

// errStopped means that the handler takes no more batches.
var errStopped = errors.New("the handler has stopped")

// add adds an event to the next batch.
func (in *intake) add(e *Event) error {
	record, err := in.pub.record(e)
	if err != nil {
		return err
	}
	if !slices.Equal(record.Topics, in.topics) {
		in.topics = slices.Clone(record.Topics) // the parser may change its slice for the next event
	}
	record.Topics = in.topics
	if more := int64(in.next.bytes+record.Size()) - in.next.rented; more > 0 {
		if err := in.rentBatch(more); err != nil {
			return err
		}
	}
	if in.next.records == nil {
		in.next.records = make([]eventlog.Record, 0, in.last)
	}
	in.next.records = append(in.next.records, record)
	in.next.bytes += record.Size()
	if (len(in.next.records) == ingestBatch || in.next.bytes >= 1<<20) && !in.send() {
		return errStopped
	}
	return nil
}

// send hands the batch over unless it is empty. It returns false if the handler has stopped.
func (in *intake) send() bool {
	if in.next.empty() {
		return true
	}
	in.waiting.Add(1)
	select {
	case in.batches <- in.next:
		in.last, in.next = len(in.next.records), batch{}
		return true
	case <-in.stop:
		in.waiting.Done()
		return false
	}
}

// settle gives back the memory of a batch that was appended or dropped.
func (in *intake) settle(b *batch) {
	in.pub.rent.giveBack(b.rented)
	in.waiting.Done()
}

// drain drops batches until the reader ends.
func (in *intake) drain() {
	for b := range in.batches {
		in.settle(&b)
	}
}

// take reserves memory. If there is none, it waits until the batches of this body are settled and tries once more.
func (in *intake) take(n int64) error {
	if in.pub.rent.take(n) == nil {
		return nil
	}
	in.send()
	in.waiting.Wait()
	return in.pub.rent.take(n)
}

// rentBatch reserves memory for the next batch, in steps, so that not every event has to reserve some. If a step is not available, it
// reserves exactly n bytes.
func (in *intake) rentBatch(n int64) error {
	const step = 64 << 10
	steps := (n + step - 1) / step * step
	if in.pub.rent.take(steps) != nil {
		steps = n
		if err := in.take(n); err != nil {
			return err
		}
	}
	in.next.rented += steps
	return nil
}
