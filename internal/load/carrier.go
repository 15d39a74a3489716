package load

import (
	"context"
	"net/http"
)

// carrier holds connections: it opens them, and feeds followers with what comes. Followers call it, and it calls them, with
// their ledger locked.
//
// A connection begun ends in one of two ways: run.opened and later run.closed, or run.closed at once; unless it was dropped.
type carrier interface {
	open(f *follower, req *http.Request)
	drop(f *follower)
	stop() // drops all, and waits for what was started
}

// setCarriers finds out who carries what: whoever reads slowly needs no speed.
func (r *run) setCarriers(ctx context.Context) error {
	fast, err := newEpoll(ctx, r)
	if err != nil {
		return err
	}
	slowly := newStreams(r)
	r.carriers = []carrier{slowly}
	if fast != nil {
		r.carriers = append(r.carriers, fast)
	}
	for i, f := range r.followers {
		f.via, f.ledger = slowly, r.ledgers[i%len(r.ledgers)]
		if fast != nil && f.kind != slow {
			f.via = fast
			fast.take(f)
		}
	}
	return nil
}
