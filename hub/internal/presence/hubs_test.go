package presence

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/internal/wire"
)

// ring is hubs that tell each other of their members.
type ring struct {
	*testing.T
	hubs  []*ringHub
	lose  func() bool     // whether a message is lost
	loses func(Part) bool // whether a message is lost, too; may be nil
	burst int             // messages of a hub in a second
	names int
}

type ringHub struct {
	*room
	name string // of its process
	hub  string
	dead bool
}

func newRing(t *testing.T, n int) *ring {
	r := &ring{T: t, lose: func() bool { return false }, burst: 200}
	for range n {
		r.add()
	}
	return r
}

func (r *ring) add() *ringHub {
	h := &ringHub{room: newRoom(r.T, 1<<20), name: fmt.Sprint("hub", r.names)}
	h.opts.Shared, h.opts.Isolated = true, 15*time.Second
	h.hub = h.name
	r.names++
	r.hubs = append(r.hubs, h)
	return h
}

// ticks lets seconds pass: each hub tells the others what has changed, and announces itself.
func (r *ring) ticks(n int) {
	for range n {
		for _, h := range r.hubs {
			if h.dead {
				continue
			}
			h.Tick()
			for _, instance := range h.Wants() {
				r.send(h, Part{Want: instance})
			}
			for range r.burst {
				p, ok := h.NextPart()
				if !ok {
					break
				}
				r.send(h, p)
			}
			for _, other := range r.hubs {
				if other != h && !other.dead && !r.lose() {
					other.Heard(h.hub, h.name, h.Number())
				}
			}
		}
	}
}

func (r *ring) send(from *ringHub, p Part) {
	r.Helper()
	p.Hub, p.Instance = from.hub, from.name
	text, err := json.Marshal(&p)
	if err != nil || len(text) > 16<<10 {
		r.Fatalf("a message has %d bytes: %v", len(text), err)
	}
	for _, h := range r.hubs {
		var copied Part
		switch {
		case h == from || h.dead || r.lose() || r.loses != nil && r.loses(p):
		case p.Want == h.name:
			h.Want()
		case json.Unmarshal(text, &copied) != nil:
			r.Fatalf("%s", text)
		default:
			h.Receive(&copied)
		}
	}
}

func (h *ringHub) all(topic string) string {
	var names []string
	for _, m := range h.Roster(topic, "", 100_000).Members {
		names = append(names, m.Subject)
	}
	return strings.Join(names, " ")
}

func TestMembersOfAllHubsArePresent(t *testing.T) {
	r := newRing(t, 3)
	r.ticks(20)
	a, b := r.hubs[0], r.hubs[1]
	b.Watch([]string{"x"})
	bob := a.join("bob", "x")
	b.join("eve", "x")
	r.ticks(2)
	for _, h := range r.hubs {
		if got, n := h.all("x"), h.Roster("x", "", 1).Count; got != "bob eve" || n != (Count{2, 2}) {
			t.Errorf("%s has %q, %+v", h.name, got, n)
		}
	}
	if got := b.take("x"); strings.Join(got, "; ") != "1/1 +eve; 2/2 +bob" && strings.Join(got, "; ") != "2/2 +bob +eve" {
		t.Errorf("the watchers were told %q", got)
	}
	bob.Leave(false)
	r.ticks(3)
	a.take("x")
	b.take("x")
	again := b.join("bob", "x") // bob moves to another hub within the grace
	r.ticks(30)
	for _, message := range b.take("x") {
		if strings.Contains(message, "bob") {
			t.Errorf("the watchers were told %q", message)
		}
	}
	again.Leave(true)
	r.ticks(2)
	if got := r.hubs[2].all("x"); got != "eve" {
		t.Errorf("%q, want eve", got)
	}
}

// TestMembersOfADeadHubLeaveOnceAfterTheGrace: a hub counts as dead when it was silent for 5 seconds. Its streams count until then. It may be cut off,
// and then keeps its streams for 15 seconds before their clients look for another hub, for which they have the usual 15 seconds.
func TestMembersOfADeadHubLeaveOnceAfterTheGrace(t *testing.T) {
	r := newRing(t, 3)
	r.ticks(20)
	a, b := r.hubs[0], r.hubs[1]
	b.Watch([]string{"x"})
	for i := range 10 {
		a.join(fmt.Sprint("m", i), "x")
	}
	r.ticks(2)
	b.take("x")
	a.dead = true
	r.hubs[2].join("m3", "x") // it comes back at another hub
	r.ticks(34)
	b.want("x", "11/10", "1/10")
	r.ticks(10)
	b.want("x", "1/1 -m0 -m1 -m2 -m4 -m5 -m6 -m7 -m8 -m9")
	if n := b.Totals(); n.Members != 1 || n.Topics != 1 || len(b.sources) != 1 {
		t.Errorf("%+v, %d hubs", n, len(b.sources))
	}
}

