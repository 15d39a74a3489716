package disklog

import (
	"bytes"
	"math"

	"github.com/tidings-sse/tidings/eventlog"
)

// Whether something is missing is asked in the order of what the answer costs: nothing at all has been trimmed after the
// position; nothing of the topics that share a mark; nothing of the topic. Only the last reads, one key in most cases, and
// one more for each record that the topic has trimmed while another one still has it.

// start checks the position that a reader comes with.
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

// hole returns the last hole after a number, by its end and reason.
func (s *store) hole(after uint64) (to uint64, reason eventlog.Reason) {
	holes := *s.holes.Load()
	if n := len(holes); n > 0 && holes[n-1].to > after {
		return holes[n-1].to, holes[n-1].reason
	}
	return 0, ""
}

// mayMiss reports whether anything that is selected may be missing after a number. It reads nothing.
func (s *store) mayMiss(sel *eventlog.Selector, after uint64) bool {
	t := s.trim.Load()
	if max(t.trimmed, t.floor) <= after {
		return false
	}
	if len(sel.Matchers()) > 0 || t.floor > after {
		return true
	}
	for _, name := range sel.Names() {
		if s.marks.of(name).trimmed.Load() > after {
			return true
		}
	}
	return false
}

// gap returns the gap that a reader has after a number, or nil.
func (v *view) gap(sel *eventlog.Selector, from eventlog.Position, after uint64) (*eventlog.GapError, error) {
	to, reason := v.s.hole(after)
	if v.s.mayMiss(sel, after) {
		lost, err := v.lost(sel, after)
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

// lost returns the newest record that is selected, comes after a number, and was trimmed; 0 if there is none.
func (v *view) lost(sel *eventlog.Selector, after uint64) (uint64, error) {
	if sel.All() {
		// Whatever is there can be read; this is from memory, and warns of what is being trimmed at this moment.
		return above(max(v.trim.gone, v.trim.floor), after), nil
	}
	newest := uint64(0)
	for _, name := range sel.Names() {
		if v.trim.floor <= after && v.s.marks.of(name).trimmed.Load() <= after {
			continue
		}
		lost, err := v.lostByTopic(sel, name, after)
		if err != nil {
			return 0, err
		}
		newest = max(newest, lost)
	}
	if len(sel.Matchers()) == 0 {
		return newest, nil
	}
	lost, err := v.lostByRule(sel, after)
	return max(newest, lost), err
}

func above(n, after uint64) uint64 {
	if n > after {
		return n
	}
	return 0
}

// lostByTopic is lost for one topic.
func (v *view) lostByTopic(sel *eventlog.Selector, topic string, after uint64) (uint64, error) {
	v.key = topicKey(v.key[:0], topic)
	value, ok, err := v.find(v.key)
	if err != nil {
		return 0, err
	}
	if ok {
		return v.lostByState(sel, topic, value, after)
	}
	if v.trim.floor <= after {
		return 0, nil
	}
	// It never lost anything, or it was forgotten. If it has records it is known, and the former is true.
	v.key = appendName(v.key[:0], kindIndex, topic)
	if v.it.SeekGE(v.key) && bytes.HasPrefix(v.it.Key(), v.key) {
		return 0, nil
	}
	return v.trim.floor, v.it.Error()
}

func (v *view) lostByState(sel *eventlog.Selector, topic string, value []byte, after uint64) (uint64, error) {
	state, err := decodeTopicState(value)
	if err != nil || state.trimmed <= after {
		return 0, err
	}
	lost := above(state.gone, after)
	// From the newest on down: what the topic has trimmed and another one still has is lost to those who do not want
	// that other one.
	prefix := appendName(nil, kindGhost, topic)
	for ok := v.it.SeekLT(appendSeq(prefix[:len(prefix):len(prefix)], state.trimmed+1)); ok && bytes.HasPrefix(v.it.Key(), prefix); {
		seq := seqOf(v.it.Key())
		if seq <= max(after, lost) {
			break
		}
		r, err := v.event(seq)
		switch {
		case isCorrupt(err): // nor can it be read by the other one
			return seq, nil
		case err != nil:
			return 0, err
		}
		readable, err := v.selects(sel, &r)
		if err != nil {
			return 0, err
		}
		if !readable {
			return seq, nil
		}
		ok = v.it.SeekLT(appendSeq(prefix[:len(prefix):len(prefix)], seq))
	}
	return lost, v.it.Error()
}

// lostTopics is how many topics under a prefix are looked at, before a reader is rather warned in vain.
const lostTopics = 100_000

// lostByRule is lost for the topics that a matcher selects.
func (v *view) lostByRule(sel *eventlog.Selector, after uint64) (uint64, error) {
	newest := above(v.trim.floor, after)
	seen := 0
	for _, prefix := range sel.Prefixes() {
		from := appendEscaped([]byte{kindTopic}, prefix)
		for ok := v.it.SeekGE(from); ok && bytes.HasPrefix(v.it.Key(), from); {
			topic, _, whole := cutName(v.it.Key()[1:])
			if !whole {
				return 0, corrupt("topic state", "its key is cut off")
			}
			if seen++; seen > lostTopics {
				return max(newest, v.trim.trimmed), nil
			}
			if !sel.Match(topic) {
				ok = v.it.Next()
				continue
			}
			lost, err := v.lostByState(sel, topic, bytes.Clone(v.it.Value()), max(after, newest))
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
	return newest, nil
}
