package presence

import "time"

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

	// Revoked reports whether the grant of the stream was revoked. The subject then leaves without a grace. Set it before other calls; it must not
	// call the table. Nil: never
	Revoked func() bool
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
	atOnce = atOnce || s.Revoked != nil && s.Revoked()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, topic := range s.topics {
		topic.streams--
		topic.touch()
		topic.share("")
		if s.subject != "" {
			t.leave(topic, s, atOnce)
		}
		t.forget(topic)
	}
}

func (t *Table) leave(topic *Topic, s *Stay, atOnce bool) {
	m := topic.members.get(s.subject)
	if m.streams--; m.streams > 0 {
		return
	}
	if atOnce {
		t.left(topic, m)
		return
	}
	t.leaving.add(seat{topic, m, s.Revoked}, t.graces)
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
