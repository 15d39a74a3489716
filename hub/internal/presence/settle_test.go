package presence

import (
	"fmt"
	"strings"
	"testing"
)

// TestNobodySeemsToLeaveWhenTheHubHasNotServedForAWhile: a fault of the log ends all streams of the hub, and clients come back only when it serves
// again. It is then settling, as after a restart. Only a member that does not come back leaves, once.
func TestNobodySeemsToLeaveWhenTheHubHasNotServedForAWhile(t *testing.T) {
	for _, fault := range []int{1, 10, 15, 16, 17, 45, 1000} {
		r, serving := newServing(t)
		r.ticks(15)
		var streams []*Stay
		for _, subject := range []string{"bob", "eve", "joe", "ann"} {
			streams = append(streams, r.join(subject, "a"))
		}
		r.ticks(3)
		streams[3].Leave(false) // ann has just lost her connection when the fault begins
		r.ticks(10)
		*serving = false
		r.Tick()
		for _, stay := range streams[:3] {
			stay.Leave(false)
		}
		r.ticks(fault)
		*serving = true
		r.Watch([]string{"a"}) // which nobody could meanwhile
		if got := r.state("a"); got != "0/4 [ann bob eve joe] settling" {
			t.Errorf("after a fault of %d s the first state is %q", fault, got)
		}
		r.ticks(2)
		bob := r.join("bob", "a")
		r.ticks(4)
		r.join("ann", "a")
		bob.Leave(false) // it reloads
		r.ticks(6)
		r.join("eve", "a")
		r.ticks(3)
		r.join("bob", "a")
		if got := strings.Join(r.take("a"), "; "); strings.Contains(got, "-") {
			t.Errorf("after a fault of %d s, the watchers are told %q while the hub is settling", fault, got)
		}
		r.ticks(40)
		if got := strings.Join(r.take("a"), "; "); got != "3/4; 3/3 -joe" && got != "3/4 [ann bob eve joe]; 3/4; 3/3 -joe" {
			t.Errorf("after a fault of %d s, the watchers are told %q", fault, got)
		}
	}
}

// newServing returns a room, and whether its hub serves.
func newServing(t *testing.T) (*room, *bool) {
	r, serving := newRoom(t, 100), true
	r.opts.Serving = func() bool { return serving }
	return r, &serving
}

// TestHubThatDoesNotServeIsNotSettled: neither before it has served for the first time, nor when the service stops again meanwhile.
func TestHubThatDoesNotServeIsNotSettled(t *testing.T) {
	r, serving := newServing(t)
	settled := func() bool { return !r.Roster("a", "", 1).Settling }
	*serving = false
	r.ticks(100) // a cluster waits for its majority
	*serving = true
	r.ticks(10)
	*serving = false
	r.ticks(1)
	*serving = true
	r.ticks(14)
	if settled() {
		t.Error("the hub claims to know all members 14 s after it serves again")
	}
	if r.Tick(); !settled() {
		t.Error("the hub is settling for more than 15 s")
	}
}

// TestMembersOfOtherHubsStayWhileAHubIsCutOff: it hears nobody, and so cannot know who has left. When it hears them again it knows.
func TestMembersOfOtherHubsStayWhileAHubIsCutOff(t *testing.T) {
	r := newRing(t, 3)
	a, serving := r.hubs[0], true
	a.opts.Serving = func() bool { return serving }
	r.ticks(20)
	r.hubs[1].join("bob", "x")
	eve := r.hubs[1].join("eve", "x")
	r.hubs[2].join("joe", "x")
	r.ticks(3)
	r.lose = func() bool { return true } // all are cut off, as without a majority
	r.ticks(15)
	serving = false
	r.ticks(100)
	eve.Leave(false)
	r.hubs[2].dead = true
	serving = true
	r.lose = func() bool { return false }
	if got := a.all("x"); got != "bob eve joe" {
		t.Fatalf("a hub that was cut off knows %q", got)
	}
	a.Watch([]string{"x"})
	r.ticks(14)
	if got := strings.Join(a.take("x"), "; "); strings.Contains(got, "-") || a.all("x") != "bob eve joe" {
		t.Errorf("while it is settling, the watchers are told %q", got)
	}
	r.ticks(40)
	if got := strings.Join(a.take("x"), "; "); strings.Count(got, "-") != 2 || a.all("x") != "bob" {
		t.Errorf("the watchers are told %q, and the roster is %q, want bob", got, a.all("x"))
	}
}

