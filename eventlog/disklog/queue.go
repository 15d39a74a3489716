package disklog

import (
	"context"
	"errors"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
)

// request is a call that waits for the committer.
type request struct {
	records []eventlog.Record
	given   *given // not nil for Apply, which has no records outside of its batches

	// Prepared by the caller's goroutine: the encoded records, either one by one or together with the end of each, and the hashes of keys and
	// contents.
	encoded []string
	values  []byte
	ends    []int
	keys    []preparedKey

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
		for _, encoded := range part.encoded {
			bytes += len(encoded)
		}
	}
	return records, bytes
}

type preparedKey struct{ key, content hash }

// prepare encodes and hashes records before they are queued. The request keeps no reference to memory of the caller.
func prepare(records []eventlog.Record) *request {
	size := 0
	for i := range records {
		size += records[i].Size()
	}
	r := &request{
		records: records,
		values:  make([]byte, 0, size),
		ends:    make([]int, len(records)),
		done:    make(chan struct{}),
	}
	for i := range records {
		r.values = records[i].AppendTo(r.values)
		r.ends[i] = len(r.values)
	}
	r.hash()
	return r
}

// hash hashes the keys of records, and the contents of records with keys.
func (r *request) hash() {
	for i := range r.records {
		if r.records[i].Key == "" {
			continue
		}
		if r.keys == nil {
			r.keys = make([]preparedKey, len(r.records))
		}
		content := make([]byte, r.length(i))
		r.copyTo(content, i)
		r.keys[i] = preparedKey{keyHash(&r.records[i]), sum(content)}
	}
}

// start returns where the encoded record i begins in values.
func (r *request) start(i int) int {
	if i == 0 {
		return 0
	}
	return r.ends[i-1]
}

// length returns the length of the encoded record i.
func (r *request) length(i int) int {
	if r.encoded != nil {
		return len(r.encoded[i])
	}
	return r.ends[i] - r.start(i)
}

// copyTo copies the encoded record i.
func (r *request) copyTo(to []byte, i int) {
	if r.encoded != nil {
		copy(to, r.encoded[i])
		return
	}
	copy(to, r.values[r.start(i):r.ends[i]])
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
