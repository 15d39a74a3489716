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

// A streamed body has one event after the other, and each stands alone: it is stored as soon as it is there, and what is
// wrong with one of them stops the body, but takes nothing back. One goroutine reads the body; the handler appends whatever
// has come meanwhile together.

// source is a streamed body.
type source interface {
	// next returns the next event, io.EOF after the last, or why the body cannot be read on.
	next(pub *publication) (Event, error)

	// close gives back what a source has borrowed.
	close()
}

// openSource returns the events of a body whose bytes come through a meter.
type openSource func(body io.Reader, m *meter, maxEvent int) source

const (
	ingestIdle  = 5 * time.Minute // how long a streamed body may be silent
	ingestBatch = 1000            // events that are appended together at the most
	ingestAhead = 1               // batches that wait to be appended while another one is, and a third is read
)

// batch is what the reader of a body hands to the handler.
type batch struct {
	records []eventlog.Record
	bytes   int
	rented  int64 // of the budget for bodies, until it is appended
	err     error // why there are no more after these
}

// stored is how far a streamed body has come.
type stored struct {
	first, last eventlog.Position
	count       int // events, duplicates included
	duplicates  int
}

// ingest publishes a streamed body.
func (h *Hub) ingest(w http.ResponseWriter, r *http.Request, pub *publication, open openSource) error {
	if pub.base64 {
		return problem(http.StatusBadRequest, problemInvalidRequest, "encoding=base64 is for a body that is one event; in NDJSON each line says so")
	}
	if pub.end && len(pub.topics) == 0 {
		return problem(http.StatusBadRequest, problemInvalidRequest, "end=1 ends the topics that the request names, and it names none")
	}
	if err := h.limits.enter(pub.from, &pub.grant); err != nil {
		return err
	}
	defer h.limits.exit(pub.from, &pub.grant)
	control := http.NewResponseController(w)
	enough := make(chan struct{}) // closed when nothing more is wanted
	in := &intake{
		hub: h, pub: pub, batches: make(chan batch, ingestAhead),
		body: &idleReader{body: r.Body, control: control, enough: enough},
	}
	go in.read(open)
	done, err := h.appendBatches(in)
	// The reader has to be gone before the handler is. It may be waiting for the client, or for somebody to take a batch.
	close(enough)
	gone := func() {
		for b := range in.batches {
			in.settle(&b)
		}
	}
	switch {
	case err == nil || in.body.ended.Load():
	case r.ProtoMajor == 1:
		h.refuseSender(w, r, native{}, h.stopped(err, &done), gone)
		return nil
	default:
		_ = control.SetReadDeadline(longAgo) // where there is none the client's own end helps
	}
	gone()
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

// stopped is the problem of a body that was stopped: it says how far it went.
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

// storedText says of how many events before one that they are stored.
func storedText(count int) string {
	switch count {
	case 0:
		return "nothing is stored"
	case 1:
		return "the one before it is stored"
	}
	return fmt.Sprintf("the %d before it are stored", count)
}

// appendBatches appends what the reader brings.
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

// appendSome appends records, up to one that cannot be.
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

// endTopics ends the topics of the request, after a body that has ended cleanly.
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

// idleReader is a body whose silence has a limit. Before it waits for the client it lets go what is there.
type idleReader struct {
	body    io.Reader
	control *http.ResponseController
	before  func()
	enough  <-chan struct{} // closed when nobody wants more
	ended   atomic.Bool     // there is nothing more to read
}

func (r *idleReader) Read(p []byte) (int, error) {
	r.before()
	if err := r.control.SetReadDeadline(time.Now().Add(ingestIdle)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	select {
	case <-r.enough: // in this order: whoever closes it ends the wait by a deadline of his own, which this one must not follow
		return 0, context.Canceled
	default:
	}
	n, err := r.body.Read(p)
	if err != nil {
		r.ended.Store(true)
	}
	return n, err
}
