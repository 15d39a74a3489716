package fault

import (
	"context"
	"fmt"
	"time"

	"github.com/tidings-sse/tidings/chaos/world"
)

var networks = []Fault{
	{Name: "partition of one hub from the others", Group: "network", Often: 4, Can: partable, Do: func(ctx context.Context, p *Place) (string, error) {
		_, hub := p.hub()
		return p.Cut(ctx, p.From(hub, false), p.between(time.Second, 25*time.Second))
	}},
	{Name: "partition of one hub from everything", Group: "network", Often: 2, Can: namespaced, Do: func(ctx context.Context, p *Place) (string, error) {
		_, hub := p.hub()
		return p.Cut(ctx, p.From(hub, true), p.between(time.Second, 25*time.Second))
	}},
	{Name: "partition of all hubs from each other", Group: "network", Often: 1, Can: partable, Do: func(ctx context.Context, p *Place) (string, error) {
		var ways [][2]int
		for hub := range p.Hubs {
			ways = append(ways, p.From(hub+1, false)...)
		}
		return p.Cut(ctx, ways, p.between(time.Second, 15*time.Second))
	}},
	{Name: "partition of two hubs, both with a third", Group: "network", Often: 2, Can: partable, Do: func(ctx context.Context, p *Place) (string, error) {
		a, b := p.two()
		return p.Cut(ctx, [][2]int{{a, b}, {b, a}}, p.between(time.Second, 25*time.Second))
	}},
	{Name: "one way", Group: "network", Often: 3, Can: partable, Do: func(ctx context.Context, p *Place) (string, error) {
		a, b := p.two()
		return p.Cut(ctx, [][2]int{{a, b}}, p.between(time.Second, 25*time.Second))
	}},
	{Name: "one hub receives nothing", Group: "network", Often: 1, Can: partable, Do: func(ctx context.Context, p *Place) (string, error) {
		_, hub := p.hub()
		var ways [][2]int
		for _, w := range p.From(hub, false) {
			if w[1] == hub {
				ways = append(ways, w)
			}
		}
		return p.Cut(ctx, ways, p.between(time.Second, 20*time.Second))
	}},
	{Name: "flapping", Group: "network", Often: 2, Can: partable, Do: func(ctx context.Context, p *Place) (string, error) {
		_, hub := p.hub()
		times := 3 + p.Rand.IntN(6)
		for range times {
			if what, err := p.Cut(ctx, p.From(hub, false), p.between(200*time.Millisecond, 3*time.Second)); err != nil {
				return what, err
			}
			if err := Wait(ctx, p.between(100*time.Millisecond, 2*time.Second)); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("hub %d, %d times", hub, times), nil
	}},
	{Name: "delay", Group: "network", Often: 2, Can: delayable, Do: func(ctx context.Context, p *Place) (string, error) {
		d := p.between(10*time.Millisecond, 400*time.Millisecond)
		begin := p.Net.Delay(d)
		err := Wait(ctx, p.between(3*time.Second, 15*time.Second))
		return d.String(), ended(err, begin, p.Net.Heal())
	}},
	{Name: "reset of all connections", Group: "network", Often: 2, Can: delayable, Do: func(_ context.Context, p *Place) (string, error) { return "all", p.Net.Reset() }},
}

func partable(w *world.World) bool   { return w.Net != nil && len(w.Hubs) > 1 }
func delayable(w *world.World) bool  { return partable(w) && w.Driver.Features().Order }
func namespaced(w *world.World) bool { return partable(w) && w.Net.CutsClients() }

// From returns all ways between a hub and the other hubs, and with everything also those to and from clients.
func (p *Place) From(hub int, everything bool) (ways [][2]int) {
	for other := range len(p.Nodes) + 1 {
		if other != hub && (other > 0 || everything) {
			ways = append(ways, [2]int{hub, other}, [2]int{other, hub})
		}
	}
	return ways
}

// Cut cuts the network for a time.
func (p *Place) Cut(ctx context.Context, ways [][2]int, d time.Duration) (string, error) {
	var errs []error
	for _, w := range ways {
		errs = append(errs, p.Net.Cut(w[0], w[1]))
	}
	err := Wait(ctx, d)
	errs = append(errs, p.Net.Heal())
	return fmt.Sprintf("%v for %v", ways, d.Round(time.Millisecond)), ended(err, errs...)
}

var clocks = []Fault{
	clockOf("an hour ahead", time.Hour), clockOf("an hour behind", -time.Hour), clockOf("a year ahead", 365*24*time.Hour),
	clockOf("ten seconds behind", -10*time.Second),
}

// clockOf sets the clock of a running hub, and sets it back.
func clockOf(name string, offset time.Duration) Fault {
	can := func(w *world.World) bool { return w.Clock != nil }
	return Fault{Name: "clock " + name, Group: "clock", Often: 1, Can: can, Do: func(ctx context.Context, p *Place) (string, error) {
		hub, _ := p.hub()
		begin := p.Clock.Set(hub.Name, offset)
		err := Wait(ctx, p.between(3*time.Second, 15*time.Second))
		return hub.Name, ended(err, begin, p.Clock.Set(hub.Name, 0))
	}}
}
