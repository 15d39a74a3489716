package peers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// observed is a table that is looked at every [Interval], as a hub does.
type observed struct {
	Table
	now  time.Time
	gone []string
}

func newObserved() *observed { return &observed{now: time.Unix(1_000_000, 0)} }

// pass lets time pass in which some hubs announce themselves, and returns what is told.
func (o *observed) pass(d time.Duration, hubs ...string) (told []string) {
	for end := o.now.Add(d); o.now.Before(end); {
		o.now = o.now.Add(Interval)
		for _, name := range hubs {
			o.Receive(&Message{Hello: &Hub{Name: name, Instance: "1"}}, o.now)
		}
		var changes []Change
		changes, o.gone = o.Changes(o.now)
		for _, c := range changes {
			told = append(told, fmt.Sprintf("%s gone %t left %t away %v", c.Hub.Name, c.Gone, c.Left, c.Away))
		}
	}
	return told
}

func (o *observed) expect(t *testing.T, what string, told []string, want ...string) {
	t.Helper()
	if !cmp.Equal(told, want) {
		t.Errorf("%s: told %q, want %q", what, told, want)
	}
}

// TestSilentHubIsToldOnceAndOnceMoreWhenItIsBack, each time that it goes.
func TestSilentHubIsToldOnceAndOnceMoreWhenItIsBack(t *testing.T) {
	t.Parallel()
	o := newObserved()
	o.expect(t, "hubs that are new", o.pass(time.Minute, "b", "c"))
	for range 2 {
		o.expect(t, "before c is silent for long", o.pass(Expiry-Interval, "b"))
		o.expect(t, "c is silent", o.pass(time.Minute, "b"), "c gone true left false away 10s")
		o.expect(t, "c is back", o.pass(time.Minute, "b", "c"), "c gone false left false away 1m10s")
		if len(o.gone) > 0 {
			t.Errorf("with all hubs: %v are gone", o.gone)
		}
	}
	o.pass(time.Minute)
	if !cmp.Equal(o.gone, []string{"b", "c"}) {
		t.Errorf("without any: %v are gone", o.gone)
	}
}

// TestHubThatStopsIsToldToHaveLeft at once, and not later as silent. One that is back before the next look has not gone.
func TestHubThatStopsIsToldToHaveLeft(t *testing.T) {
	t.Parallel()
	o := newObserved()
	bye := func() { o.Receive(&Message{Bye: &Hub{Name: "c", Instance: "1"}}, o.now.Add(time.Second)) }
	o.pass(time.Minute, "b", "c")
	bye()
	o.expect(t, "c has stopped", o.pass(time.Minute, "b"), "c gone true left true away 2s")
	o.expect(t, "c is back", o.pass(time.Minute, "b", "c"), "c gone false left true away 1m2s")
	bye()
	o.expect(t, "c restarts at once", o.pass(time.Minute, "b", "c"))
}

// TestProcessThatWasSuspendedTakesNoHubForSilent: it has heard nobody meanwhile.
func TestProcessThatWasSuspendedTakesNoHubForSilent(t *testing.T) {
	t.Parallel()
	o := newObserved()
	o.pass(time.Minute, "b", "c")
	o.now = o.now.Add(time.Hour)
	o.expect(t, "just after it", o.pass(Interval))
	o.expect(t, "when c does not come", o.pass(time.Minute, "b"), "c gone true left false away 1h0m12s")
}

func TestInventedHubsThatGoDoNotFillTheMemory(t *testing.T) {
	t.Parallel()
	o := newObserved()
	for round := range 3 {
		for i := range maxHubs {
			o.Receive(&Message{Hello: &Hub{Name: strings.Repeat("x", round*maxHubs+i+1)}}, o.now)
		}
		o.pass(time.Minute)
	}
	if len(o.gone) != maxHubs {
		t.Errorf("%d hubs are remembered", len(o.gone))
	}
}
