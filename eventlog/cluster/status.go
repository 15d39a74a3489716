package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/plain"
)

// Ready implements [eventlog.Readier]. A log is ready when it has joined its cluster, has contact with the order, agrees with the other
// hubs, and its mirror is ready.
func (l *Log) Ready(ctx context.Context) error {
	if err := l.usable(ctx); err != nil {
		return err
	}
	v, _ := l.look()
	if err := l.unready(&v); err != nil {
		return err
	}
	l.swap.RLock()
	defer l.swap.RUnlock()
	if m, ok := l.mirror.(eventlog.Readier); ok {
		return m.Ready(ctx)
	}
	return nil
}

// unready returns the error of a log that takes no records.
func (l *Log) unready(v *view) error {
	l.mu.Lock()
	failed := l.failed
	l.mu.Unlock()
	switch {
	case failed != nil:
		return &eventlog.UnavailableError{Reason: "this hub has stopped following the shared log, and needs an operator", Err: failed}
	case v.audited.diverged:
		return &eventlog.UnavailableError{Reason: "this hub waits for a copy of another hub's log", Err: errDiverged}
	case !v.joined:
		return &eventlog.UnavailableError{Reason: "this hub has not joined its cluster yet; try again later", Err: v.trouble}
	case time.Since(v.contact) > readyWithin:
		return &eventlog.UnavailableError{
			Reason: "none of the records is stored; try again later",
			Err:    &contactError{time.Since(v.contact).Truncate(time.Second), v.trouble},
		}
	case v.mirrorGen == "":
		return eventlog.ErrNoGeneration
	}
	return nil
}

// contactError says for how long a hub has had no contact with the order, and why, if that is known.
type contactError struct {
	since time.Duration
	err   error // nil: not known
}

func (e *contactError) Error() string {
	text := fmt.Sprintf("this hub has had no contact with the shared log for %v", e.since)
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

func (e *contactError) Unwrap() error { return e.err }

// Contact implements [eventlog.Contact]: it is the last time at which this hub had every message of the order.
func (l *Log) Contact() time.Time {
	v, _ := l.look()
	return v.contact
}

// againAfter is how long Await waits before it asks the order again. A leader that was cut off or paused may answer for a moment as if it still
// led, without the messages that its successor has: see package natslog.
const againAfter = 1500 * time.Millisecond

// Await implements [eventlog.Awaiter]. It waits until the mirror has all messages that the order has at the time of the call, if the
// position is not one that the mirror knows. Then Read returns the gap. Two answers of the order have to agree that there is one.
func (l *Log) Await(ctx context.Context, p eventlog.Position) error {
	known := func() bool {
		head := l.Head()
		return p.IsZero() && head.Gen != "" || p.Gen == head.Gen && p.Seq <= head.Seq
	}
	for answers := 0; !known(); {
		pause := 100 * time.Millisecond
		if b, err := l.bounds(ctx); err == nil {
			err = l.until(ctx, func(v *view) bool { return v.following && v.seq >= b.Last && v.mirrorGen == v.gen && v.gen != "" })
			if answers++; err != nil || answers == 2 {
				return err
			}
			pause = againAfter
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		}
	}
	return nil
}

// Status implements [eventlog.Shared].
func (l *Log) Status() eventlog.SharedStatus {
	v, _ := l.look()
	s := eventlog.SharedStatus{Message: v.seq, Last: max(v.bounds.Last, v.seq), Contact: v.contact}
	if err := l.unready(&v); err != nil {
		s.Trouble = cause(err)
	}
	return s
}

// cause says in one sentence for people why the log takes no records: the cause of the error, if it has one.
func cause(err error) string {
	if u, ok := errors.AsType[*eventlog.UnavailableError](err); ok && u.Err != nil {
		return cause(u.Err)
	} else if ok {
		return u.Reason
	}
	return plain.Text(err.Error())
}

// Details is the state of a log, for people and metrics.
type Details struct {
	Hub        string    `json:"hub"`        // name of this hub
	Generation string    `json:"generation"` // in force
	Head       uint64    `json:"head"`       // newest sequence number
	Message    uint64    `json:"message"`    // number of the last message that the mirror has
	First      uint64    `json:"first"`      // number of the oldest message of the order, at the last contact
	Last       uint64    `json:"last"`       // number of the newest message of the order, at the last contact
	Contact    time.Time `json:"contact"`    // see eventlog.Contact
	Joined     bool      `json:"joined"`
	Trouble    string    `json:"trouble,omitempty"` // why the hub is not ready
	Settings   *Settings `json:"settings"`          // in force; nil: not known yet
	Digest     string    `json:"digest"`            // of the decisions up to Message
	Audited    uint64    `json:"audited"`           // last message at which another hub, or this one in the order, had the same digest
	Doubts     int       `json:"doubts"`            // audits with another digest, since the start
	Disputed   bool      `json:"disputed"`          // hubs have different digests, and the vote is not over
	Diverged   bool      `json:"diverged"`          // this hub has decided differently from most, and waits for a copy of another hub's log
	Gap        bool      `json:"gap"`               // the mirror is incomplete: it lacks messages that the order had dropped
	Changes    int       `json:"changes"`           // of the generation, since the start
	Damaged    bool      `json:"damaged"`           // a part of this hub's log is unreadable, and the hub takes a copy of another hub's
	Checked    bool      `json:"checked"`           // this hub has read its whole log since it was started
}

// Details describes the log.
func (l *Log) Details() Details {
	v, _ := l.look()
	d := Details{
		Hub: l.o.Name, Generation: v.gen, Head: v.head, Message: v.seq, First: v.bounds.First, Last: max(v.bounds.Last, v.seq), Contact: v.contact,
		Joined: v.joined, Settings: v.settings, Digest: v.digest.String(),
		Audited: v.audited.last, Doubts: v.audited.doubts, Disputed: v.audited.dispute != nil, Diverged: v.audited.diverged, Gap: v.gap, Changes: v.changes,
	}
	if err := l.unready(&v); err != nil {
		d.Trouble = plain.Text(err.Error())
	}
	l.swap.RLock()
	defer l.swap.RUnlock()
	if checker, ok := l.mirror.(eventlog.Checker); ok {
		d.Checked, d.Damaged = checker.Checked()
	}
	return d
}
