// Package fault has the faults that a run makes, one after the other. Each does harm, waits, and heals it.
package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/chaos/driver"
	"github.com/tidings-sse/tidings/chaos/world"
)

// Fault is a kind of fault.
type Fault struct {
	Name  string
	Group string
	Loss  bool // subscribers may get gaps from now on
	Harm  bool // like Loss, unless the hubs mend each other: the fault damages the data of one of them
	Often int  // how often it is chosen, relative to others
	Can   func(*world.World) bool
	// Do causes the fault, ends it, and returns a description. Every node runs afterwards, but need not be ready.
	Do func(context.Context, *Place) (what string, err error)
}

// Loses reports whether subscribers of such hubs may get gaps after the fault.
func (f *Fault) Loses(d driver.Driver) bool { return f.Loss || f.Harm && !d.Features().Mends }

// Place is where a fault happens.
type Place struct {
	*world.World
	Rand *rand.Rand
}

// All are all faults.
var All = slices.Concat(crashes, pauses, networks, clocks, disks, damages)

// Groups returns the names of all groups.
func Groups() (names []string) {
	for _, f := range All {
		if !slices.Contains(names, f.Group) {
			names = append(names, f.Group)
		}
	}
	return names
}

// Named returns the fault of a name, which must exist.
func Named(name string) Fault {
	for _, f := range All {
		if f.Name == name {
			return f
		}
	}
	panic("no fault is called " + name)
}

// Choose returns the faults of groups that can be made in a world.
func Choose(w *world.World, groups []string) (chosen []Fault) {
	for _, f := range All {
		if slices.Contains(groups, f.Group) && (f.Can == nil || f.Can(w)) {
			chosen = append(chosen, f)
		}
	}
	return chosen
}

// Pick returns one of the faults at random.
func Pick(r *rand.Rand, faults []Fault) Fault {
	sum := 0
	for _, f := range faults {
		sum += f.Often
	}
	n := r.IntN(sum)
	for _, f := range faults {
		if n -= f.Often; n < 0 {
			return f
		}
	}
	panic("unreachable")
}

// hub returns a random hub, and its number.
func (p *Place) hub() (*world.Process, int) {
	at := p.Rand.IntN(len(p.Hubs))
	return p.Hubs[at], at + 1
}

// two returns two different hubs.
func (p *Place) two() (a, b int) {
	chosen := p.Rand.Perm(len(p.Hubs))
	return chosen[0] + 1, chosen[1] + 1
}

// between returns a random time, short ones more often.
func (p *Place) between(least, most time.Duration) time.Duration {
	x := p.Rand.Float64()
	return least + time.Duration(x*x*float64(most-least))
}

// Wait waits, or returns the error of ctx.
func Wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Settle starts the nodes that have ended, and waits until all are ready.
func (p *Place) Settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	return p.Start(ctx)
}

func several(w *world.World) bool { return len(w.Hubs) > 1 }

// run runs a program, and returns its output with its error.
func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %q: %w: %s", name, args, err, out)
	}
	return nil
}

// ended runs the ends of a fault, even if ctx is done.
func ended(err error, ends ...error) error { return errors.Join(append([]error{err}, ends...)...) }
