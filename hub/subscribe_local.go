package hub

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
	"github.com/tidings-sse/tidings/internal/wire"
)

// ErrDraining is the error of subscriptions that end because the hub is shutting down.
var ErrDraining = fanout.ErrDraining

// Received is an event as [Hub.Subscribe] yields it. An event with End and neither Type nor Data is only the end of its topics.
type Received struct {
	Event
	Position eventlog.Position
	Time     time.Time // when it was stored
}

// SubscribeOptions are the options of [Hub.Subscribe]. Nil means: begin now, and return a gap as an error.
type SubscribeOptions struct {
	// After is the position of the last event that the subscriber has. Zero: none
	After eventlog.Position

	// Seek defines where to begin if After is zero, or not a position of this log. Nil: now
	Seek *eventlog.Start

	// OnGap is called when matching events are missing. If it returns nil, the sequence continues with the retained events, or where Seek
	// says if After is not a position of this log; an error ends the sequence. Nil: a gap ends the sequence with a *[GapError]
	OnGap func(Gap) error
}

// Subscribe returns the events that match a selector, in the order of the log, as they are stored. It is for code in the same process, like
// [Hub.Publish]: it does not call [Options.Authorize], and does not count as a stream. A slow subscriber reads the log at its own pace and
// delays no others.
//
// The sequence ends without an error when all topics have ended. Otherwise its last element is the error: of ctx, of OnGap or of the log,
// [ErrDraining], or a *[GapError].
func (h *Hub) Subscribe(ctx context.Context, s eventlog.Selector, o *SubscribeOptions) iter.Seq2[Received, error] {
	l := &local{hub: h, selector: s}
	if o != nil {
		l.opts = *o
	}
	return func(yield func(Received, error) bool) {
		if err := l.run(ctx, yield); err != nil && !errors.Is(err, errBroke) {
			yield(Received{}, err)
		}
	}
}

// local is a subscription in this process.
type local struct {
	hub      *Hub
	selector eventlog.Selector
	opts     SubscribeOptions
}

// errBroke means that the loop over the sequence has ended.
var errBroke = errors.New("the loop has ended")

func (l *local) run(ctx context.Context, yield func(Received, error) bool) error {
	h := l.hub
	if !h.opened.Load() {
		return h.unopened()
	}
	q, err := l.start(ctx)
	for err == nil {
		stored := h.stored.next() // before the read, so that nothing is stored between the read and the wait
		var found eventlog.Answer
		found, err = h.log.Read(ctx, q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			q = gap.Partial(q)
			err = l.gap(ctx, Gap{Reason: gap.Reason, From: gap.From.String(), To: gap.To}, q.After)
			continue
		}
		if err == nil {
			err = l.yield(ctx, found.Records, found.Complete.Gen, yield)
		}
		if before := q.After; err == nil {
			if q.After = found.Complete; q.After == before {
				err = l.wait(ctx, stored)
			}
		}
	}
	if errors.Is(err, ErrComplete) {
		return nil
	}
	return err
}

// start returns the query of the first read. The error is ErrComplete if all topics have ended before it.
func (l *local) start(ctx context.Context) (eventlog.Query, error) {
	from := Start{Seek: l.opts.Seek}
	if !l.opts.After.IsZero() {
		from.Positions = []string{l.opts.After.String()}
	}
	st, err := l.open(ctx, from, l.opts.OnGap == nil)
	if err != nil {
		return eventlog.Query{}, err
	}
	if gap := st.Gap(); gap != nil {
		err = l.gap(ctx, *gap, st.At())
	}
	return st.Query(), err
}

// open finds the position where the subscription begins. It opens a stream without a connection and closes it.
func (l *local) open(ctx context.Context, from Start, failOnGap bool) (*fanout.Stream, error) {
	st, err := l.hub.fanout.Open(ctx, &fanout.Subscription{Selector: l.selector, From: from, Encoding: plainEncoding, FailOnGap: failOnGap})
	if err == nil {
		st.Close()
	}
	return st, err
}

// gap reports a gap, after which the subscription continues at a position. The error is ErrComplete if nothing can follow.
func (l *local) gap(ctx context.Context, g Gap, at eventlog.Position) error {
	if l.opts.OnGap == nil {
		return &GapError{Gap: g}
	}
	if err := l.opts.OnGap(g); err != nil {
		return err
	}
	_, err := l.open(ctx, Start{Positions: []string{at.String()}}, false)
	return err
}

// yield yields records. The error is errBroke if the loop has ended, and ErrComplete after the end of the last topic.
func (l *local) yield(ctx context.Context, records []eventlog.Record, gen string, yield func(Received, error) bool) error {
	for i := range records {
		r := &records[i]
		at := eventlog.Position{Gen: gen, Seq: r.Seq}
		if !yield(received(r, at), nil) {
			return errBroke
		}
		if r.Flags&eventlog.End == 0 {
			continue
		}
		if _, err := l.open(ctx, Start{Positions: []string{at.String()}}, false); err != nil {
			return err
		}
	}
	return nil
}

func received(r *eventlog.Record, at eventlog.Position) Received {
	return Received{
		Event: Event{
			Topics: r.Topics, Type: cmp.Or(r.Type, wire.DefaultType), Data: r.Data, Binary: r.Flags&eventlog.Binary != 0, ContentType: r.ContentType,
			End: r.Flags&eventlog.End != 0, Flags: r.Flags &^ (eventlog.Binary | eventlog.End),
		},
		Position: at, Time: r.Time,
	}
}

// wait waits until an event is stored.
func (l *local) wait(ctx context.Context, stored <-chan struct{}) error {
	select {
	case <-stored:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.hub.draining():
		return ErrDraining
	}
}

// signal wakes any number of goroutines that wait for something to happen. The zero value is ready.
type signal struct {
	mu sync.Mutex
	ch chan struct{} // nil if no goroutine waits
}

// next returns a channel that is closed at the next notify.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
