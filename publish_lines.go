package tidings

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"github.com/tidings-sse/tidings/internal/wire"
)

// PublishOptions are the options of publishing many events. Nil means the defaults.
type PublishOptions struct {
	// Key is the prefix of the idempotency keys: event i, counted from 0, has the key Key/i unless it has its own. Publishing the
	// same events again with the same Key, for instance after a crash, stores only the missing ones. Key has 1 to 235 visible
	// ASCII characters; "" means a random one.
	Key string

	// BatchBytes and BatchEvents limit one request, by the size of its body and the number of its events. 0 means 256 KiB and
	// 1,000. A larger event is sent alone.
	BatchBytes  int
	BatchEvents int

	// OnStored, when set, is called after each request, with the totals so far. The next request waits for it. The goroutine that
	// publishes calls it; for [Client.PublishStream] a goroutine of the method.
	OnStored func(Receipts)
}

// withDefaults returns a copy with the defaults filled in.
func (o *PublishOptions) withDefaults() (PublishOptions, error) {
	var own PublishOptions
	if o != nil {
		own = *o
	}
	own.Key = cmp.Or(own.Key, rand.Text())
	if own.BatchBytes <= 0 {
		own.BatchBytes = 256 << 10
	}
	if own.BatchEvents <= 0 {
		own.BatchEvents = 1000
	}
	if len(own.Key) > longestSharedKey {
		return own, fmt.Errorf("the key %.20q… has %d characters; the longest shared key has %d", own.Key, len(own.Key), longestSharedKey)
	}
	return own, checkKey(own.Key)
}

// longestSharedKey leaves room for a slash and a number of 64 bits.
const longestSharedKey = wire.MaxKey - 20

// Receipts are the answers of the hub for many events.
type Receipts struct {
	// Count is how many events, from the first on, are known to be stored: all of them if there is no error. With an error, the
	// refused or unanswered event is among the next ones; a [*Problem] says more.
	Count int

	// Duplicates is how many of them were already stored, by an earlier call with the same key or an earlier attempt of this call.
	Duplicates int

	First string // the position of the first event; "" if the answer that had it was lost
	Last  string // the position of the last event
	Key   string // the prefix of the idempotency keys
}

// PublishAll publishes events in order, in one request if they fit, and returns when the hub has stored all of them. It retries as
// [Client.Publish] does. It is not atomic: it stops at the first event that is refused, and the events before it stay. Events that cannot be
// sent, such as one without a topic, are an error before anything is sent.
func (c *Client) PublishAll(ctx context.Context, events []Event, o *PublishOptions) (r Receipts, err error) {
	defer wrap(&err, "publish all")
	for i := range events {
		if err := events[i].check(); err != nil {
			return r, fmt.Errorf("event %d: %w", i, err)
		}
	}
	p, err := c.publication(o)
	if err != nil {
		return r, err
	}
	b := new(batch)
	for i := range events {
		line, err := p.line(events[i])
		if err != nil {
			return p.receipts, err
		}
		if !p.fits(b, line) {
			if err := p.send(ctx, b); err != nil {
				return p.receipts, err
			}
			b = new(batch)
		}
		b.add(line)
	}
	if b.len() > 0 {
		err = p.send(ctx, b)
	}
	return p.receipts, err
}

// publication is one call that publishes many events.
type publication struct {
	client   *Client
	options  PublishOptions
	numbered int // events that have their line

	receipts Receipts // the sender's
}

func (c *Client) publication(o *PublishOptions) (*publication, error) {
	options, err := o.withDefaults()
	return &publication{client: c, options: options, receipts: Receipts{Key: options.Key}}, err
}

// line returns the line of the next event. Its key has the event's number within the call, not within the batch: the network decides where a
// batch ends.
func (p *publication) line(e Event) ([]byte, error) {
	i := p.numbered
	p.numbered++
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("event %d: %w", i, err)
	}
	e.Key = cmp.Or(e.Key, p.options.Key+"/"+strconv.Itoa(i))
	return e.appendLine(nil), nil
}

// batch is the lines of one request.
type batch struct {
	lines []byte
	ends  []int // of each line in lines
}

func (b *batch) len() int { return len(b.ends) }

func (b *batch) add(line []byte) {
	b.lines = append(b.lines, line...)
	b.ends = append(b.ends, len(b.lines))
}

// part returns n lines, from line i on.
func (b *batch) part(i, n int) []byte {
	start := 0
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.lines[start:b.ends[i+n-1]]
}

func (p *publication) fits(b *batch, line []byte) bool {
	return b.len() == 0 || b.len() < p.options.BatchEvents && len(b.lines)+len(line) <= p.options.BatchBytes
}

