package disklog

import (
	"bytes"
	"context"
	"math"

	"github.com/tidings-sse/tidings/eventlog"
)

// Gaps are found in three steps of rising cost. First: was anything trimmed after the position? Second: do the marks of the
// selected topics allow for a loss (see marks)? Third: read the state of each topic. That is usually one key, and one more for
// each record that the topic trimmed and another still has.

// start checks the position of a query.
func start(q *eventlog.Query, head eventlog.Position) error {
	switch {
	case q.After.IsZero():
		q.After.Gen = head.Gen
	case q.After.Gen != head.Gen:
		return &eventlog.GapError{Reason: eventlog.Reset, From: q.After, To: head}
	case q.After.Seq > head.Seq:
		return &eventlog.GapError{Reason: eventlog.Rollback, From: q.After, To: head}
	}
	return nil
}

// hole returns the end and reason of the last hole after a number.
func (s *store) hole(after uint64) (to uint64, reason eventlog.Reason) {
	holes := *s.holes.Load()
	if n := len(holes); n > 0 && holes[n-1].to > after {
		return holes[n-1].to, holes[n-1].reason
	}
	return 0, ""
}

// mayMiss reports whether anything selected may be missing after a number, without reading from the store.
func (s *store) mayMiss(sel *eventlog.Selector, after uint64) bool {
	t := s.trim.Load()
	if max(t.trimmed, t.floor) <= after {
		return false
	}
	if len(sel.Matchers()) > 0 || t.floor > after {
		return true
	}
	for _, name := range sel.Names() {
		if s.marks.trimmed(name) > after {
			return true
		}
	}
	return false
}

// gap returns the gap of a reader after a number, or nil.
func (v *view) gap(ctx context.Context, sel *eventlog.Selector, from eventlog.Position, after uint64) (*eventlog.GapError, error) {
	to, reason := v.s.hole(after)
	if v.s.mayMiss(sel, after) {
		lost, err := v.lost(ctx, sel, after)
		if err != nil {
			return nil, err
		}
		if to = max(to, lost); lost > 0 && reason == "" {
			reason = eventlog.Trimmed
		}
	}
	if to == 0 {
		return nil, nil
	}
	return &eventlog.GapError{Reason: reason, From: from, To: v.s.at(to)}, nil
}

// lost returns the newest selected record after a number that was trimmed; 0 if there is none.
func (v *view) lost(ctx context.Context, sel *eventlog.Selector, after uint64) (uint64, error) {
	if sel.All() {
		// Every existing record can be read. The answer comes from memory, and includes records that are being trimmed now.
		return above(max(v.trim.gone, v.trim.floor), after), nil
	}
	newest := uint64(0)
	for i, name := range sel.Names() {
		if i%256 == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if v.trim.floor <= after && v.s.marks.trimmed(name) <= after {
			continue
		}
		lost, err := v.lostByTopic(ctx, sel, name, after)
		if err != nil {
			return 0, err
		}
		newest = max(newest, lost)
	}
	if len(sel.Matchers()) == 0 {
		return newest, nil
	}
	lost, err := v.lostByRule(ctx, sel, after)
	return max(newest, lost), err
}

func above(n, after uint64) uint64 {
	if n > after {
		return n
	}
	return 0
}

// lostByTopic is lost for one topic.
func (v *view) lostByTopic(ctx context.Context, sel *eventlog.Selector, topic string, after uint64) (uint64, error) {
	v.key = topicKey(v.key[:0], topic)
	value, ok, err := v.find(v.key)
	if err != nil {
		return 0, err
	}
	if ok {
		state, err := decodeTopicState(value)
		if err != nil {
			return 0, err
		}
		return v.lostByState(ctx, sel, topic, state, after)
	}
	if v.trim.floor <= after {
		return 0, nil
	}
	// The topic lost nothing, or it was forgotten. If it has records, it was not forgotten.
	v.key = appendName(v.key[:0], kindIndex, topic)
	if v.it.SeekGE(v.key) && bytes.HasPrefix(v.it.Key(), v.key) {
		return 0, nil
	}
	return v.trim.floor, v.it.Error()
}

// elsewhereLimit limits how many records a Read checks, from each end, of those that a topic trimmed and another topic still has.
const elsewhereLimit = 2048

