package eventlog

// hole is a range after from and up to to, in which a mirror may have lost records of any topic.
type hole struct {
	from, to uint64
	reason   Reason
}

// maxHoles is how many holes are remembered. Beyond that, the oldest two are merged, which may report gaps in between needlessly.
const maxHoles = 1000

// gap returns the gap in the answer to q, or nil. v must be of the same selector.
func (m *Memory) gap(q Query, v *view) *GapError {
	after, head := q.After, m.at(m.head)
	if after.IsZero() {
		after.Gen = m.gen
	}
	switch {
	case after.Gen != m.gen:
		return &GapError{Reason: Reset, From: q.After, To: head}
	case after.Seq > m.head:
		return &GapError{Reason: Rollback, From: q.After, To: head}
	}
	told, reason := max(after.Seq, q.Told), Trimmed
	to := v.missing(told)
	if n := len(m.holes); n > 0 && m.holes[n-1].to > told {
		to, reason = max(to, m.holes[n-1].to), m.holes[n-1].reason
	}
	if to == 0 {
		return nil
	}
	return &GapError{Reason: reason, From: q.After, To: m.at(to)}
}

// missing returns the newest record after told that matched and was lost to trimming, 0 if there is none.
//
// A forgotten topic may have lost any record up to the floor. A pattern may match a forgotten topic, and an unknown name may
// belong to one.
func (v *view) missing(told uint64) uint64 {
	if told >= v.trimmed {
		return 0
	}
	lost := uint64(0)
	lose := func(seq uint64) {
		if seq > told {
			lost, told = seq, seq
		}
	}
	if v.selector.All() {
		lose(v.gone)
	} else if !v.list(maxWalk) {
		lose(v.trimmed)
	}
	if v.known < len(v.selector.names) || len(v.selector.matchers) > 0 {
		lose(v.floor)
	}
	for _, t := range v.topics {
		lose(t.missing(v.selector, told))
	}
	return lost
}

// missing returns the newest record after told that the topic lost to trimming and that s does not find under another topic.
func (t *topic) missing(s Selector, told uint64) uint64 {
	elsewhere := above(t.elsewhere.All(), told)
	for i := len(elsewhere) - 1; i >= 0; i-- {
		if !elsewhere[i].found(s) {
			return elsewhere[i].Seq
		}
	}
	if t.lost > told {
		return t.lost
	}
	return 0
}
