package presence

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/internal/wire"
)

// ringStream is a stream at a hub of a ring.
type ringStream struct {
	stay           *Stay
	hub            *ringHub
	topic, subject string
	data           string
}

// randomRing is a ring of hubs with random streams. It knows all of them.
type randomRing struct {
	*ring
	*rand.Rand
	opened []ringStream // all streams so far, in the order in which they were opened
	open   []ringStream
}

var ringTopics = []string{"t0", "t1", "t2"}

// TestHubsAgreeAlthoughMessagesAreLost compares the rosters and the watchers of all hubs after random streams with random data. A fifth of all
// messages is lost, a hub joins late, and sometimes one dies.
func TestHubsAgreeAlthoughMessagesAreLost(t *testing.T) {
	for range 6 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) { // streams are opened at different times
			r := &randomRing{ring: newRing(t, 2), Rand: rand.New(rand.NewPCG(seed, 2))}
			r.lose = func() bool { return r.IntN(5) == 0 }
			for _, h := range r.hubs {
				h.Watch(ringTopics)
			}
			dies := r.IntN(2) == 0
			for second := range 60 {
				switch {
				case second == 30:
					r.add().Watch(ringTopics)
				case second == 45 && dies:
					r.hubs[0].dead = true
				}
				for range r.IntN(20) {
					if r.IntN(2) == 0 && len(r.open) > 0 {
						r.end()
					} else {
						r.begin()
					}
				}
				r.ticks(1)
			}
			r.lose = func() bool { return false }
			r.ticks(40)
			for _, topic := range ringTopics {
				r.compare(topic)
			}
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
}

// TestDataOfTheNewestStreamCountsAtAllHubs, until its hub drops the subject. Then that of the newest stream of the other hubs counts.
func TestDataOfTheNewestStreamCountsAtAllHubs(t *testing.T) {
	r := newRing(t, 3)
	r.ticks(20)
	for _, h := range r.hubs {
		h.Watch([]string{"x"})
	}
	join := func(hub int, data string) *Stay {
		stay, err := r.hubs[hub].Join([]string{"x"}, "bob", data, "")
		if err != nil {
			t.Fatal(err)
		}
		return stay
	}
	want := func(data string, messages ...string) {
		t.Helper()
		r.ticks(2)
		for _, h := range r.hubs {
			if got := h.Roster("x", "", 1).Members; len(got) != 1 || string(got[0].Data) != data {
				t.Errorf("%s has %q, want data %s", h.name, got, data)
			}
			if told := h.take("x"); !slices.Equal(told, messages) {
				t.Errorf("the watchers at %s were told %q, want %q", h.name, told, messages)
			}
		}
	}
	first := join(0, "1")
	want("1", "1/1 +bob1")
	join(1, "2")
	want("2", "2/1 +bob2")
	third := join(0, "1") // its hub has said the same before
	want("1", "3/1 +bob1")
	first.Leave(false)
	want("1", "2/1")
	third.Leave(false)
	r.ticks(13)
	want("1", "1/1") // within the grace
	r.ticks(2)
	want("2", "1/1 +bob2")
}

// TestNewestStreamCountsAlthoughAClockIsWrong: a hub that knows of a stream of another hub opens its own later.
func TestNewestStreamCountsAlthoughAClockIsWrong(t *testing.T) {
	h := settledRoom(t, 100)
	h.Watch([]string{"x"})
	h.Receive(&Part{Hub: "a", Instance: "a", Number: 1, Topics: []PartTopic{
		{Topic: "x", Streams: 1, In: []PartMember{{wire.Member{Subject: "bob", Data: []byte("1")}, time.Now().AddDate(100, 0, 0).UnixMicro()}}},
	}})
	h.Tick()
	if _, err := h.Join([]string{"x"}, "bob", "2", ""); err != nil {
		t.Fatal(err)
	}
	h.Tick()
	h.want("x", "1/1 +bob1", "2/1 +bob2")
}

// begin opens a stream.
func (r *randomRing) begin() {
	time.Sleep(time.Microsecond)
	s := ringStream{
		hub: r.hubs[r.IntN(len(r.hubs))], topic: ringTopics[r.IntN(len(ringTopics))],
		subject: fmt.Sprint("s", r.IntN(50)), data: fmt.Sprint(r.IntN(3)),
	}
	if s.hub.dead {
		return
	}
	var err error
	if s.stay, err = s.hub.Join([]string{s.topic}, s.subject, s.data, ""); err != nil {
		r.Fatal(err)
	}
	r.open, r.opened = append(r.open, s), append(r.opened, s)
}

// end ends a stream, some because their token is revoked.
func (r *randomRing) end() {
	i := r.IntN(len(r.open))
	r.open[i].stay.Leave(r.IntN(3) == 0)
	r.open = slices.Delete(r.open, i, i+1)
}

// members returns the data of the members of a topic: of the stream that was opened last at any hub at which the subject still has one.
func (r *randomRing) members(topic string) (members map[string]string, streams int) {
	type place struct {
		hub     *ringHub
		subject string
	}
	present := make(map[place]bool)
	for _, s := range r.open {
		if s.topic == topic && !s.hub.dead {
			present[place{s.hub, s.subject}] = true
			streams++
		}
	}
	members = make(map[string]string)
	for _, s := range r.opened {
		if s.topic == topic && present[place{s.hub, s.subject}] {
			members[s.subject] = s.data
		}
	}
	return members, streams
}

// compare compares what each hub says of a topic, and what its watchers know.
func (r *randomRing) compare(topic string) {
	r.Helper()
	want, streams := r.members(topic)
	for _, h := range r.hubs {
		if h.dead {
			continue
		}
		page := h.Roster(topic, "", 100_000)
		roster := make(map[string]string)
		for _, m := range page.Members {
			roster[m.Subject] = string(m.Data)
		}
		if page.Streams != streams || page.Subjects != len(want) || !maps.Equal(roster, want) {
			r.Errorf("%s has %d streams at %s, and %v; want %d, and %v", h.name, page.Streams, topic, roster, streams, want)
		}
		known := &watcher{members: make(map[string]string)}
		for _, m := range h.told[topic] {
			known.receive(r.T, m)
		}
		if !maps.Equal(known.members, want) {
			r.Errorf("a watcher at %s knows %v at %s; want %v", h.name, known.members, topic, want)
		}
	}
}
