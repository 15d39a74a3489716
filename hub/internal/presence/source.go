package presence

import (
	"slices"
	"time"
)

const (
	silence    = 5    // ticks after which a silent hub counts as gone; it announces itself every 2 s
	lateAfter  = 2    // ticks that a message may take longer than an announcement that was made after it
	askAgain   = 5    // ticks between two requests for a whole state
	maxSources = 1000 // more hubs than this are a fault, or an attack on the channel
)

// handover is the time after which the members of a hub that has stopped leave. News of those that come back at other hubs take a tick or two.
const handover = Grace + lateAfter*tick

// source is another hub of the cluster.
type source struct {
	hub, instance string

	number  uint64 // of its last message
	claimed uint64 // of its last message, as it says itself
	late    int64  // the tick when that was above number
	behind  bool   // messages are missing: its whole state is needed
	asked   int64  // the tick of the last request for it; 0: never

	more  bool // it has more changes than it has told
	lacks int  // ticks for which its news have been incomplete

	epoch   uint32 // counts its whole states, from 1
	taking  bool   // a whole state is coming in, without a hole so far
	sweep   uint32 // members and streams of earlier epochs are to be dropped; 0: none
	members int

	heard  int64 // the tick of its last message
	leaves int64 // the tick at which its members leave, as Table.graces counts; 0: it is alive
	away   bool  // its streams are not counted: it has stopped, or is silent
	gone   bool  // it has said that it stops
}

// mark says that a member, or a number of streams, is at another hub.
type mark struct {
	source *source
	epoch  uint32
}

// hubMark says that a member is at another hub, and what that hub says of it.
type hubMark struct {
	mark
	said
}

// Receive takes a message of another hub.
func (t *Table) Receive(p *Part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sourceOf(p.Hub, p.Instance)
	if s == nil || p.Want != "" {
		return
	}
	if p.Number != s.number+1 {
		s.behind, s.taking = true, false
	}
	s.number, s.more = p.Number, p.More
	if p.First {
		s.epoch++
		s.taking = true
	}
	for i := range p.Topics {
		t.receive(s, &p.Topics[i])
	}
	if p.Last && s.taking {
		s.behind, s.taking, s.sweep = false, false, s.epoch
	}
}

// receive takes what a hub says about a topic.
func (t *Table) receive(s *source, one *PartTopic) {
	if one.Topic == "" {
		return
	}
	topic := t.at(one.Topic)
	topic.setStreams(s, max(one.Streams, 0))
	for _, in := range one.In {
		if in.Subject != "" {
			t.arrive(topic, s, in.Subject, said{string(in.Data), max(in.Opened, 0)})
		}
	}
	wait := len(one.Out) > 0 && t.incomplete()
	for _, subject := range one.Out {
		switch m := topic.members.get(subject); {
		case m == nil:
		case wait:
			t.departLater(s, m)
		default:
			t.depart(topic, m, func(k mark) bool { return k.source == s })
		}
	}
	t.forget(topic)
}

// setStreams sets the number of streams at another hub.
func (t *Topic) setStreams(s *source, n int) {
	if n == 0 && t.others == nil {
		return
	}
	if was := t.others[s]; was.n != n && !s.away {
		t.touch()
	}
	switch {
	case n == 0:
		if delete(t.others, s); len(t.others) == 0 {
			t.others = nil
		}
	case t.others == nil:
		t.others = map[*source]streams{s: {n, s.epoch}}
	default:
		t.others[s] = streams{n, s.epoch}
	}
}

// arrive notes that a subject is present at another hub, and what that hub says of it.
func (t *Table) arrive(topic *Topic, s *source, subject string, news said) {
	m := topic.members.get(subject)
	if m == nil || m.at(s) < 0 {
		if s.members >= t.opts.MaxMembers {
			return
		}
		s.members++
	}
	if m == nil {
		m = t.add(topic, subject)
	}
	was := m.last()
	if i := m.at(s); i >= 0 {
		m.others[i] = hubMark{mark{s, s.epoch}, news}
	} else {
		m.others = append(m.others, hubMark{mark{s, s.epoch}, news})
	}
	if m.last().data != was.data {
		topic.note(subject)
	}
}

// at returns the index of the mark of a hub, below zero if there is none.
func (m *member) at(s *source) int {
	return slices.IndexFunc(m.others, func(k hubMark) bool { return k.source == s })
}

// depart drops marks of a member, and the member with the last one.
func (t *Table) depart(topic *Topic, m *member, drop func(mark) bool) {
	was := m.last()
	m.others = slices.DeleteFunc(m.others, func(k hubMark) bool {
		if drop(k.mark) {
			k.source.members--
			return true
		}
		return false
	})
	if len(m.others) == 0 {
		m.others = nil
	}
	t.less(topic, m, was)
}

// Heard notes an announcement of another hub, with the number of its last message.
func (t *Table) Heard(hub, instance string, number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sourceOf(hub, instance)
	if s == nil {
		return
	}
	if number > s.number && s.claimed <= s.number {
		s.late = t.now
	}
	s.claimed = number
}

// Bye notes that a hub stops. With the next tick its streams are not counted any more. Its members leave after the grace; until then clients
// come back at other hubs.
func (t *Table) Bye(instance string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.sources[instance]; s != nil {
		t.leaves(s, handover)
		s.gone = true
	}
}

// leaves notes that the members of a hub leave after a time, unless it is heard again.
func (t *Table) leaves(s *source, after time.Duration) {
	if s.leaves == 0 {
		s.leaves = t.graces + 1 + int64(after/tick)
	}
}

// replace notes that a new process has the name of a hub. Another process that had it has probably ended. If it is heard again, it is draining.
func (t *Table) replace(hub, instance string) {
	for _, s := range t.sources {
		if s.hub == hub && s.instance != instance {
			t.leaves(s, handover)
		}
	}
}

// sourceOf returns the hub of a message that has just come, nil if there are too many hubs.
func (t *Table) sourceOf(hub, instance string) *source {
	s := t.sources[instance]
	if s == nil {
		if instance == "" || len(t.sources) >= maxSources {
			return nil
		}
		if t.sources == nil {
			t.sources = make(map[string]*source)
		}
		s = &source{hub: hub, instance: instance, epoch: 1}
		t.sources[instance] = s
		t.replace(hub, instance)
	}
	if s.heard = t.now; !s.gone {
		s.leaves = 0
	}
	return s
}

// Want asks this hub for its whole state.
func (t *Table) Want() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sharing.wanted = true
}

// Wants returns the instances of the hubs whose whole state is needed. It returns each only now and then.
func (t *Table) Wants() (instances []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for instance, s := range t.sources {
		if s.claimed > s.number && t.now-s.late >= lateAfter {
			s.behind, s.taking = true, false // a message is lost, perhaps the last one of its whole state
		}
		if s.behind && !s.taking && s.leaves == 0 && (s.asked == 0 || t.now-s.asked >= askAgain) {
			s.asked = t.now + 1 // never 0
			instances = append(instances, instance)
		}
	}
	return instances
}
