package redislog

import (
	"context"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// link is a message of the chain: its number, and its identifier as text.
type link struct {
	seq uint64
	id  string
}

// Follow implements [cluster.Order]. It reads pages with a script, which also returns the identity of the master. At the end it waits
// with XREAD for the next message, for a second at most, and then checks again. It returns [cluster.ErrReplaced] if the master is not
// the one that Bounds described last.
func (o *Order) Follow(ctx context.Context, from uint64, take func([]cluster.Message) error) error {
	if err := o.begin(); err != nil { // Close waits for take
		return err
	}
	defer o.calls.Done()

	identity, _ := o.known.Load().(string)
	var newest link // the message before from; its id is "" if it is not known
	if passed, ok := o.passed.Load().(link); ok && passed.id != "" && passed.seq+1 == from {
		newest = passed
	}
	for {
		p, err := o.page(ctx, max(from, 1), pageMessages, o.wait)
		if err != nil {
			return err
		}
		if identity == "" {
			identity = p.identity
		}
		switch {
		case p.identity != identity, newest.id != "" && p.before != "" && p.before != newest.id:
			return cluster.ErrReplaced
		case from > p.last+1:
			return &cluster.BackError{Last: p.last}
		case from <= p.last && len(p.entries) == 0:
			return &cluster.GoneError{First: p.last + 1}
		case len(p.entries) > 0 && p.entries[0].Seq != from:
			return &cluster.GoneError{First: p.entries[0].Seq}
		}
		if newest.id == "" {
			newest = link{from - 1, p.before}
		}
		entries := p.entries
		if len(entries) == 0 {
			if entries, err = o.next(ctx, from); err != nil {
				return err
			}
			if o.wait > 0 {
				continue // the next page has the message when the replicas have it
			}
		}
		messages := make([]cluster.Message, 0, len(entries))
		for _, e := range entries {
			if e.Seq != from+uint64(len(messages)) {
				break // a message is missing; the next page says so
			}
			if newest.id != "" && e.previous != newest.id {
				return cluster.ErrReplaced
			}
			newest = link{e.Seq, e.ID.String()}
			messages = append(messages, e.Message)
		}
		if len(messages) == 0 {
			continue
		}
		if err := take(messages); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		from += uint64(len(messages))
		o.passed.Store(newest)
	}
}

// next waits for the message with number from, and returns it, or nothing after a while.
func (o *Order) next(ctx context.Context, from uint64) ([]entry, error) {
	return do(ctx, o, func(ctx context.Context, node *redis.Client) ([]entry, error) {
		ctx, cancel := context.WithTimeout(ctx, block+timeout) // the client would wait for ten seconds more than XREAD does
		defer cancel()
		streams, err := node.XRead(ctx, &redis.XReadArgs{
			Streams: []string{o.keys[0], strconv.FormatUint(from-1, 10) + "-0"},
			Count:   1, // the page that follows has the rest, in bounded memory
			Block:   block,
		}).Result()
		if errors.Is(err, redis.Nil) {
			return nil, nil
		}
		if err != nil {
			return nil, o.explain(err)
		}
		var entries []entry
		for _, stream := range streams {
			for _, m := range stream.Messages {
				var text [4]string
				for i, name := range []string{"p", "i", "t", "d"} {
					text[i], _ = m.Values[name].(string)
				}
				e, err := o.entry(m.ID, text[0], text[1], text[2], text[3], true)
				if err != nil {
					return nil, err
				}
				entries = append(entries, e)
			}
		}
		return entries, nil
	})
}