// send publishes a batch. After a broken connection it is unknown how much is stored: the batch is sent again, and the keys prevent duplicates.
// A problem says how much is stored; the rest is sent.
//
// After a broken connection the next request has half as many events, and then twice as many again: on a slow line no connection may last for
// the whole batch.
func (p *publication) send(ctx context.Context, b *batch) error {
	stored := 0     // of the batch
	most := b.len() // to be sent at once
	for stored < b.len() {
		before := 0 // events stored before the latest request; a problem counts from there
		err := p.client.persist(ctx, func() (progress bool, err error) {
			before = p.receipts.Count
			n := min(most, b.len()-stored)
			done, err := p.sendPart(ctx, b.part(stored, n), n)
			stored += done
			if _, refused := errors.AsType[*Problem](err); err != nil && !refused {
				most = max(1, n/2)
			}
			if _, again := p.client.recover(err, 1); done == n && err != nil && again {
				err = nil // what failed is the rest of the answer
			}
			return done > 0, err
		})
		switch {
		case err != nil && before > 0:
			return fmt.Errorf("after the first %d events: %w", before, err)
		case err != nil:
			return err
		}
		most *= 2
	}
	return nil
}

// sendPart sends n lines once. It returns how many of them are known to be stored.
func (p *publication) sendPart(ctx context.Context, lines []byte, n int) (done int, err error) {
	body, err := p.client.lines(lines)
	if err != nil {
		return 0, &unsendable{err}
	}
	a, err := p.client.post(ctx, body)
	if problem, ok := errors.AsType[*Problem](err); ok && problem.Stored > 0 {
		done = min(problem.Stored, n)
		p.add(done, answer{Last: problem.Last})
		return done, err
	}
	switch {
	case err != nil:
		return 0, err
	case a.Last == "" || a.Count < n:
		return 0, fmt.Errorf("%w: it says that %d events are stored, of %d", ErrNoHub, a.Count, n)
	}
	p.add(n, a)
	return n, nil
}

// add adds n stored events to the receipts; a is the answer for them.
func (p *publication) add(n int, a answer) {
	r := &p.receipts
	if r.Count == 0 {
		r.First = a.First
		if n == 1 {
			r.First = a.Last
		}
	}
	r.Count += n
	r.Duplicates += a.Duplicates
	r.Last = a.Last
	if p.options.OnStored != nil {
		p.options.OnStored(*r)
	}
}

// PublishStream publishes the events of a sequence in order, as they arrive. Events that arrive during a request go into the next one: a slow
// sequence is published without delay, and a fast one in large batches. PublishStream returns when the sequence has ended and the hub has
// stored all events. It retries as [Client.Publish] does; meanwhile the sequence waits. At most two batches are in memory.
//
// An error of the sequence ends the call, after the events before it have been stored. A refusal by the hub ends the call, too, but cannot
// interrupt a sequence that waits for its next event: a sequence that may wait for long should end with ctx.
//
// The sequences of [Client.Subscribe] and [ReadEvents] can be published like this.
func (c *Client) PublishStream(ctx context.Context, events iter.Seq2[Event, error], o *PublishOptions) (r Receipts, err error) {
	defer wrap(&err, "publish stream")
	p, err := c.publication(o)
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &sending{batches: make(chan *batch, 1), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = s.run(ctx, p)
	}()
	defer func() { // also when the sequence panics
		cancel()
		<-s.done
	}()
	sourceErr := s.gather(p, events)
	close(s.batches)
	<-s.done
	if s.err != nil {
		return p.receipts, s.err
	}
	return p.receipts, sourceErr
}

// sending connects the goroutine that gathers events with the one that sends them.
type sending struct {
	batches chan *batch   // holds the batch that is being gathered; only gather sends on it, so that it can put a batch back
	done    chan struct{} // closed when sending has ended
	err     error         // why; valid when done is closed
}

// gather takes events until the sequence or the sending ends. It returns the error of the sequence.
func (s *sending) gather(p *publication, events iter.Seq2[Event, error]) error {
	for e, err := range events {
		if err != nil {
			return err
		}
		line, err := p.line(e)
		if err != nil {
			return err
		}
		if !s.offer(p, line) {
			return nil
		}
	}
	return nil
}

// offer adds a line to the waiting batch, or to a new one if the sender has taken it. It reports false when sending has ended.
func (s *sending) offer(p *publication, line []byte) bool {
	select {
	case b := <-s.batches:
		if p.fits(b, line) {
			b.add(line)
			s.batches <- b
			return !s.over()
		}
		s.batches <- b
	default:
	}
	b := new(batch)
	b.add(line)
	select {
	case s.batches <- b:
		return !s.over()
	case <-s.done:
		return false
	}
}

func (s *sending) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// run sends the batches one after the other: two at a time could be stored in the wrong order.
func (s *sending) run(ctx context.Context, p *publication) error {
	for {
		select {
		case b, ok := <-s.batches:
			if !ok {
				return nil
			}
			if err := p.send(ctx, b); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