// TestSilentHubThatComesBackKeepsItsMembers: a partition of 10 seconds shows only that its streams do not count meanwhile.
func TestSilentHubThatComesBackKeepsItsMembers(t *testing.T) {
	r := newRing(t, 2)
	r.ticks(20)
	a, b := r.hubs[0], r.hubs[1]
	b.Watch([]string{"x"})
	a.join("bob", "x")
	r.ticks(2)
	b.take("x")
	for range 3 {
		a.dead = true
		r.ticks(10)
		a.dead = false
		r.ticks(10)
	}
	b.want("x", "0/1", "1/1", "0/1", "1/1", "0/1", "1/1")
}

// TestHubThatStopsHandsItsMembersOver: it says goodbye, and its clients come back elsewhere within the grace. Its streams do not count any more.
func TestHubThatStopsHandsItsMembersOver(t *testing.T) {
	r := newRing(t, 2)
	r.ticks(20)
	a, b := r.hubs[0], r.hubs[1]
	b.Watch([]string{"x"})
	a.join("bob", "x")
	a.join("eve", "x")
	r.ticks(2)
	b.take("x")
	a.dead = true
	b.Bye(a.name)
	r.ticks(3)
	b.join("bob", "x")
	r.ticks(30)
	if got := strings.Join(b.take("x"), "; "); got != "0/2; 1/2; 1/1 -eve" {
		t.Errorf("the watchers were told %q", got)
	}
}

// TestNewProcessOfAHubReplacesTheOldOne: its members come back at the new one.
func TestNewProcessOfAHubReplacesTheOldOne(t *testing.T) {
	r := newRing(t, 2)
	r.ticks(20)
	a, b := r.hubs[0], r.hubs[1]
	b.Watch([]string{"x"})
	a.join("bob", "x")
	r.ticks(2)
	b.take("x")
	a.dead = true
	b.Heard(a.name, "new process", 0)
	part := Part{Hub: a.name, Instance: "new process", Number: 1, Topics: []PartTopic{{Topic: "x", Streams: 1, In: []PartMember{{Member: wire.Member{Subject: "bob"}}}}}}
	b.Receive(&part)
	for range 40 {
		b.Heard(a.name, "new process", 1)
		r.ticks(1)
	}
	if got := strings.Join(b.take("x"), "; "); got != "1/1" {
		t.Errorf("the watchers were told %q", got)
	}
}

// TestWholeStateOfManyMembersComesInParts, each small enough for the channel, and removes members whose leave was lost.
func TestWholeStateOfManyMembersComesInParts(t *testing.T) {
	r := newRing(t, 1)
	a := r.hubs[0]
	var stays []*Stay
	for i := range 3000 {
		stays = append(stays, a.join(fmt.Sprintf("m%04d-%s", i, strings.Repeat("\x01", 100)), "x", strings.Repeat("y", 1000)))
	}
	a.join("", "z")
	r.ticks(1)
	b := r.add()
	r.ticks(10)
	if n := b.Roster("x", "", 0).Count; n != (Count{3000, 3000}) || b.Roster("z", "", 0).Streams != 1 {
		t.Fatalf("the new hub has %+v", n)
	}
	r.lose = func() bool { return true }
	for _, stay := range stays[:1000] {
		stay.Leave(true)
	}
	r.ticks(3)
	r.lose = func() bool { return false }
	r.ticks(15)
	if n := b.Roster("x", "", 0).Count; n != (Count{2000, 2000}) {
		t.Errorf("%+v", n)
	}
}

// TestNonsenseOfAnotherHubIsIgnored: names that are empty, numbers below zero, members that never came.
func TestNonsenseOfAnotherHubIsIgnored(t *testing.T) {
	r := newRing(t, 1)
	a := r.hubs[0]
	a.join("bob", "x")
	a.Receive(&Part{Instance: "", Number: 1, Topics: []PartTopic{{Topic: "y", In: []PartMember{{Member: wire.Member{Subject: "eve"}}}}}})
	a.Receive(&Part{Instance: "i", Number: 1, First: true, Last: true, Topics: []PartTopic{
		{Topic: "", In: []PartMember{{Member: wire.Member{Subject: "eve"}}}}, {Topic: "x", Streams: -5, Out: []string{"bob", "nobody"}}, {Topic: "y", In: []PartMember{{}}},
	}})
	r.ticks(2)
	if n := a.Totals(); n.Topics != 1 || n.Members != 1 || a.all("x") != "bob" {
		t.Errorf("%+v, %q", n, a.all("x"))
	}
	for i := range 2 * maxSources {
		a.Heard("h", fmt.Sprint(i), 1)
	}
	if len(a.sources) > maxSources {
		t.Errorf("%d hubs", len(a.sources))
	}
}
