package presence

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/internal/wire"
)

// model is a table as simple as it can be: it knows when each subject was last seen at each topic.
type model struct {
	now     int
	streams map[[2]string]int // by topic and subject
	left    map[[2]string]int // the tick in which the last stream ended
}

func (m *model) members(topic string) (names []string) {
	for key, n := range m.streams {
		if key[0] == topic && (n > 0 || m.now < m.left[key]+int(Grace/tick)+1) {
			names = append(names, key[1])
		}
	}
	slices.Sort(names)
	return names
}

// watcher is a client that watches a topic.
type watcher struct {
	topic   *Topic
	version uint64
	members map[string]bool // nil: there are too many to know
	count   int
}

// receive takes a message, as a client does.
func (w *watcher) receive(t *testing.T, m wire.Presence) {
	w.count = m.Subjects
	switch {
	case m.Members != nil:
		w.members = make(map[string]bool)
		for _, one := range m.Members {
			w.members[one.Subject] = true
		}
	case m.In != nil:
		if w.members == nil {
			t.Fatal("changes for a watcher that does not know the state")
		}
		for _, one := range m.In {
			w.members[one.Subject] = true
		}
		for _, subject := range m.Out {
			delete(w.members, subject)
		}
	default:
		w.members = nil
	}
}

// TestPresenceBehavesLikeAModel compares random streams and watchers with the model. Watchers come and miss messages at random. After each
// tick in which its topic was told, a watcher knows exactly who is present; and it learns of every change within the pause between two messages.
func TestPresenceBehavesLikeAModel(t *testing.T) {
	for range 8 {
		seed := rand.Uint64()
		if err := compare(t, rand.New(rand.NewPCG(seed, 1))); err != "" || t.Failed() {
			t.Fatalf("seed %d: %s", seed, err)
		}
	}
}

func compare(t *testing.T, r *rand.Rand) (fault string) {
	m := &model{streams: make(map[[2]string]int), left: make(map[[2]string]int)}
	watchers := make(map[*watcher]bool)
	table := New(Options{MaxMembers: 1 << 20, Tell: func(topic *Topic, version uint64, data string) {
		message, _ := wire.ParsePresence(data)
		for w := range watchers {
			switch {
			case w.topic != topic || w.version >= version:
			case r.IntN(20) == 0: // its connection is full; it gets the state later
				state(t, w)
			default:
				w.version = version
				w.receive(t, message)
			}
		}
	}})
	type open struct {
		stay *Stay
		keys [][2]string
	}
	var streams []open
	topics := []string{"a", "b", "c"}
	people := 1 + r.IntN(2*Listed)
	for range 300 {
		for range r.IntN(people/10 + 3) {
			if r.IntN(2) == 0 && len(streams) > 0 {
				i := r.IntN(len(streams))
				s := streams[i]
				streams = slices.Delete(streams, i, i+1)
				s.stay.Leave(false)
				for _, key := range s.keys {
					if m.streams[key]--; m.streams[key] == 0 {
						m.left[key] = m.now
					}
				}
				continue
			}
			subject := fmt.Sprint(r.IntN(people))
			at := topics[:1+r.IntN(len(topics))]
			stay, err := table.Join(at, subject, "", "")
			if err != nil {
				t.Fatal(err)
			}
			s := open{stay: stay}
			for _, topic := range at {
				key := [2]string{topic, subject}
				m.streams[key]++
				s.keys = append(s.keys, key)
			}
			streams = append(streams, s)
		}
		for w := range watchers {
			if r.IntN(100) == 0 {
				delete(watchers, w)
				table.Unwatch([]*Topic{w.topic})
			}
		}
		if r.IntN(5) == 0 {
			w := &watcher{topic: table.Watch([]string{topics[r.IntN(len(topics))]})[0]}
			watchers[w] = true
			state(t, w)
		}
		table.Tick()
		m.now++
		for w := range watchers {
			want := m.members(w.topic.Name())
			if got := slices.Sorted(maps.Keys(w.members)); w.topic.pause() == 1 && (w.count != len(want) || w.members != nil && !slices.Equal(got, want) || w.members == nil && len(want) <= Listed) {
				return fmt.Sprintf("tick %d: a watcher of %s knows %d members, %s; want %d, %s", m.now, w.topic.Name(), w.count, strings.Join(got, " "), len(want), strings.Join(want, " "))
			}
		}
	}
	return ""
}

// state gives a watcher the whole state.
func state(t *testing.T, w *watcher) {
	var data string
	data, w.version = w.topic.State()
	message, err := wire.ParsePresence(data)
	if err != nil {
		t.Fatal(err)
	}
	w.receive(t, message)
}
