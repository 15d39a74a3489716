// Package scenario has the named scenarios of a cluster. Each is a run with a script in place of random faults, and may expect more than the
// rules of package check.
package scenario

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/chaos/check"
	"github.com/tidings-sse/tidings/chaos/driver"
	"github.com/tidings-sse/tidings/chaos/fault"
	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/chaos/load"
	"github.com/tidings-sse/tidings/chaos/run"
	"github.com/tidings-sse/tidings/chaos/world"
)

// Scenario is a run with a script.
type Scenario struct {
	Name   string
	Can    func(*world.World) bool // nil: always
	Load   func(*load.Options)     // changes the load; nil: as it is
	Config func(*driver.Config)    // changes the hubs; nil: as they are
	Script func(context.Context, *fault.Place, *run.Recorder) error
	Expect func(*Outcome) []string // returns the violated expectations; nil: none beyond the rules
}

// Outcome is the result of a scenario.
type Outcome struct {
	*check.Result
	Open func() (io.ReadCloser, error) // the history
}

// Named returns the scenario of a name.
func Named(name string) (Scenario, error) {
	var names []string
	for _, s := range All {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("no scenario is called %q; there are %s", name, strings.Join(names, ", "))
}

// several is for scenarios of a cluster.
func several(w *world.World) bool { return len(w.Hubs) > 1 }

// eachHub makes a fault on every hub in turn, so that the leader of the order is among them.
func eachHub(rest time.Duration, f func(ctx context.Context, p *fault.Place, hub int) (string, error), name string, loss bool) func(context.Context, *fault.Place, *run.Recorder) error {
	return func(ctx context.Context, p *fault.Place, r *run.Recorder) error {
		for i := range p.Hubs {
			one := fault.Fault{Name: name, Loss: loss, Do: func(ctx context.Context, p *fault.Place) (string, error) { return f(ctx, p, i+1) }}
			if err := step(ctx, p, r, one, rest); err != nil {
				return err
			}
		}
		return nil
	}
}

// step makes a fault, waits until all nodes are ready, and lets them work for a while.
func step(ctx context.Context, p *fault.Place, r *run.Recorder, f fault.Fault, rest time.Duration) error {
	if err := r.Fault(ctx, p, f); err != nil {
		return err
	}
	if err := p.Settle(ctx); err != nil {
		return err
	}
	return fault.Wait(ctx, rest)
}

// lines calls f for each line of the history.
func (o *Outcome) lines(f func(history.Line)) error {
	r, err := o.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	for line, err := range history.All(r) {
		if err != nil {
			return err
		}
		f(line)
	}
	return nil
}

// faults returns the faults of the history.
func (o *Outcome) faults() (all []history.Line, err error) {
	err = o.lines(func(l history.Line) {
		if l.Kind == history.Fault && l.End > 0 {
			all = append(all, l)
		}
	})
	return all, err
}

// generations expects a number of generations.
func generations(least, most int) func(*Outcome) []string {
	return func(o *Outcome) []string {
		if n := len(o.Gens); n < least || n > most {
			return []string{fmt.Sprintf("there were %d generations, want %d to %d", n, least, most)}
		}
		return nil
	}
}

// waits expects that publishers never waited longer than this, from the beginning of a fault to ten seconds after its end.
func waits(publish, delivery time.Duration) func(*Outcome) []string {
	return func(o *Outcome) (missing []string) {
		for _, f := range o.Faults {
			if worst := f.Publish.Worst(); worst > publish {
				missing = append(missing, fmt.Sprintf("%s: nothing was acknowledged for %v, want %v at most", f.Name, worst, publish))
			}
			if worst := f.Delivery.Worst(); worst > delivery {
				missing = append(missing, fmt.Sprintf("%s: nothing was delivered for %v, want %v at most", f.Name, worst, delivery))
			}
		}
		return missing
	}
}

// all joins expectations.
func all(expectations ...func(*Outcome) []string) func(*Outcome) []string {
	return func(o *Outcome) (missing []string) {
		for _, e := range expectations {
			missing = slices.Concat(missing, e(o))
		}
		return missing
	}
}
