package disklog

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
)

// request is a call that waits for the committer.
type request struct {
	records []eventlog.Record
	given   *given // not nil for Apply, which has no records outside of its batches

	// Prepared by the caller's goroutine: encoded values of kindEvent with space for the time, the end of each, and the hashes of
	// keys and contents.
	values []byte
	ends   []int
	keys   []preparedKey

	// exclusive, if not nil, is called by the committer with no batch in progress.
	exclusive func() error

	receipts []eventlog.Receipt
	err      error
	done     chan struct{}
}

// given is the content of a request of Apply. It is committed as a whole.
type given struct {
	batches []eventlog.Batch
	parts   []*request // the prepared records of each batch; err is set if they are invalid
	state   func([]eventlog.Outcome) []byte
}

// size returns the number of records and of encoded bytes.
func (r *request) size() (records, bytes int) {
	if r.given == nil {
		return len(r.records), len(r.values)
	}
	for _, part := range r.given.parts {
		records, bytes = records+len(part.records), bytes+len(part.values)
	}
	return records, bytes
}

type preparedKey struct{ key, content hash }

// prepare encodes and hashes records before they are queued. The request keeps no reference to memory of the caller.
func prepare(records []eventlog.Record) *request {
	size, keyed := 0, false
	for i := range records {
		size += 8 + records[i].Size()
		keyed = keyed || records[i].Key != ""
	}
	r := &request{
		records: records,
		values:  make([]byte, 0, size),
		ends:    make([]int, len(records)),
		done:    make(chan struct{}),
	}
	if keyed {
		r.keys = make([]preparedKey, len(records))
	}
	for i := range records {
		start := len(r.values)
		r.values = records[i].AppendTo(append(r.values, make([]byte, 8)...))
		r.ends[i] = len(r.values)
		if keyed {
			r.keys[i] = preparedKey{keyHash(&records[i]), sum(r.values[start+8:])}
		}
	}
	return r
}

// value returns the encoded record i with its time filled in.
func (r *request) value(i int, ms uint64) []byte {
	start := 0
	if i > 0 {
		start = r.ends[i-1]
	}
	value := r.values[start:r.ends[i]]
	binary.BigEndian.PutUint64(value, ms)
	return value
}

// queue holds the requests that the committer has not taken yet.
type queue struct {
	mu      sync.Mutex // guards the following fields
	waiting []*request
	closed  bool

	wake chan struct{} // receives when a request was added or the queue was closed
}

// put adds a request. It returns ErrClosed after close.
func (q *queue) put(r *request) error {
	q.mu.Lock()
	closed := q.closed
	if !closed {
		q.waiting = append(q.waiting, r)
	}
	q.mu.Unlock()
	if closed {
		return eventlog.ErrClosed
	}
	q.signal()
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns all queued requests. more is false if no others can follow.
func (q *queue) take(reuse []*request) (waiting []*request, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting, q.waiting = q.waiting, reuse[:0]
	return waiting, !q.closed
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// wait queues the request and waits for its result.
func (l *Log) wait(ctx context.Context, r *request) ([]eventlog.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.queue.put(r); err != nil {
		return nil, err
	}
	select {
	case <-r.done:
		return r.receipts, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inTurn runs f in the committer, with no batch in progress, and waits for it.
func (l *Log) inTurn(ctx context.Context, f func() error) error {
	_, err := l.wait(ctx, &request{exclusive: f, done: make(chan struct{})})
	return err
}

// Append implements eventlog.Log.
func (l *Log) Append(ctx context.Context, records []eventlog.Record) ([]eventlog.Receipt, error) {
	if l.opts.Mirror {
		return nil, errors.Join(l.closedError(), eventlog.ErrMirror)
	}
	if err := eventlog.CheckBatch(records); err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, l.closedError()
	}
	return l.wait(ctx, prepare(detach(records)))
}

func (l *Log) closedError() error {
	if l.queue.isClosed() {
		return eventlog.ErrClosed
	}
	return nil
}
