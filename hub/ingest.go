package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// A streamed body is a sequence of events. Each event is stored as soon as it has arrived. An invalid event stops the body; the events
// before it stay stored. One goroutine reads the body. The handler appends all events that have arrived in one batch.

// source is a streamed body.
type source interface {
	// next returns the next event, io.EOF after the last, or the error that ends the body.
	next(pub *publication) (Event, error)

	// close gives back what a source has borrowed.
	close()
}

// openSource returns the events of a body whose bytes come through a meter.
type openSource func(body io.Reader, m *meter, maxEvent int) source

const (
	ingestIdle  = 5 * time.Minute // how long a streamed body may be silent
	ingestBatch = 1000            // events in the largest batch
	ingestAhead = 1               // batches that wait while one is appended and another is read
)

// batch is what the reader of a body hands to the handler.
type batch struct {
	records []eventlog.Record
	bytes   int
	rented  int64 // memory of the body budget, until the batch is appended
	err     error // what ended the body, after the records
}

// stored counts the events of a streamed body that are in the log.
type stored struct {
	first, last eventlog.Position
	count       int // events, duplicates included
	duplicates  int
}

// ingest publishes a streamed body.
func (h *Hub) ingest(w http.ResponseWriter, r *http.Request, pub *publication, open openSource) error {
	if pub.base64 {
		return problem(http.StatusBadRequest, problemInvalidRequest, "encoding=base64 is for a body that is one event; in NDJSON each line has its own encoding")
	}
	if pub.end && len(pub.topics) == 0 {
		return problem(http.StatusBadRequest, problemInvalidRequest, "end=1 ends the topics in the URL, and there are none; name a topic")
	}
	if err := h.limits.enter(pub.from, &pub.grant); err != nil {
		return err
	}
	defer h.limits.exit(pub.from, &pub.grant)
	control := http.NewResponseController(w)
	stop := make(chan struct{}) // closed when the handler takes no more batches
	in := &intake{
		hub: h, pub: pub, batches: make(chan batch, ingestAhead),
		body: &idleReader{body: r.Body, control: control, stop: stop},
	}
	go in.read(open)
	done, err := h.appendBatches(in)
	// The reader must end before the handler returns. It may be waiting for the client, or to hand over a batch.
	close(stop)
	awaitReader := func() {
		for b := range in.batches {
			in.settle(&b)
		}
	}
	switch {
	case err == nil || in.body.ended.Load():
	case r.ProtoMajor == 1:
		h.refuseSender(w, r, native{}, h.stopped(err, &done), awaitReader)
		return nil
	default:
		_ = control.SetReadDeadline(longAgo) // without deadlines the reader ends when the client ends the body
	}
	awaitReader()
	if err == nil && pub.end {
		err = h.endTopics(pub, &done)
	}
	if err != nil {
		return h.stopped(err, &done)
	}
	answer := map[string]any{"count": done.count}
	if done.count > 0 {
		answer["first"], answer["last"] = done.first.String(), done.last.String()
	}
	if done.duplicates > 0 {
		answer["duplicates"] = done.duplicates
	}
	return answerJSON(w, answer)
}

// stopped returns the problem of a body that did not end cleanly, with the number of events that are stored.
func (h *Hub) stopped(err error, done *stored) *Problem {
	p := *h.asProblem(err)
	extra := map[string]any{"stored": done.count}
	if done.count > 0 {
		extra["last"] = done.last.String()
	}
	maps.Copy(extra, p.Extra)
	p.Extra = extra
	p.Detail = fmt.Sprintf("event %d: %s; %s", done.count, p.Detail, storedText(done.count))
	return &p
}

// storedText describes how many events before the failed one are stored.
func storedText(count int) string {
	switch count {
	case 0:
		return "nothing is stored"
	case 1:
		return "the event before it is stored"
	}
	return fmt.Sprintf("the %d events before it are stored", count)
}

// appendBatches appends batches until the body ends.
func (h *Hub) appendBatches(in *intake) (done stored, err error) {
	for {
		b, more, err := h.await(in.pub, in.batches)
		if err != nil || !more {
			return done, err
		}
		n, tooFast := h.limits.publish(in.pub.from, &in.pub.grant, len(b.records))
		err = h.appendSome(b.records[:n], &done)
		in.settle(&b)
		switch {
		case err != nil:
			return done, err
		case tooFast != nil:
			return done, tooFast
		case b.err != nil:
			return done, b.err
		}
	}
}

// appendSome appends records up to the first that the log refuses.
func (h *Hub) appendSome(records []eventlog.Record, done *stored) error {
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
	for _, receipt := range receipts {
		if done.count++; receipt.Duplicate {
			done.duplicates++
		}
		if done.count == 1 {
			done.first = receipt.Position
		}
		done.last = receipt.Position
	}
	return nil
}

// endTopics ends the topics of the request after its body.
func (h *Hub) endTopics(pub *publication, done *stored) error {
	if err := h.stillMay(pub); err != nil {
		return err
	}
	if _, tooFast := h.limits.publish(pub.from, &pub.grant, 1); tooFast != nil {
		return tooFast
	}
	e := Event{Topics: pub.topics, End: true}
	if pub.key != "" {
		e.Key = pub.key + "/end"
	}
	record, err := h.record(&e, pub.subject)
	if err != nil {
		return err
	}
	return h.appendSome([]eventlog.Record{record}, done)
}

// idleReader reads a body and limits how long the client may be silent. It calls before ahead of each read that may block.
type idleReader struct {
	body    io.Reader
	control *http.ResponseController
	before  func()
	stop    <-chan struct{} // closed when no more is to be read
	ended   atomic.Bool     // the body has ended or failed
}

func (r *idleReader) Read(p []byte) (int, error) {
	r.before()
	if err := r.control.SetReadDeadline(time.Now().Add(ingestIdle)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	select {
	case <-r.stop: // checked after setting the deadline, which may have replaced the one with which the handler ends this read
		return 0, context.Canceled
	default:
	}
	n, err := r.body.Read(p)
	if err != nil {
		r.ended.Store(true)
	}
	return n, err
}
