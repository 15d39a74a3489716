package presence

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidings-sse/tidings/internal/wire"
)

// model is a table as simple as it can be: it knows when each subject was last seen at each topic.
type model struct {
	now     int
	streams map[[2]string]int    // by topic and subject
	left    map[[2]string]int    // the tick in which the last stream ended
	data    map[[2]string]string // of the last stream
}

func (m *model) join(key [2]string, data string) {
	m.streams[key]++
	m.data[key] = data
}

func (m *model) leave(key [2]string, atOnce bool) {
	m.left[key] = m.now
	if m.streams[key]--; m.streams[key] == 0 && atOnce {
		delete(m.streams, key)
	}
}

// members returns the data of the members of a topic, by subject.
func (m *model) members(topic string) map[string]string {
	members := make(map[string]string)
	for key, n := range m.streams {
		if key[0] == topic && (n > 0 || m.now < m.left[key]+int(Grace/tick)+1) {
			members[key[1]] = m.data[key]
		}
	}
	return members
}

// watcher is a client that watches a topic.
type watcher struct {
	topic   *Topic
	version uint64
	behind  bool              // it has missed a message, and waits for the state
	members map[string]string // data by subject; nil: there are too many to know
	count   int
}

// receive takes a message, as a client does.
func (w *watcher) receive(t *testing.T, m wire.Presence) {
	w.count = m.Subjects
	switch {
	case m.Members != nil:
		w.members = make(map[string]string)
		for _, one := range m.Members {
			w.members[one.Subject] = string(one.Data)
		}
	case m.In != nil:
		if w.members == nil {
			t.Fatal("changes for a watcher that does not know the state")
		}
		for _, one := range m.In {
			w.members[one.Subject] = string(one.Data)
		}
		for _, subject := range m.Out {
			delete(w.members, subject)
		}
	default:
		w.members = nil
	}
}

// TestPresenceBehavesLikeAModel compares random streams and watchers with the model. Streams open, end and are revoked, and watchers come and
// catch up, at any moment between two messages, which may be many seconds apart. After each message a watcher knows exactly who is present, and
// with which data. It gets the message within the pause.
func TestPresenceBehavesLikeAModel(t *testing.T) {
	for _, crowd := range []int{0, 0, 0, 0, 150, 450, 1700, 3000} {
		seed := rand.Uint64()
		c := newComparison(t, seed, crowd)
		for range 300 {
			if c.second(); t.Failed() {
				t.Fatalf("seed %d, %d watchers besides", seed, crowd)
			}
		}
	}
}

// comparison is a table and a model to which the same happens.
type comparison struct {
	*testing.T
	*rand.Rand
	model    model
	table    *Table
	watchers map[*watcher]bool
	streams  []modelStream
	people   int
}

type modelStream struct {
	stay *Stay
	keys [][2]string
}

var modelTopics = []string{"a", "b", "c"}

// newComparison returns a comparison in which each topic has a crowd of watchers besides those that are compared.
func newComparison(t *testing.T, seed uint64, crowd int) *comparison {
	c := &comparison{T: t, Rand: rand.New(rand.NewPCG(seed, 1)), watchers: make(map[*watcher]bool)}
	c.model = model{streams: make(map[[2]string]int), left: make(map[[2]string]int), data: make(map[[2]string]string)}
	c.people = 1 + c.IntN(2*Listed)
	c.table = New(Options{MaxMembers: 1 << 20, Tell: c.tell})
	for range crowd {
		c.table.Watch(modelTopics)
	}
	return c
}

func (c *comparison) tell(topic *Topic, version uint64, data string) {
	message, err := wire.ParsePresence(data)
	if err != nil {
		c.Fatal(err)
	}
	for w := range c.watchers {
		switch {
		case w.topic != topic || w.behind || w.version >= version:
		case c.IntN(20) == 0: // its connection is full
			w.behind = true
		default:
			w.version = version
			w.receive(c.T, message)
		}
	}
}

func (c *comparison) second() {
	if c.IntN(50) == 0 {
		for w := range c.watchers {
			c.unwatch(w)
		}
	}
	for range c.IntN(c.people/10 + 3) {
		if c.IntN(2) == 0 && len(c.streams) > 0 {
			c.end()
		} else {
			c.open()
		}
		if c.IntN(10) == 0 {
			w := &watcher{topic: c.table.Watch([]string{modelTopics[c.IntN(len(modelTopics))]})[0]}
			c.watchers[w] = true
			c.state(w)
		}
		for w := range c.watchers {
			switch {
			case w.behind && c.IntN(4) == 0, c.IntN(100) == 0: // it is live again, or reconnects
				c.state(w)
			case c.IntN(100) == 0:
				c.unwatch(w)
			}
		}
	}
	c.table.Tick()
	c.model.now++
	for w := range c.watchers {
		c.check(w)
	}
}

// open opens a stream, often with other data than the one before.
func (c *comparison) open() {
	subject, data := fmt.Sprint(c.IntN(c.people)), fmt.Sprint(c.IntN(3))
	at := modelTopics[:1+c.IntN(len(modelTopics))]
	stay, err := c.table.Join(at, subject, data, "")
	if err != nil {
		c.Fatal(err)
	}
	s := modelStream{stay: stay}
	for _, topic := range at {
		key := [2]string{topic, subject}
		c.model.join(key, data)
		s.keys = append(s.keys, key)
	}
	c.streams = append(c.streams, s)
}

// end ends a stream, some of them because their token is revoked.
func (c *comparison) end() {
	i, atOnce := c.IntN(len(c.streams)), c.IntN(3) == 0
	s := c.streams[i]
	c.streams = slices.Delete(c.streams, i, i+1)
	s.stay.Leave(atOnce)
	for _, key := range s.keys {
		c.model.leave(key, atOnce)
	}
}

func (c *comparison) unwatch(w *watcher) {
	delete(c.watchers, w)
	c.table.Unwatch([]*Topic{w.topic})
}

// state gives a watcher the whole state.
func (c *comparison) state(w *watcher) {
	var data string
	data, w.version = w.topic.State()
	message, err := wire.ParsePresence(data)
	if err != nil {
		c.Fatal(err)
	}
	w.behind = false
	w.receive(c.T, message)
}

// check compares what a watcher knows with the model, unless the watcher waits for a message.
func (c *comparison) check(w *watcher) {
	switch want := c.model.members(w.topic.Name()); {
	case w.behind:
	case w.topic.dirty:
		if c.table.now >= w.topic.toldAt+w.topic.pause() {
			c.Errorf("tick %d: the message about %s is late", c.model.now, w.topic.Name())
		}
	case w.count != len(want) || w.members == nil && len(want) <= Listed || w.members != nil && !maps.Equal(w.members, want):
		c.Errorf("tick %d: a watcher of %s knows %d members, %v; want %d, %v", c.model.now, w.topic.Name(), w.count, w.members, len(want), want)
	}
}
