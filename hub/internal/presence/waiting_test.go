package presence

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// crowd lets n subjects join topics at a hub.
func (h *ringHub) crowd(n int, topics ...string) (stays []*Stay) {
	for i := range n {
		stays = append(stays, h.join(fmt.Sprintf("m%04d-%s", i, strings.Repeat("n", 40)), topics...))
	}
	return stays
}

// TestLostEndOfAWholeStateIsAskedForAgain, also in a quiet room, where no later message shows that it is missing.
func TestLostEndOfAWholeStateIsAskedForAgain(t *testing.T) {
	r := newRing(t, 1)
	a := r.hubs[0]
	a.crowd(400, "x")
	r.ticks(20)
	b := r.add()
	lost := 0
	r.loses = func(p Part) bool {
		if p.Last {
			lost++
		}
		return p.Last && lost == 1
	}
	r.ticks(20)
	if n := b.Roster("x", "", 0).Subjects; n != 400 || lost != 2 {
		t.Errorf("the new hub has %d members of 400 after %d last parts", n, lost)
	}
}

// TestHubIsSettlingUntilItHasTheMembersOfTheOthers: that takes longer than the grace if they are many.
func TestHubIsSettlingUntilItHasTheMembersOfTheOthers(t *testing.T) {
	r := newRing(t, 2)
	r.hubs[0].crowd(2000, "x")
	r.hubs[1].crowd(1, "x")
	r.ticks(20)
	r.burst = 1
	b := r.add()
	b.Watch([]string{"x"})
	var whole int
	for whole = 1; b.Roster("x", "", 0).Subjects < 2000; whole++ {
		r.ticks(1)
		if page := b.Roster("x", "", 0); page.Subjects < 2000 && !page.Settling {
			t.Fatalf("after %d s the new hub claims to know all, with %d members of 2000", whole, page.Subjects)
		}
	}
	r.ticks(10)
	if whole < 20 || b.Roster("x", "", 0).Settling {
		t.Errorf("the new hub has all members after %d s, and is still settling: %t", whole, b.Roster("x", "", 0).Settling)
	}
	for _, m := range b.told["x"] {
		if m.Subjects < 2000 && !m.Settling {
			t.Errorf("the watchers are told %s", text(m))
		}
	}
}

// TestHubThatNeverTellsItsMembersIsNotWaitedForForever: it announces itself, and answers nothing.
func TestHubThatNeverTellsItsMembersIsNotWaitedForForever(t *testing.T) {
	r := newRing(t, 1)
	a := r.hubs[0]
	pass := func(seconds int) {
		for range seconds {
			a.Heard("hung", "hung", 7)
			r.ticks(1)
		}
	}
	bob := a.join("bob", "x")
	pass(patience - 10)
	if !a.Roster("x", "", 0).Settling {
		t.Error("the hub claims to know all members")
	}
	bob.Leave(false)
	pass(40)
	if page := a.Roster("x", "", 0); page.Settling || page.Subjects != 0 {
		t.Errorf("after 5 minutes: %+v", page)
	}
}

// TestMembersThatMoveTogetherDoNotLeave: their hub stops, they are at another hub at once, and that hub needs a minute to tell it to a third one.
func TestMembersThatMoveTogetherDoNotLeave(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		r := newRing(t, 3)
		r.ticks(20)
		a, b, c := r.hubs[0], r.hubs[1], r.hubs[2]
		a.crowd(3000, "x", "y")
		r.ticks(3)
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 3))
		r.burst = 1
		if lossy {
			r.lose = func() bool { return random.IntN(100) == 0 }
		}
		a.dead = true
		b.Bye(a.name)
		c.Bye(a.name)
		c.crowd(2990, "x", "y")
		for second := range 40 {
			r.ticks(1)
			for _, topic := range []string{"x", "y"} {
				if n := b.Roster(topic, "", 0).Subjects; n < 2990 {
					t.Fatalf("loss %t, seed %d: after %d s %d of 3000 members are left at %s", lossy, seed, second, n, topic)
				}
			}
		}
		r.burst, r.lose = 200, func() bool { return false }
		r.ticks(40)
		if n := b.Roster("x", "", 0).Count; n != (Count{2990, 2990}) {
			t.Errorf("loss %t, seed %d: in the end %+v; ten have not come back", lossy, seed, n)
		}
	}
}