// TestStreamsOfAHubThatStopsDoNotCountTwice, neither those that are back at another hub, nor those that come back to a new process of the hub.
func TestStreamsOfAHubThatStopsDoNotCountTwice(t *testing.T) {
	r := newRing(t, 3)
	r.ticks(20)
	a, b, c := r.hubs[0], r.hubs[1], r.hubs[2]
	b.Watch([]string{"x"})
	for range 10 {
		a.join("", "x")
	}
	a.join("bob", "x")
	r.ticks(2)
	b.want("x", "11/1 +bob")
	a.dead = true
	b.Bye(a.name)
	r.ticks(1)
	b.want("x", "0/1")
	if n := b.Roster("x", "", 1).Count; n != (Count{0, 1}) {
		t.Errorf("the roster has %+v", n)
	}
	for range 10 {
		c.join("", "x")
	}
	r.ticks(3)
	b.want("x", "10/1")
	r.ticks(20)
	b.want("x", "10/0 -bob")
	c.dead = true
	b.Heard(c.name, "new process", 0)
	b.Receive(&Part{Hub: c.name, Instance: "new process", Number: 1, Topics: []PartTopic{{Topic: "x", Streams: 10}}})
	r.ticks(1)
	if n := b.Roster("x", "", 1).Count; n != (Count{10, 0}) {
		t.Errorf("after a quick restart the roster has %+v", n)
	}
}

// TestStreamsOfASilentHubCountAgainWhenItIsHeard, also those at topics of which nothing else is known.
func TestStreamsOfASilentHubCountAgainWhenItIsHeard(t *testing.T) {
	r := newRing(t, 2)
	r.ticks(20)
	a, b := r.hubs[0], r.hubs[1]
	a.join("", "x")
	r.ticks(2)
	a.dead = true
	r.ticks(10)
	watched := b.Watch([]string{"x"})
	if got := fmt.Sprint(b.Roster("x", "", 1).Streams, " ", b.state("x")); got != "0 0/0 []" {
		t.Errorf("while the hub is silent: %s", got)
	}
	b.Unwatch(watched)
	a.dead = false
	r.ticks(3)
	if got := fmt.Sprint(b.Roster("x", "", 1).Streams, " ", b.state("x")); got != "1 1/0 []" {
		t.Errorf("when the hub is heard again: %s", got)
	}
	a.dead = true
	r.ticks(40)
	if n := b.Totals().Topics; n != 0 || len(b.sources) != 0 {
		t.Errorf("%d topics and %d hubs are left", n, len(b.sources))
	}
}

// TestProcessThatDrainsWhileTheNextOneRunsKeepsItsMembers: a restart hands over for up to an hour. Both processes have the name of the hub, and others
// hear both.
func TestProcessThatDrainsWhileTheNextOneRunsKeepsItsMembers(t *testing.T) {
	for _, early := range []bool{true, false} {
		r := newRing(t, 2)
		r.ticks(20)
		old, b := r.hubs[0], r.hubs[1]
		b.Watch([]string{"x"})
		old.join("bob", "x")
		r.ticks(3)
		next := r.add()
		next.hub = old.name
		if early {
			next.join("eve", "x")
		}
		r.ticks(40)
		if !early {
			next.join("eve", "x")
		}
		r.ticks(60)
		for _, message := range b.take("x") {
			if strings.Contains(message, "-") {
				t.Errorf("the watchers are told %q", message)
			}
		}
		if got := fmt.Sprint(b.all("x"), " ", b.Roster("x", "", 1).Streams); got != "bob eve 2" {
			t.Errorf("while both run: %s", got)
		}
		old.dead = true
		b.Bye(old.name)
		r.ticks(20)
		if got := fmt.Sprint(b.all("x"), " ", b.Roster("x", "", 1).Streams); got != "eve 1" {
			t.Errorf("when the old process has ended: %s", got)
		}
	}
}
