package presence

import (
	"github.com/tidings-sse/tidings/internal/wire"
)

// Topic is what a table knows about a topic. The table forgets topics without members, streams and watchers.
type Topic struct {
	table *Table
	name  string

	members ordered[*member]
	streams int // at this hub, those without a subject included
	others  map[*source]streams
	unsent  map[string]struct{} // subjects that have changed at this hub, for other hubs; nil: it is not in sharing.unsent

	watchers int
	dirty    bool                // it is in Table.changed
	whole    bool                // the next message is the whole state
	changed  map[string]struct{} // subjects that have changed since the last message
	toldAt   int64               // tick of the last message
	version  uint64              // of the last message
	serial   uint64              // counts changes

	text   string // the whole state at some serial number
	textAt uint64
}

// streams is a number of streams at another hub, in the epoch when the hub said it.
type streams struct {
	n     int
	epoch uint32
}

func (t *Topic) key() string { return t.name }

// Name returns the name of the topic.
func (t *Topic) Name() string { return t.name }

// at returns a topic, which it adds if it is new.
func (t *Table) at(name string) *Topic {
	topic := t.topics[name]
	if topic == nil {
		topic = &Topic{table: t, name: name}
		t.topics[name] = topic
		t.names.add(topic)
	}
	return topic
}

// forget removes a topic of which nothing is left to know.
func (t *Table) forget(topic *Topic) {
	if topic.empty() && t.topics[topic.name] == topic {
		delete(t.topics, topic.name)
		t.names.remove(topic.name)
	}
}

func (t *Topic) empty() bool {
	return t.watchers == 0 && t.streams == 0 && t.members.len() == 0 && len(t.others) == 0
}

func (t *Topic) count() Count {
	n := Count{t.streams, t.members.len()}
	for s, others := range t.others {
		if !s.away {
			n.Streams += others.n
		}
	}
	return n
}

// touch notes that the topic has changed, so that its watchers are told.
func (t *Topic) touch() {
	t.serial++
	if t.watchers > 0 && !t.dirty {
		t.dirty = true
		t.table.changed = append(t.table.changed, t)
	}
}

// note is touch for a change of a subject: the next message has its state. That is so even if the change is undone before, because a watcher may
// have got the state in between.
func (t *Topic) note(subject string) {
	t.touch()
	switch _, noted := t.changed[subject]; {
	case t.watchers == 0 || t.whole || noted:
	case t.members.len() > Listed || len(t.changed) >= Listed:
		t.whole, t.changed = true, nil
	default:
		if t.changed == nil {
			t.changed = make(map[string]struct{})
		}
		t.changed[subject] = struct{}{}
	}
}

// Watch counts one watcher more for each topic, until [Table.Unwatch].
func (t *Table) Watch(names []string) []*Topic {
	t.mu.Lock()
	defer t.mu.Unlock()
	topics := make([]*Topic, len(names))
	for i, name := range names {
		topics[i] = t.at(name)
		topics[i].watchers++
	}
	return topics
}

// Unwatch counts one watcher less for each topic.
func (t *Table) Unwatch(topics []*Topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, topic := range topics {
		if topic.watchers--; topic.watchers == 0 {
			topic.changed, topic.text = nil, ""
			t.forget(topic)
		}
	}
}

// State returns the whole state of a topic as the data of a presence event: its members if they are few, otherwise their number. It includes
// all messages up to a version. Watchers to which it is sent must not get these messages later.
func (t *Topic) State() (data string, version uint64) {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	if t.members.len() > Listed {
		t.whole = true // when there are few again
	}
	if t.text == "" || t.textAt != t.serial {
		message := t.counted()
		if t.members.len() <= Listed {
			message.Members = t.list()
		}
		t.text, t.textAt = message.Data(), t.serial
	}
	return t.text, t.version
}

// counted returns a message with the numbers of a topic.
func (t *Topic) counted() wire.Presence {
	n := t.count()
	return wire.Presence{Topic: t.name, Streams: n.Streams, Subjects: n.Subjects, Settling: !t.table.settled}
}

// list returns all members.
func (t *Topic) list() []wire.Member {
	list := make([]wire.Member, 0, t.members.len())
	for m := range t.members.after("") {
		list = append(list, m.wire())
	}
	return list
}

// takeChanged empties Table.changed, and returns what was in it. Its topics stay dirty until due.
func (t *Table) takeChanged() []*Topic {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed := t.changed
	t.changed = nil
	return changed
}

// due returns those of some changed topics whose watchers must be told now. It keeps those that must wait for their next message.
func (t *Table) due(changed []*Topic) []*Topic {
	t.mu.Lock()
	defer t.mu.Unlock()
	due := make([]*Topic, 0, len(changed))
	for _, topic := range changed {
		if topic.watchers > 0 && t.now < topic.toldAt+topic.pause() {
			t.changed = append(t.changed, topic)
		} else {
			topic.dirty = false
			due = append(due, topic)
		}
	}
	return due
}

// pause returns the ticks between two messages.
func (t *Topic) pause() int64 {
	return min(max(int64(t.watchers+perTick-1)/perTick, 1), longestTick)
}

// tell tells the watchers of a topic what has changed.
func (t *Table) tell(topic *Topic) {
	t.mu.Lock()
	if topic.watchers == 0 {
		t.mu.Unlock()
		return
	}
	message := topic.counted()
	switch {
	case topic.members.len() > Listed:
		topic.whole = true // when there are few again
	case topic.whole:
		topic.whole = false
		message.Members = topic.list()
	default:
		message.In, message.Out = topic.changes()
	}
	topic.changed, topic.toldAt = nil, t.now
	topic.version++
	t.told++
	version := topic.version
	t.mu.Unlock()
	t.opts.Tell(topic, version, message.Data())
}

// changes returns the subjects that have changed since the last message, as they are now: those that are present, and those that are not.
func (t *Topic) changes() (in []wire.Member, out []string) {
	in, out = []wire.Member{}, []string{}
	for subject := range t.changed {
		if m := t.members.get(subject); m != nil {
			in = append(in, m.wire())
		} else {
			out = append(out, subject)
		}
	}
	wire.SortPresence(in, out)
	return in, out
}