// TestMembersThatMoveToAHubWithABacklogDoNotLeave, although the hubs at which they were before run on.
func TestMembersThatMoveToAHubWithABacklogDoNotLeave(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		r := newRing(t, 3)
		r.ticks(20)
		a, b, c := r.hubs[0], r.hubs[1], r.hubs[2]
		stays := append(a.crowd(1000, "x"), b.crowd(1500, "x")...)
		r.ticks(3)
		for _, stay := range stays {
			stay.Leave(false)
		}
		r.burst = 1
		if lossy { // what c tells first
			r.loses = func(p Part) bool { return p.Hub == c.hub && p.Number < c.Number()/2+3 }
		}
		c.crowd(1500, "x")
		for second := range 60 {
			for _, h := range []*ringHub{a, b} {
				if n := h.Roster("x", "", 0).Subjects; n != 1500 {
					t.Fatalf("loss %t: after %d s %s has %d members of 1500", lossy, second, h.name, n)
				}
			}
			r.ticks(1)
		}
		r.burst = 200
		r.ticks(40)
		if n := a.Roster("x", "", 0).Count; n != (Count{1500, 1500}) || a.hubsOf("x") != 1 {
			t.Errorf("loss %t: in the end %+v, %d hubs", lossy, n, a.hubsOf("x"))
		}
	}
}

// hubsOf returns at how many hubs the first member of a topic is.
func (h *ringHub) hubsOf(topic string) (n int) {
	for m := range h.topics[topic].members.after("") {
		if n = len(m.others); m.here {
			n++
		}
		break
	}
	return n
}

// TestLeaveDuringABacklogOfAnotherHubIsLateAndNotLost: the leave is late, and not lost.
func TestLeaveDuringABacklogOfAnotherHubIsLateAndNotLost(t *testing.T) {
	r := newRing(t, 3)
	r.ticks(20)
	a, b, c := r.hubs[0], r.hubs[1], r.hubs[2]
	bob, eve := a.join("bob", "x"), a.join("eve", "x")
	r.ticks(2)
	c.crowd(1500, "y")
	r.burst = 1
	r.ticks(2)
	bob.Leave(true)
	eve.Leave(true)
	r.ticks(2)
	a.join("eve", "x") // she has another token
	r.ticks(2)
	if got := b.all("x"); got != "bob eve" {
		t.Errorf("while a hub has a backlog, another one has %q", got)
	}
	r.ticks(40)
	if got := b.all("x"); got != "eve" {
		t.Errorf("%q, want eve", got)
	}
}

// TestMembersOfACutOffHubStayWhileItsClientsLookForAnother: the hub keeps its streams for 15 seconds, and its clients then have 15 seconds.
func TestMembersOfACutOffHubStayWhileItsClientsLookForAnother(t *testing.T) {
	r := newRing(t, 3)
	r.ticks(20)
	a, b, c := r.hubs[0], r.hubs[1], r.hubs[2]
	b.Watch([]string{"x"})
	for i := range 5 {
		a.join(fmt.Sprint("m", i), "x")
	}
	r.ticks(3)
	b.take("x")
	a.dead = true
	r.ticks(15)
	for i := range 5 {
		r.ticks(3)
		c.join(fmt.Sprint("m", i), "x")
	}
	r.ticks(30)
	for _, message := range b.take("x") {
		if strings.Contains(message, "-") {
			t.Errorf("the watchers are told %q", message)
		}
	}
}

// TestRevokedSubjectLeavesAtOnceDuringItsGrace, at each hub at which it was.
func TestRevokedSubjectLeavesAtOnceDuringItsGrace(t *testing.T) {
	r := newRing(t, 3)
	r.ticks(20)
	a, b, c := r.hubs[0], r.hubs[1], r.hubs[2]
	c.Watch([]string{"x"})
	revoked := false
	join := func(h *ringHub, subject string) *Stay {
		stay := h.join(subject, "x")
		stay.Revoked = func() bool { return revoked && subject == "eve" }
		return stay
	}
	eve, bob := join(a, "eve"), join(a, "bob")
	moved := join(b, "eve")
	eve.Leave(false)
	bob.Leave(false)
	r.ticks(3)
	revoked = true
	moved.Leave(false) // her last stream has just ended by itself
	a.Revoked()
	b.Revoked()
	c.take("x")
	r.ticks(2)
	c.want("x", "0/1 -eve")
}

// TestRevocationVisitsAllMembersInTheirGrace, some thousands of which come and go meanwhile.
func TestRevocationVisitsAllMembersInTheirGrace(t *testing.T) {
	r := settledRoom(t, 1<<20)
	for second := range 10 {
		for i := range 1700 {
			stay := r.join(fmt.Sprint(second, "-", i), "x")
			stay.Revoked = func() bool { return i%3 != 0 }
			stay.table = r.Table
			r.leave(r.topics["x"], stay, false)
		}
		r.Tick()
	}
	r.Revoked()
	r.expireRevoked()
	if n := r.Roster("x", "", 0).Subjects; n != 10*567 {
		t.Errorf("%d members are left, want %d", n, 10*567)
	}
	r.ticks(20)
	if n := r.Totals(); n.Members != 0 {
		t.Errorf("%+v", n)
	}
}
