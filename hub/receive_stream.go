package hub

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// A streamed body is a sequence of events. Each event is stored as soon as it has arrived. One goroutine reads the body. The handler
// appends all events that have arrived in one batch. If the length of the body is known, the rest of it is usually on its way, and the events
// wait for it for a moment.

const (
	ingestIdle  = 5 * time.Minute  // how long a streamed body may be silent
	ingestBatch = 1000             // events in the largest batch
	ingestAhead = 1                // batches that wait while one is appended and another is read
	ingestRest  = time.Millisecond // how long events wait for the rest of a body with a known length
)

// Stored describes the events of a streamed body that are in the log.
type Stored struct {
	First, Last eventlog.Position
	Count       int // events, duplicates included
	Duplicates  int // events that had been stored before, with the same key
}

// Add adds the receipts of [Publication.Append].
func (s *Stored) Add(receipts []eventlog.Receipt) {
	for _, receipt := range receipts {
		if s.Count++; receipt.Duplicate {
			s.Duplicates++
		}
		if s.Count == 1 {
			s.First = receipt.Position
		}
		s.Last = receipt.Position
	}
}

// AppendStream stores the events of a streamed body as they arrive. The first error stops the body; the events before it stay stored. Also
// with an error it returns the stored events. A streamed body counts as a stream in the limits on streams. It may be silent for 5 minutes.
//
// The function events parses the body. Its sequence ends without an error after the last event; it yields an event that it cannot parse as
// an error, as its last element. It runs in a goroutine of its own, and may block only in [Body.Read].
//
// Errors are those of events, of Body and of Append.
func (p *Publication) AppendStream(events func(*Body) iter.Seq2[Event, error]) (done Stored, err error) {
	if _, _, err := p.Content(); err != nil {
		return done, err
	}
	if p.broken != nil {
		return done, p.broken
	}
	h := p.hub
	if err := h.limits.enter(p.r.ProtoMajor == 1, p.from, &p.grant); err != nil {
		return done, err
	}
	defer h.limits.exit(p.r.ProtoMajor == 1, p.from, &p.grant)
	control := http.NewResponseController(p.w)
	in := &intake{
		pub: p, batches: make(chan batch, ingestAhead), stop: make(chan struct{}),
		body: idleReader{body: p.r.Body, control: control, whole: p.r.ContentLength > 0},
	}
	in.body.in = in
	p.readers.Go(func() { in.read(events) })
	err = in.append(&done)
	// The reader must end before the handler returns. It may be waiting for the client, or to hand over a batch.
	close(in.stop)
	switch {
	case err == nil || in.body.ended.Load():
	case p.r.ProtoMajor == 1: // the reader ends after the refusal: to interrupt it would make the rest of the body unreadable
		p.readers.Go(in.drain)
		p.leaveUnread(err)
		return done, err
	default:
		p.broken = err
		_ = control.SetReadDeadline(longAgo) // without deadlines the reader ends when the client ends the body
	}
	in.drain()
	if in.panicked != nil {
		panic(in.panicked) // to net/http, as if the handler had parsed the body itself
	}
	return done, err
}

// append appends batches until the body ends.
func (in *intake) append(done *Stored) error {
	p := in.pub
	h := p.hub
	for {
		b, more, err := h.await(p, in.batches)
		if err != nil || !more {
			return err
		}
		n, tooFast := h.limits.publish(p.from, &p.grant, len(b.records), 1)
		before := done.Count
		if err = h.appendSome(b.records[:n], done); err != nil { // the refused event counts, those after it do not
			h.limits.giveBack(p.from, &p.grant, max(n-(done.Count-before)-1, 0))
		}
		in.settle(&b)
		switch {
		case err != nil:
			return err
		case tooFast != nil:
			return tooFast
		case b.err != nil:
			return b.err
		}
	}
}

// appendSome appends records up to the first that the log refuses.
func (h *Hub) appendSome(records []eventlog.Record, done *Stored) error {
	if len(records) == 0 {
		return nil
	}
	receipts, err := h.append(records)
	if recordErr, ok := errors.AsType[*eventlog.RecordError](err); ok {
		if recordErr.Index > 0 {
			if err := h.appendSome(records[:recordErr.Index], done); err != nil {
				return err
			}
		}
		return recordErr.Err
	} else if err != nil {
		return err
	}
	h.count.stored(receipts)
	done.Add(receipts)
	return nil
}

// idleReader reads a body and limits how long the client may be silent.
type idleReader struct {
	body    io.Reader
	control *http.ResponseController
	in      *intake
	whole   bool        // the length of the body is known
	ended   atomic.Bool // the body has ended or failed
}

func (r *idleReader) Read(p []byte) (int, error) {
	if !r.whole {
		r.in.send() // pass on complete events before waiting for the client
	} else if !r.in.next.empty() {
		defer r.sendAfter(ingestRest)()
	}
	if err := r.control.SetReadDeadline(time.Now().Add(ingestIdle)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	select {
	case <-r.in.stop: // checked after setting the deadline, which may have replaced the one with which the handler ends this read
		return 0, context.Canceled
	default:
	}
	n, err := r.body.Read(p)
	if err != nil {
		r.ended.Store(true)
	}
	return n, err
}

// sendAfter passes on complete events after a time. The returned function prevents that, or waits until it is done.
func (r *idleReader) sendAfter(d time.Duration) (stop func()) {
	done := make(chan struct{})
	timer := time.AfterFunc(d, func() {
		defer close(done)
		r.in.send()
	})
	return func() {
		if !timer.Stop() {
			<-done
		}
	}
}
