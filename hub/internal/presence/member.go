package presence

import (
	"slices"
	"time"
)

// member is a subject at a topic.
type member struct {
	subject string
	here    bool  // it has a stream at this hub, or its grace is not over
	streams int32 // at this hub
	own     said  // what this hub says of it; zero if it is not here

	seat int32 // index in its slot of Table.leaving
	slot int8  // 1 + the slot; 0: it is not leaving

	others []hubMark // where else it is present
	quota  *quota    // which counts it while it is here; nil: none
}

func (m *member) key() string { return m.subject }

// said is what a hub says of a member: the data of the stream that was opened last at that hub.
type said struct {
	data   string // JSON; may be empty
	opened int64  // when the stream was opened, in microseconds since 1970; see member.join
}

// last returns what counts of a member: the data of the stream that was opened last. All hubs know the same, and so find the same.
func (m *member) last() said {
	last := m.own
	for _, k := range m.others {
		if k.opened > last.opened || k.opened == last.opened && k.data > last.data {
			last = k.said
		}
	}
	return last
}

// join sets the data of a new stream. Streams of other hubs of which this one knows were opened before, whatever the clocks of their hubs say.
func (m *member) join(data string, now time.Time) {
	m.own = said{data, max(now.UnixMicro(), m.last().opened+1)}
}

// Stay is the presence of one stream at topics.
type Stay struct {
	table   *Table
	topics  []*Topic
	subject string
}

// Join makes a subject present at topics, with data, until [Stay.Leave]. If the subject is empty, only the stream counts. New members count
// for the share of a holder, see [Options.Share]. The error is [ErrShare] or [ErrFull]; the subject then joins no topic.
func (t *Table) Join(names []string, subject, data, holder string) (*Stay, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if subject != "" {
		if err := t.room(t.newAt(names, subject), holder); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	stay := &Stay{table: t, subject: subject, topics: make([]*Topic, len(names))}
	for i, name := range names {
		topic := t.at(name)
		topic.streams++
		if stay.topics[i] = topic; subject != "" {
			t.join(topic, subject, data, holder, now)
		}
		topic.touch()
		topic.share("")
	}
	return stay, nil
}

// newAt returns at how many topics a subject would be a new member of this hub.
func (t *Table) newAt(names []string, subject string) (n int) {
	for _, name := range names {
		topic := t.topics[name]
		if topic == nil {
			n++
		} else if m := topic.members.get(subject); m == nil || !m.here {
			n++
		}
	}
	return n
}

func (t *Table) join(topic *Topic, subject, data, holder string, now time.Time) {
	m := topic.members.get(subject)
	if m == nil {
		m = t.add(topic, subject)
	}
	if m.last().data != data {
		topic.note(subject)
	}
	m.join(data, now)
	topic.share(subject) // also with the same data, which now counts more than that of other hubs
	if !m.here {
		m.here = true
		t.members++
		t.charge(m, holder)
	}
	m.streams++
	t.leaving.remove(m)
}

// add adds a member that was at no hub.
func (t *Table) add(topic *Topic, subject string) *member {
	m := &member{subject: subject}
	topic.members.add(m)
	t.present++
	topic.note(subject)
	return m
}

// Leave ends the presence of the stream. If it was the last one of its subject, the subject leaves after [Grace], or at once. Leave is called
// once.
func (s *Stay) Leave(atOnce bool) {
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, topic := range s.topics {
		topic.streams--
		topic.touch()
		topic.share("")
		if s.subject != "" {
			t.leave(topic, s.subject, atOnce)
		}
		t.forget(topic)
	}
}

func (t *Table) leave(topic *Topic, subject string, atOnce bool) {
	m := topic.members.get(subject)
	if m.streams--; m.streams > 0 {
		return
	}
	if atOnce {
		t.left(topic, m)
		return
	}
	t.leaving.add(topic, m, t.graces)
}

// left removes a member from this hub.
func (t *Table) left(topic *Topic, m *member) {
	was := m.last()
	m.here, m.own = false, said{}
	t.members--
	t.discharge(m)
	topic.share(m.subject)
	t.less(topic, m, was)
}

// less notes that a member is at one hub less. What counted of it before may have been said by that hub.
func (t *Table) less(topic *Topic, m *member, was said) {
	switch {
	case !m.here && len(m.others) == 0:
		t.drop(topic, m)
	case m.last().data != was.data:
		topic.note(m.subject)
	}
}

// drop removes a member that is at no hub.
func (t *Table) drop(topic *Topic, m *member) {
	topic.members.remove(m.subject)
	t.present--
	topic.note(m.subject)
}

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

// leaving has the members without a stream whose grace is not over, by the tick at which it ends, as Table.graces counts. Each is in it once.
type leaving [Grace/tick + 2][]seat

// seat is the place of a member in a slot.
type seat struct {
	topic  *Topic
	member *member
}

// add adds a member whose last stream has ended during a tick. Its grace ends with the first tick that is at least Grace later.
func (l *leaving) add(topic *Topic, m *member, now int64) {
	slot := &l[(now+1+int64(Grace/tick))%int64(len(l))]
	m.slot, m.seat = int8((now+1+int64(Grace/tick))%int64(len(l)))+1, int32(len(*slot))
	*slot = append(*slot, seat{topic, m})
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
