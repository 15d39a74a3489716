package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Times of a message under way.
const (
	repeatAfter = 2 * time.Second       // a message without an outcome is published again, with the same identifier
	leaderAfter = 50 * time.Millisecond // the same, if the order has a new leader, which may not know of the message
	giveUpAfter = 30 * time.Second      // its outcome is not known; far below DuplicateWindow
	refuseAfter = 5 * time.Second       // a message that the order refuses for the moment is refused
	queueAfter  = 10 * time.Second      // an Append that was not sent yet is refused
	aloneAfter  = 15 * time.Second      // without contact, an election has failed: messages under way are given up
)

// Append implements [eventlog.Log]. The records travel through the order. When they come back, this hub's mirror decides on them, and Append
// returns its receipts. The errors are those of the mirror, and in addition a *SizeError if the records are larger than a message of the
// order, [eventlog.ErrUnavailable] if nothing is stored because the order cannot be reached, and [ErrUnknown] if the outcome is not known.
func (l *Log) Append(ctx context.Context, records []eventlog.Record) ([]eventlog.Receipt, error) {
	if err := l.usable(ctx); err != nil {
		return nil, err
	}
	if err := eventlog.CheckBatch(records); err != nil || len(records) == 0 {
		return nil, err
	}
	v, _ := l.look()
	if err := l.unready(&v); err != nil {
		return nil, err
	}
	size := 0
	for i := range records {
		size += records[i].Size()
	}
	r := &request{count: len(records), since: time.Now(), done: make(chan result, 1)}
	r.body, _ = appendBatch(make([]byte, 0, size), records, nil)
	if most := v.bounds.MaxMessage - frameMost; len(r.body) > most {
		return nil, &eventlog.SizeError{What: "records as a message of the shared log", Size: len(r.body), Max: most}
	}
	l.appends.put(r)
	select {
	case end := <-r.done:
		return end.receipts, end.err
	case <-ctx.Done():
		l.appends.remove(r) // if it is not queued, it is under way
		return nil, ctx.Err()
	case <-l.ctx.Done():
		return nil, context.Cause(l.ctx)
	}
}

func (l *Log) usable(ctx context.Context) error {
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	return ctx.Err()
}

// sending sends messages, one after the other. Several goroutines run it.
func (l *Log) sending() {
	for l.ctx.Err() == nil {
		select {
		case l.appends.turn <- struct{}{}:
		case <-l.ctx.Done():
			return
		}
		v, _ := l.look()
		requests := l.appends.gather(l.ctx, v.bounds.MaxMessage-frameMost)
		next := sync.OnceFunc(func() { <-l.appends.turn })
		timer := time.AfterFunc(turnTime, next)
		for len(requests) > 0 && l.send(requests) {
		}
		timer.Stop()
		next()
	}
}

// send sends a message and waits for its outcome. It returns true if all mirrors have skipped the message because it was under way for too
// long. Then it can be sent again as a new one.
func (l *Log) send(requests []*request) (again bool) {
	v, _ := l.look()
	b := beginFrame(make([]byte, 0, sizeOf(requests)), kindRecords, v.orderTime(), l.date(), v.hint())
	for _, r := range requests {
		b = append(b, r.body...)
	}
	sealFrame(b)
	f := l.appends.launch(l.ctx, l.self, requests)
	defer f.cancel()
	err := l.deliver(f, b)
	if err != nil && l.appends.take(f.id) != nil { // otherwise it has landed in the meantime
		refuse(requests, err)
		return false
	}
	<-f.ctx.Done()
	return f.stale
}

func sizeOf(requests []*request) int {
	n := frameMost
	for _, r := range requests {
		n += len(r.body)
	}
	return n
}

// deliver publishes a message until it is stored. Its requests get the error.
func (l *Log) deliver(f *flight, data []byte) error {
	began, stored, pause, to := time.Now(), false, 50*time.Millisecond, ""
	for {
		attempt := time.Now()
		if !stored { // otherwise only the order that may have the message knows its identifier
			v, _ := l.look()
			to = v.bounds.Identity
		}
		err := l.publish(f, to, data)
		if errors.Is(err, ErrReplaced) {
			l.kick() // learns the identity
		}
		refused, definite := errors.AsType[*RefusedError](err)
		stored = stored || !definite // or perhaps stored
		wait := repeatAfter - time.Since(attempt)
		switch {
		case definite && !stored && !refused.Later:
			return &eventlog.UnavailableError{Reason: "the shared log has refused the records, and none of them is stored", Err: err}
		case definite && !stored && time.Since(began) > refuseAfter:
			return &eventlog.UnavailableError{Reason: "the shared log accepts no messages, and none of the records is stored; try again later", Err: err}
		case definite:
			wait, pause = pause, min(2*pause, time.Second)
		case errors.Is(err, ErrNewLeader):
			wait = leaderAfter
		}
		if time.Since(began) > giveUpAfter || stored && l.alone() {
			return ErrUnknown
		}
		timer := time.NewTimer(max(wait, 0))
		select {
		case <-f.ctx.Done():
			timer.Stop()
			return context.Cause(l.ctx) // nil if the message has landed
		case <-timer.C:
		}
	}
}

// alone reports whether the hub has had no contact with the order for longer than an election takes.
func (l *Log) alone() bool {
	v, _ := l.look()
	return time.Since(v.contact) > aloneAfter
}

// publish publishes a message once. It returns early when the message has landed.
func (l *Log) publish(f *flight, to string, data []byte) error {
	ctx, cancel := context.WithTimeout(f.ctx, repeatAfter)
	defer cancel()
	return l.order.Publish(ctx, to, f.id, data)
}

// orderTime returns the current time of the shared log in milliseconds, as far as this hub knows. It is never behind the clock of this hub:
// the newest message may be old although it has only just arrived.
func (v *view) orderTime() int64 {
	now := time.Now()
	if known := v.newest.Add(now.Sub(v.arrived)); !v.arrived.IsZero() && known.After(now) {
		return known.UnixMilli()
	}
	return now.UnixMilli()
}

// learn notes the time of a message that has just arrived, outside of take. A hub that has lost its place follows nothing: without it, the hub
// would not notice a jump of the order's clock, and all it publishes would count as too late.
func (l *Log) learn(t time.Time) {
	l.show(func(v *view) {
		if now := time.Now(); v.arrived.IsZero() || t.After(v.newest.Add(now.Sub(v.arrived))) {
			v.newest, v.arrived = t, now
		}
	})
}

func (v *view) hint() hint { return hint{v.seq, v.chain} }

// tidy refuses the requests that have waited in the queue for too long.
func (l *Log) tidy() {
	refuse(l.appends.late(time.Now().Add(-queueAfter)),
		&eventlog.UnavailableError{Reason: "the shared log does not answer, and none of the records is stored; try again later"})
}
