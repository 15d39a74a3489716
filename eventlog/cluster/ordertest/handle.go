package ordertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Faults are the faults between a hub and a [Memory]. The numbers from 0 to 1 are probabilities for each call.
type Faults struct {
	Delay time.Duration // each request, answer and delivery takes up to this long

	Refused    float64 // Publish is refused
	AnswerLost float64 // the order stores the message, and the answer never arrives
	Late       float64 // Publish fails, and the order stores the message up to 5 s later
	Twice      float64 // the order stores the message again when it has forgotten the identifier
	Cut        float64 // the connection breaks, and with it all calls of the handle
	SlowFollow float64 // a follower gets messages up to 3 s later
	Damaged    float64 // a follower gets a message with a flipped bit; Message returns the right one
}

// Errors of a Handle. After each of them the outcome of the call is unknown.
var (
	errCut    = errors.New("ordertest: the connection was cut")
	errClosed = errors.New("ordertest: the order is closed")
)

// Handle is the access of one hub to a [Memory]. It implements [cluster.Order].
type Handle struct {
	memory *Memory

	mu        sync.Mutex // guards the following fields
	rand      *rand.Rand
	faults    Faults
	to        bool          // requests arrive
	from      bool          // answers and messages arrive
	changed   chan struct{} // closed and replaced when to or from change
	cut       chan struct{} // closed and replaced when the connection is cut; closed for good by Close
	closed    bool
	listeners map[*listener]struct{}
}

var _ cluster.Order = (*Handle)(nil)

type listener struct {
	mu   sync.Mutex // held while f runs
	gone bool
	f    func([]byte)
}

// Handle returns a new handle without faults.
func (m *Memory) Handle() *Handle {
	h := &Handle{memory: m, to: true, from: true, changed: make(chan struct{}), cut: make(chan struct{}), listeners: map[*listener]struct{}{}, rand: rand.New(rand.NewPCG(0, 0))}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handles = append(m.handles, h)
	return h
}

// SetFaults replaces the faults of the handle. They follow from the seed.
func (h *Handle) SetFaults(seed uint64, f Faults) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rand, h.faults = rand.New(rand.NewPCG(seed, 1)), f
}

// Silence drops the messages of the hub, those to the hub, or both, without an error, until the next call of Silence.
func (h *Handle) Silence(to, from bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.to, h.from = !to, !from
	close(h.changed)
	h.changed = make(chan struct{})
}

// Cut breaks the connection: all running calls fail. Later ones use a new connection.
func (h *Handle) Cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		close(h.cut)
		h.cut = make(chan struct{})
	}
}

// Close implements [cluster.Order]. Messages that are still under way arrive nevertheless, see [Memory.Settle].
func (h *Handle) Close() error {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.cut)
		clear(h.listeners)
	}
	h.mu.Unlock()
	return nil
}

// call is one call of a method: it fails when its context ends or the connection breaks.
type call struct {
	*Handle
	ctx context.Context
	cut <-chan struct{}
}

// begin begins a call, by sending its request.
func (h *Handle) begin(ctx context.Context) (call, error) {
	h.mu.Lock()
	c := call{h, ctx, h.cut}
	closed, breaks := h.closed, h.chance(h.faults.Cut)
	h.mu.Unlock()
	if closed {
		return c, errClosed
	}
	if breaks {
		h.Cut()
	}
	if err := c.travel(); err != nil {
		return c, err
	}
	return c, c.pass(func() bool { return h.to })
}

// answered waits until the answer of a call arrives.
func (c call) answered() error {
	if err := c.travel(); err != nil {
		return err
	}
	return c.pass(func() bool { return c.from })
}

// chance reports whether something of this probability happens. The caller holds the lock.
func (h *Handle) chance(p float64) bool { return p > 0 && h.rand.Float64() < p }

func (h *Handle) happens(p func(Faults) float64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.chance(p(h.faults))
}

// upTo returns a random duration.
func (h *Handle) upTo(d time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d <= 0 {
		return 0
	}
	return time.Duration(h.rand.Int64N(int64(d)))
}

// travel waits for the delay of one direction.
func (c call) travel() error {
	h := c.Handle
	h.mu.Lock()
	d := h.faults.Delay
	h.mu.Unlock()
	return c.sleep(h.upTo(d))
}

func (c call) sleep(d time.Duration) error {
	if d == 0 {
		return c.connectionError()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return c.connectionError()
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-c.cut:
		return c.broken()
	}
}

// connectionError returns the error of a call whose context or connection has ended.
func (c call) connectionError() error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	select {
	case <-c.cut:
		return c.broken()
	default:
		return nil
	}
}

func (c call) broken() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	return errCut
}

// pass waits until open returns true.
func (c call) pass(open func() bool) error {
	for {
		c.mu.Lock()
		ok, changed := open(), c.changed
		c.mu.Unlock()
		if ok {
			return c.connectionError()
		}
		if err := c.wait(changed); err != nil {
			return err
		}
	}
}

// wait waits for a channel.
func (c call) wait(changed <-chan struct{}) error {
	select {
	case <-changed:
		return c.connectionError()
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-c.cut:
		return c.broken()
	}
}
