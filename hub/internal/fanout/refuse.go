package fanout

import (
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// A hub that cannot get new events must not look alive. While the cause lasts, it ends its streams in waves and refuses new ones, so that
// clients notice the fault, or find another hub. They continue from their position, and miss nothing.

const (
	// refuseAfter is the time that streams wait for an unreadable log. Until then clients get only heartbeats.
	refuseAfter = time.Minute

	// IsolatedAfter is the time that streams wait for contact with the shared log. It is shorter than refuseAfter, because another hub
	// may have contact. It also limits how long an isolated hub serves a token that another hub has revoked.
	IsolatedAfter = 15 * time.Second

	// quietAfter is the time without contact after which the hub is not ready: load balancers send new clients elsewhere.
	quietAfter = 5 * time.Second

	contactCheck = time.Second
)

// causes are the causes for which streams are refused.
type causes struct{ bits atomic.Uint32 }

const (
	causeUnreadable = 1 << iota // the log cannot be read
	causeIsolated               // the log has no contact with the shared log
)

// add adds a cause, and reports whether it is the first one.
func (c *causes) add(cause uint32) bool { return c.bits.Or(cause) == 0 }

func (c *causes) remove(cause uint32) { c.bits.And(^cause) }

// err returns the error of [Fanout.Open].
func (c *causes) err() error {
	switch bits := c.bits.Load(); {
	case bits == 0:
		return nil
	case bits&causeUnreadable != 0:
		return ErrUnreadable
	default:
		return ErrIsolated
	}
}

// refuse ends all streams, and refuses new ones until the cause is removed.
func (f *Fanout) refuse(cause uint32, why string) {
	if !f.refusing.add(cause) {
		return
	}
	f.opts.Logger.Error(why + "; all streams end, and new ones are refused for now")
	for _, s := range f.shards {
		s.post(s.endAll)
	}
}

// endAll ends the streams of the shard in waves.
func (s *shard) endAll() {
	var all []*subscriber
	s.each(func(sub *subscriber) { all = append(all, sub) })
	s.endInWaves(all, func(sub *subscriber) {
		if sub.stage != closed {
			sub.via.leave(Failed)
		}
	})
}

// watchContact ends the streams when the log has no contact with the shared log, and accepts new ones when it is back.
func (f *Fanout) watchContact() {
	log, ok := f.log.(eventlog.Contact)
	if !ok {
		return
	}
	tick := time.NewTicker(contactCheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-f.draining:
			return
		case <-f.ctx.Done():
			return
		}
		if time.Since(log.Contact()) > IsolatedAfter {
			f.refuse(causeIsolated, "the hub has no contact with the shared log")
		} else {
			f.refusing.remove(causeIsolated)
		}
	}
}

// Refuses reports whether a fault of the log makes the hub refuse all streams. It has ended those that were open.
func (f *Fanout) Refuses() bool { return f.refusing.err() != nil }

// Ready returns ErrUnreadable if the last read of the log for the window failed, ErrIsolated if the log has had no contact with the
// shared log for some seconds, and otherwise nil.
func (f *Fanout) Ready() error {
	if f.unread.Load() {
		return ErrUnreadable
	}
	if log, ok := f.log.(eventlog.Contact); ok && time.Since(log.Contact()) > quietAfter {
		return ErrIsolated
	}
	return nil
}
