package redislog

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Message implements [cluster.Order]. The caller then knows the message, so Follow no longer compares it with the message that it passed on
// last.
func (o *Order) Message(ctx context.Context, seq uint64) (cluster.Message, error) {
	m, err := o.message(ctx, seq)
	_, gone := errors.AsType[*cluster.GoneError](err)
	_, back := errors.AsType[*cluster.BackError](err)
	if passed, ok := o.passed.Load().(link); ok && passed.seq == seq && (err == nil || gone || back) {
		o.passed.CompareAndSwap(passed, link{})
	}
	return m, err
}

func (o *Order) message(ctx context.Context, seq uint64) (cluster.Message, error) {
	p, err := o.page(ctx, max(seq, 1), 1, 0)
	switch {
	case err != nil:
		return cluster.Message{}, err
	case seq > p.last:
		return cluster.Message{}, &cluster.BackError{Last: p.last}
	case len(p.entries) == 0:
		return cluster.Message{}, &cluster.GoneError{First: p.last + 1}
	case p.entries[0].Seq != seq:
		return cluster.Message{}, &cluster.GoneError{First: p.entries[0].Seq}
	}
	return p.entries[0].Message, nil
}

// Bounds implements [cluster.Order]. The identity is new in every term: after each failover, and after each start of Redis. The first call in a
// term checks the settings of Redis, as Check does.
func (o *Order) Bounds(ctx context.Context) (cluster.Bounds, error) {
	p, err := o.page(ctx, 0, 1, 0)
	if err != nil {
		return cluster.Bounds{}, err
	}
	if checked, _ := o.checked.Load().(string); checked != p.identity {
		if _, err := o.Check(ctx); err != nil {
			return cluster.Bounds{}, err
		}
		o.checked.Store(p.identity)
	}
	b := cluster.Bounds{First: p.last + 1, Last: p.last, Identity: p.identity, MaxMessage: int(o.largest.Load())}
	if len(p.entries) > 0 {
		b.First = p.entries[0].Seq
	}
	o.known.Store(p.identity)
	return b, nil
}

// Create implements [cluster.Order].
func (o *Order) Create(ctx context.Context, first uint64) error {
	if _, err := o.Check(ctx); err != nil {
		return err
	}
	_, err := o.run(ctx, createScript, 0, rand.Text(), max(first, 1))
	return err
}
