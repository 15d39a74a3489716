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
	inFlight    = 4 // messages under way at most

	// turnTime is how long the next message waits for the outcome of the last one, and gathers records meanwhile. Batches then take a tenth less
	// processor time than with two messages at once. A message that takes longer may be lost, and must not stop the others.
	turnTime = 200 * time.Millisecond

	// crowdTime limits for how long a message waits for publishers whose last requests were just answered, see crowd.
	crowdTime = 10 * time.Millisecond
)

// appends are the records on their way into the order.
type appends struct {
	mu      sync.Mutex // guards the following fields
	queue   []*request // not sent yet
	flights map[uint64]*flight
	counter uint64
	crowd   crowd
	waits   bool // a message waits for the crowd

	more chan struct{} // has a value while the queue may be not empty
	turn chan struct{} // has a value while a message gathers, and for turnTime while it is under way
}

// crowd is the publishers whose requests have just landed in one message, and those that wait for the next one. Many of the first send their
// next request at once. The next message waits for all, for at most half the time that the last one took. Otherwise two halves of the
// publishers would take turns, with twice as many messages, each of which costs as much as a hundred records.
type crowd struct {
	size  int       // 0: the next message does not wait, because the last one had one request
	until time.Time // when it is sent at the latest
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
	began    time.Time
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
	ready := !a.waits || len(a.queue) >= a.crowd.size
	a.mu.Unlock()
	if ready {
		a.signal()
	}
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
		taken, wait := a.pick(limit)
		if len(taken) > 0 {
			return taken
		}
		timer := time.NewTimer(wait)
		select {
		case <-a.more:
			timer.Stop()
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// pick takes the requests of a message. If there are none, or too few yet, it returns for how long to wait until the next attempt.
func (a *appends) pick(limit int) (taken []*request, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, records, size := 0, 0, 0
	for n < len(a.queue) {
		r := a.queue[n]
		if records, size = records+r.count, size+len(r.body); n > 0 && (records > mostRecords || size > min(mostBytes, limit)) {
			break
		}
		n++
	}
	if n == 0 {
		return nil, queueAfter
	}
	if n == len(a.queue) && n < a.crowd.size {
		wait = time.Until(a.crowd.until)
	}
	if a.waits = wait > 0; a.waits {
		return nil, wait
	}
	taken = append([]*request(nil), a.queue[:n]...)
	if a.queue = a.queue[n:]; len(a.queue) == 0 {
		a.queue = nil
	} else {
		a.signal() // for another sender
	}
	return taken, 0
}

// launch gives a message its identifier, under which its outcome is awaited.
func (a *appends) launch(ctx context.Context, self [8]byte, requests []*request) *flight {
	f := &flight{requests: requests, began: time.Now()}
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
func (a *appends) land(f *flight, outcomes []eventlog.Outcome) {
	a.mu.Lock()
	now := time.Now()
	a.crowd = crowd{until: now.Add(min(now.Sub(f.began)/2, crowdTime))}
	if n := len(f.requests); n > 1 {
		a.crowd.size = n + len(a.queue)
	}
	a.mu.Unlock()
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
