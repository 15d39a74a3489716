package cluster

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Limits of a message with the records of several Appends. A larger Append travels alone.
const (
	mostBytes   = 512 << 10
	mostRecords = 4096
	inFlight    = 4 // messages under way

	// turnTime is for how long a message keeps the next one waiting, which gathers meanwhile. Messages then need a tenth less processor time for
	// batches than with two at once. A message that takes longer may be lost, and must not stop the others.
	turnTime = 200 * time.Millisecond
)

// appends are the records on their way into the order.
type appends struct {
	mu      sync.Mutex // guards the following fields
	queue   []*request // not sent yet
	flights map[uint64]*flight
	counter uint64

	more chan struct{} // has a value while the queue may be not empty
	turn chan struct{} // has a value while a message gathers, and for turnTime while it is under way
}

// request is one Append.
type request struct {
	body  []byte // of a frame
	count int    // records
	since time.Time
	done  chan result // receives once
}

// result is the end of a request.
type result struct {
	receipts []eventlog.Receipt
	err      error
}

// flight is a message under way.
type flight struct {
	id       ID
	requests []*request
	ctx      context.Context // ends when the mirror has decided, or has passed over the message
	cancel   context.CancelFunc
	stale    bool // all mirrors have skipped it; written before ctx ends
}

func (a *appends) init() {
	a.flights, a.more, a.turn = map[uint64]*flight{}, make(chan struct{}, 1), make(chan struct{}, 1)
}

// put adds a request to the queue.
func (a *appends) put(r *request) {
	a.mu.Lock()
	a.queue = append(a.queue, r)
	a.mu.Unlock()
	a.signal()
}

func (a *appends) signal() {
	select {
	case a.more <- struct{}{}:
	default:
	}
}

// remove takes a request out of the queue, and reports whether it was still in it.
func (a *appends) remove(r *request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, other := range a.queue {
		if other == r {
			a.queue = append(a.queue[:i:i], a.queue[i+1:]...)
			return true
		}
	}
	return false
}

// late takes the requests out of the queue that have been waiting since before a time.
func (a *appends) late(before time.Time) []*request {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for n < len(a.queue) && a.queue[n].since.Before(before) {
		n++
	}
	late := a.queue[:n:n]
	a.queue = a.queue[n:]
	return late
}

// gather waits for requests, and takes as many as fit into one message.
func (a *appends) gather(ctx context.Context, limit int) []*request {
	for {
		a.mu.Lock()
		n, records, size := 0, 0, 0
		for n < len(a.queue) {
			r := a.queue[n]
			if records, size = records+r.count, size+len(r.body); n > 0 && (records > mostRecords || size > min(mostBytes, limit)) {
				break
			}
			n++
		}
		taken := append([]*request(nil), a.queue[:n]...)
		if a.queue = a.queue[n:]; len(a.queue) == 0 {
			a.queue = nil
		} else {
			a.signal() // for another sender
		}
		a.mu.Unlock()
		if n > 0 {
			return taken
		}
		select {
		case <-a.more:
		case <-ctx.Done():
			return nil
		}
	}
}

// launch gives a message its identifier, under which its outcome is awaited.
func (a *appends) launch(ctx context.Context, self [8]byte, requests []*request) *flight {
	f := &flight{requests: requests}
	f.ctx, f.cancel = context.WithCancel(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counter++
	f.id = newID(self, a.counter)
	a.flights[a.counter] = f
	return f
}

func newID(self [8]byte, counter uint64) (id ID) {
	copy(id[:], self[:])
	binary.BigEndian.PutUint64(id[8:], counter)
	return id
}

// next returns an identifier for a message whose outcome no request awaits.
func (a *appends) next(self [8]byte) ID {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counter++
	return newID(self, a.counter)
}

// take removes a flight, and returns nil if no request awaits it.
func (a *appends) take(id ID) *flight {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := binary.BigEndian.Uint64(id[8:])
	f := a.flights[n]
	delete(a.flights, n)
	return f
}

// land gives each request of a message its outcome.
func (f *flight) land(outcomes []eventlog.Outcome) {
	for i, r := range f.requests {
		r.done <- result{outcomes[i].Receipts, outcomes[i].Err}
	}
	f.cancel()
}

// drop tells the sender that all mirrors have skipped a message: none of its records is stored.
func (f *flight) drop() {
	f.stale = true
	f.cancel()
}

// refuse ends requests with an error.
func refuse(requests []*request, err error) {
	for _, r := range requests {
		r.done <- result{err: err}
	}
}
