package eventlog

// hole is what a mirror could not get: the records after from and up to to, of whatever topics.
type hole struct {
	from, to uint64
	reason   Reason
}

// maxHoles are remembered one by one; beyond that the oldest two become one, which may warn readers in between in vain.
const maxHoles = 1000

// gap returns what an answer to q would lack, or nil. v is of the same selector.
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

// missing returns the newest record after told that matched and was lost by trimming; 0 if there is none.
//
// The floor stands for the topics that are forgotten. A pattern may have matched one of them, a name did if it is unknown.
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

// missing returns the newest record after told that the topic has lost by trimming and s does not find under another one.
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
