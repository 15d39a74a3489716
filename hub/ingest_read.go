package hub

import (
	"errors"
	"io"
	"strconv"
	"sync"
)

// intake reads a streamed body in its own goroutine, and passes the events on in batches. Events that are not appended yet count against
// the memory budget for bodies.
type intake struct {
	hub     *Hub
	pub     *publication
	body    *idleReader
	batches chan batch

	next    batch          // the batch that is being filled
	waiting sync.WaitGroup // batches that were handed over and not settled
}

// read reads the body until it ends or the handler stops, and then closes batches.
func (in *intake) read(open openSource) {
	defer close(in.batches)
	in.body.before = func() { in.send() } // pass on complete events before waiting for the client
	most := 6*int64(in.hub.opts.MaxEvent) + 2*wideBuffer
	decoding := decode(in.body, in.pub.payload.codings, 2*most+codingOverhead, &in.pub.rent)
	defer decoding.end()
	meter := &meter{in: decoding.out, most: most, take: in.take, rent: &in.pub.rent}
	defer meter.renew()
	var text io.Reader = &textReader{body: meter}
	if p := &in.pub.payload; p.charset != nil {
		text = decodeText(meter, p.charset, p.label)
	}
	src := open(text, meter, in.hub.opts.MaxEvent)
	defer src.close()
	for n := 0; ; n++ {
		e, err := src.next(in.pub)
		if err == nil {
			decoding.renew()
			meter.renew()
			err = in.add(&e, n)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				in.next.err = err
			}
			in.send()
			return
		}
	}
}

// add adds event n to the next batch. It returns io.EOF if the handler has stopped.
func (in *intake) add(e *Event, n int) error {
	if e.Key == "" && in.pub.key != "" {
		e.Key = in.pub.key + "/" + strconv.Itoa(n)
	}
	record, err := in.hub.record(e, in.pub.subject)
	if err != nil {
		return err
	}
	if more := int64(in.next.bytes+record.Size()) - in.next.rented; more > 0 {
		if err := in.rentBatch(more); err != nil {
			return err
		}
	}
	in.next.records = append(in.next.records, record)
	in.next.bytes += record.Size()
	if (len(in.next.records) == ingestBatch || in.next.bytes >= 1<<20) && !in.send() {
		return io.EOF
	}
	return nil
}

// send hands the batch over unless it is empty. It returns false if the handler has stopped.
func (in *intake) send() bool {
	if len(in.next.records) == 0 && in.next.err == nil {
		return true
	}
	in.waiting.Add(1)
	select {
	case in.batches <- in.next:
		in.next = batch{}
		return true
	case <-in.body.stop:
		in.waiting.Done()
		return false
	}
}

// settle gives back the memory of a batch that was appended or dropped.
func (in *intake) settle(b *batch) {
	in.pub.rent.giveBack(b.rented)
	in.waiting.Done()
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
