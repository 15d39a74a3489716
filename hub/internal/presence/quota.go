package presence

// quota counts the members of a holder. It is gone when there are none.
type quota struct {
	holder  string
	members int
}

// leastShare is the smallest share of a holder, so that streams with many topics work at hubs with a low limit, too.
const leastShare = 100

// Share returns how many members one holder may have at all topics of this hub: a hundredth of MaxMembers, and at least 100.
func (o Options) Share() int { return max(o.MaxMembers/100, leastShare) }

// room returns an error if n members more of a holder are too many.
func (t *Table) room(n int, holder string) error {
	if q := t.quotas[holder]; n > 0 && holder != "" && n > t.opts.Share()-q.count() {
		return ErrShare
	}
	if n > t.opts.MaxMembers-t.members {
		return ErrFull
	}
	return nil
}

func (q *quota) count() int {
	if q == nil {
		return 0
	}
	return q.members
}

// charge counts a member for a holder until discharge, unless the holder is empty.
func (t *Table) charge(m *member, holder string) {
	if holder == "" {
		return
	}
	if m.quota = t.quotas[holder]; m.quota == nil {
		m.quota = &quota{holder: holder}
		t.quotas[holder] = m.quota
	}
	m.quota.members++
}

func (t *Table) discharge(m *member) {
	q := m.quota
	if q == nil {
		return
	}
	m.quota = nil
	if q.members--; q.members == 0 {
		delete(t.quotas, q.holder)
	}
}
