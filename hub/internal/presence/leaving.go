package presence

import (
	"math"
	"slices"
)

// expire lets some members leave whose grace is over. It reports whether there are more.
func (t *Table) expire() (more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range step {
		topic, m := t.leaving.next(t.graces)
		if m == nil {
			return false
		}
		t.left(topic, m)
		t.forget(topic)
	}
	return true
}

// Revoked notes that grants were revoked. Subjects whose last stream had one of them leave with the next tick.
func (t *Table) Revoked() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked = true
}

// expireRevoked lets members leave whose grant was revoked during their grace.
func (t *Table) expireRevoked() {
	t.mu.Lock()
	revoked := t.revoked
	t.revoked = false
	t.mu.Unlock()
	if !revoked {
		return
	}
	for slot := range t.leaving {
		for i := math.MaxInt; i > 0; {
			i = t.expireRevokedOf(slot, i)
		}
	}
}

// expireRevokedOf visits some of the first n members of a slot, from the last one to the first. It returns how many are left to visit. Members that
// others remove or add meanwhile only move those that were visited.
func (t *Table) expireRevokedOf(slot, n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n = min(n, len(t.leaving[slot]))
	for range min(n, step) {
		n--
		one := t.leaving[slot][n]
		if one.revoked == nil || !one.revoked() {
			continue
		}
		t.leaving.remove(one.member)
		t.left(one.topic, one.member)
		t.forget(one.topic)
	}
	return n
}

// leaving has the members without a stream whose grace is not over, by the tick at which it ends, as Table.graces counts. Each is in it once.
type leaving [Grace/tick + 2][]seat

// seat is the place of a member in a slot.
type seat struct {
	topic   *Topic
	member  *member
	revoked func() bool // whether the grant of its last stream was revoked; may be nil
}

// add adds a member whose last stream has ended during a tick. Its grace ends with the first tick that is at least Grace later.
func (l *leaving) add(one seat, now int64) {
	i := (now + 1 + int64(Grace/tick)) % int64(len(l))
	one.member.slot, one.member.seat = int8(i)+1, int32(len(l[i]))
	l[i] = append(l[i], one)
}

// remove removes a member that has a stream again.
func (l *leaving) remove(m *member) {
	if m.slot == 0 {
		return
	}
	slot := &l[m.slot-1]
	last := len(*slot) - 1
	(*slot)[m.seat] = (*slot)[last]
	(*slot)[m.seat].member.seat = m.seat
	(*slot)[last] = seat{}
	if *slot = (*slot)[:last]; last < cap(*slot)/4 {
		*slot = slices.Clone(*slot)
	}
	m.slot = 0
}

// next removes and returns a member whose grace ends with a tick, nil if there are no more.
func (l *leaving) next(now int64) (*Topic, *member) {
	slot := l[now%int64(len(l))]
	if len(slot) == 0 {
		return nil, nil
	}
	found := slot[len(slot)-1]
	l.remove(found.member)
	return found.topic, found.member
}
