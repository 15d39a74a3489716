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

// PublishOptions are those of publishing many events. Nil means all defaults.
type PublishOptions struct {
	// Key is what the events' own keys are made of: event i, from 0, has the key Key/i unless it brings its own. Publishing
	// the same events again with the same Key, after a crash for instance, stores only what is missing. It is 1 to 235 visible
	// ASCII characters; "" means a random one.
	Key string

	// BatchBytes and BatchEvents bound what goes into one request: by the size of its body and the number of its events.
	// 0 means 256 KiB and 1,000. A larger event has a request of its own.
	BatchBytes  int
	BatchEvents int

	// OnStored, when set, is called each time that the hub has stored some more, with all that it has by then. The goroutine
	// that sends calls it, which of [Client.PublishStream] is one of the method's own; the next request waits for it.
	OnStored func(Receipts)
}

// withDefaults returns options that can be used.
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
		return own, fmt.Errorf("the key %.20q… has %d characters; one that is shared has %d at the most", own.Key, len(own.Key), longestSharedKey)
	}
	return own, checkKey(own.Key)
}

// longestSharedKey leaves room for a slash and a number.
const longestSharedKey = wire.MaxKey - 20

// Receipts say what the hub has stored of many events.
type Receipts struct {
	// Count is how many events are known to be stored, from the first on: all if there was no error. With an error, the
	// event that was refused, or was not answered for, is one of the next; a [*Problem] says more.
	Count int

	// Duplicates is how many of them were stored before, by another call with the same key or by an attempt of this one.
	Duplicates int

	First string // the position of the first event; "" if the answer that would have told was lost
	Last  string // the position of the last event
	Key   string // what the keys were made of
}

// PublishAll stores events in their order, in one request if they fit, and returns when the hub has all. It tries again as
// [Client.Publish] does. It is not atomic: each event stands alone, and the first that is refused ends it. An event that
// cannot be sent at all, such as one without a topic, is noticed before anything is sent.
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

// publication is what one call publishes.
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

// line returns the next event as it is sent. Its key is made of its place among all events, not of that in its batch: where
// a batch ends depends on the network.
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

// send publishes a batch. After a broken connection nobody knows what of it is stored, so that it is sent again, and the keys
// tell the hub what it has. A problem says how much is stored; the rest is sent.
//
// What broke is half as much the next time, and then twice as much again: a line so slow that no connection lasts for the
// whole batch would never carry it.
func (p *publication) send(ctx context.Context, b *batch) error {
	stored := 0     // of the batch
	most := b.len() // to be sent at once
	for stored < b.len() {
		before := 0 // events that the hub had before it got the latest request, from which it counts
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
			return fmt.Errorf("behind the first %d events: %w", before, err)
		case err != nil:
			return err
		}
		most *= 2
	}
	return nil
}

// sendPart sends n lines once and returns how many of them are known to be stored.
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

// add counts n more events, of which a says where they are.
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

// PublishStream stores the events of a sequence in their order, as they come: what has come while one request runs is the
// next request, so that a slow sequence has an event in the hub at once and a fast one has large batches. It returns when the
// sequence is over and the hub has all, and tries again as [Client.Publish] does; meanwhile the sequence waits. Two
// batches are in memory at the most.
//
// An error of the sequence ends it, after what came before has been stored. A refusal ends it as well, but cannot break
// off a sequence that waits for its next event: one that may wait for long should end with ctx.
//
// What [Client.Subscribe] yields can be handed on like this, and so can what [ReadEvents] reads.
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

// sending is the meeting of the goroutine that gathers events and the one that sends them.
type sending struct {
	batches chan *batch   // holds the one that is being gathered; only gather puts it in, so that it can put it back
	done    chan struct{} // nothing is sent any more
	err     error         // why; to be read when done is closed
}

// gather takes the events until their end or that of the sending, and returns their error.
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

// offer adds a line to the batch that waits, or begins one when that is on its way. It reports false when nothing is sent
// any more.
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

// run sends one batch after the other, each when the one before is stored: two at a time could change places.
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