// lostByState is lost for a topic with a known state. A record that the topic trimmed and another topic still has is lost to
// readers that do not select the other topic.
//
// There may be very many such records. The newest are checked first: the newest loss covers all losses before it. If all of those can
// be read, the oldest are checked, and the answer is complete up to there.
func (v *view) lostByState(ctx context.Context, sel *eventlog.Selector, topic string, state topicState, after uint64) (uint64, error) {
	if state.trimmed <= after {
		return 0, nil
	}
	lost := above(state.gone, after)
	prefix := appendName(nil, kindElsewhere, topic)
	prefix = prefix[:len(prefix):len(prefix)]
	at := state.trimmed + 1
	for range elsewhereLimit {
		if !v.it.SeekLT(appendSeq(prefix, at)) || !bytes.HasPrefix(v.it.Key(), prefix) {
			return lost, v.it.Error()
		}
		if at = seqOf(v.it.Key()); at <= max(after, lost) {
			return lost, nil
		}
		if readable, err := v.readable(ctx, sel, at); err != nil || !readable {
			return at, err
		}
	}
	v.unsure = max(v.unsure, state.trimmed)
	if lost != 0 {
		return lost, nil // there may be later losses; the next Read reports them
	}
	at = after
	for range elsewhereLimit {
		if !v.it.SeekGE(appendSeq(prefix, at+1)) || !bytes.HasPrefix(v.it.Key(), prefix) {
			return 0, v.it.Error()
		}
		at = seqOf(v.it.Key())
		if readable, err := v.readable(ctx, sel, at); err != nil || !readable {
			return at, err
		}
	}
	v.head = min(v.head, at)
	return 0, nil
}

// readable reports whether a selector can read a record.
func (v *view) readable(ctx context.Context, sel *eventlog.Selector, seq uint64) (bool, error) {
	if seq%256 == 0 && ctx.Err() != nil {
		return false, ctx.Err()
	}
	r, err := v.event(seq)
	var statuses []byte
	if err == nil {
		statuses, err = v.statuses(seq)
	}
	if isCorrupt(err) {
		return false, nil // no reader can read it
	}
	return err == nil && among(sel, &r, statuses), err
}

// lostTopics is how many topics under a prefix are checked. If there are more, Read reports a gap that may be needless.
const lostTopics = 1_000_000

// lostByRule is lost for the topics that matchers select.
func (v *view) lostByRule(ctx context.Context, sel *eventlog.Selector, after uint64) (uint64, error) {
	newest := above(v.trim.floor, after)
	if v.s.losses.known(sel.Matchers(), after) {
		return newest, nil
	}
	matchers := sel.Matchers()
	learns := len(matchers) <= lossesKept  // losses remembers no more
	found := make([]uint64, len(matchers)) // the newest trimmed record for each
	left := lostTopics
	for _, prefix := range sel.Prefixes() {
		from := appendEscaped([]byte{kindTopic}, prefix)
		for ok := v.it.SeekGE(from); ok && bytes.HasPrefix(v.it.Key(), from); {
			topic, _, whole := cutName(v.it.Key()[1:])
			if !whole {
				return 0, corrupt("topic state", "its key is cut off")
			}
			if left--; left < 0 {
				return max(newest, v.trim.trimmed), nil
			} else if left%1024 == 0 && ctx.Err() != nil {
				return 0, ctx.Err()
			}
			state, err := decodeTopicState(v.it.Value())
			if err != nil {
				return 0, err
			}
			wanted := sel.Match(topic)
			if wanted && learns {
				for i, m := range matchers {
					if m.Match(topic) {
						found[i] = max(found[i], state.trimmed)
					}
				}
			}
			if !wanted || state.trimmed <= max(after, newest) {
				ok = v.it.Next()
				continue
			}
			lost, err := v.lostByState(ctx, sel, topic, state, max(after, newest))
			if err != nil {
				return 0, err
			}
			newest = max(newest, lost)
			ok = v.it.SeekGE(append(topicKey(nil, topic), math.MaxUint8))
		}
		if err := v.it.Error(); err != nil {
			return 0, err
		}
	}
	if learns {
		for i, m := range matchers {
			v.s.losses.learn(m, found[i], v.chunks)
		}
	}
	return newest, nil
}
