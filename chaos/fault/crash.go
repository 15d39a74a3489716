package fault

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/chaos/world"
)

var crashes = []Fault{
	{Name: "kill -9", Group: "crash", Often: 6, Do: func(ctx context.Context, p *Place) (string, error) {
		return p.down(ctx, (*world.Process).Kill, p.some(1), p.between(0, 20*time.Second))
	}},
	{Name: "kill -9 at once", Group: "crash", Often: 1, Do: func(ctx context.Context, p *Place) (string, error) {
		return p.down(ctx, (*world.Process).Kill, p.some(1), 0)
	}},
	{Name: "SIGTERM", Group: "crash", Often: 3, Do: func(ctx context.Context, p *Place) (string, error) {
		return p.down(ctx, (*world.Process).Term, p.some(1), p.between(0, 10*time.Second))
	}},
	{Name: "kill -9 of a majority", Group: "crash", Often: 1, Can: several, Do: func(ctx context.Context, p *Place) (string, error) {
		return p.down(ctx, (*world.Process).Kill, p.some(len(p.Hubs)/2+1), p.between(0, 15*time.Second))
	}},
	{Name: "kill -9 of all", Group: "crash", Often: 2, Do: func(ctx context.Context, p *Place) (string, error) {
		return p.down(ctx, (*world.Process).Kill, p.Nodes, p.between(0, 5*time.Second))
	}},
	{Name: "SIGTERM of all", Group: "crash", Often: 1, Do: func(ctx context.Context, p *Place) (string, error) {
		return p.down(ctx, (*world.Process).Term, p.Nodes, p.between(0, 3*time.Second))
	}},
	{Name: "rolling restart", Group: "crash", Often: 2, Can: several, Do: func(ctx context.Context, p *Place) (string, error) {
		for _, hub := range p.Hubs {
			if err := errors.Join(hub.Term(), hub.Start()); err != nil {
				return "", err
			}
			if err := p.Settle(ctx); err != nil {
				return "", err
			}
		}
		return "all hubs", nil
	}},
	{Name: "kill -9 again and again", Group: "crash", Often: 1, Do: func(ctx context.Context, p *Place) (string, error) {
		hub, _ := p.hub()
		times := 2 + p.Rand.IntN(5)
		for range times {
			if err := errors.Join(hub.Start(), Wait(ctx, p.between(0, 3*time.Second)), hub.Kill()); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("%s, %d times", hub.Name, times), hub.Start()
	}},
	{Name: "kill -9 of what hubs need", Group: "crash", Often: 4, Can: beside, Do: func(ctx context.Context, p *Place) (string, error) {
		return p.down(ctx, (*world.Process).Kill, p.Nodes[len(p.Hubs):], p.between(0, 10*time.Second))
	}},
	{Name: "kill -9 of one of what hubs need", Group: "crash", Often: 4, Can: beside, Do: func(ctx context.Context, p *Place) (string, error) {
		at := len(p.Hubs) + p.Rand.IntN(len(p.Nodes)-len(p.Hubs))
		return p.down(ctx, (*world.Process).Kill, p.Nodes[at:at+1], p.between(0, 10*time.Second))
	}},
}

func beside(w *world.World) bool { return len(w.Nodes) > len(w.Hubs) }

// some returns n different hubs.
func (p *Place) some(n int) []*world.Process {
	chosen := make([]*world.Process, n)
	for i, at := range p.Rand.Perm(len(p.Hubs))[:n] {
		chosen[i] = p.Hubs[at]
	}
	return chosen
}

// down ends processes, and starts them after a time.
func (p *Place) down(ctx context.Context, end func(*world.Process) error, processes []*world.Process, d time.Duration) (string, error) {
	err := world.Each(processes, end)
	err = errors.Join(err, Wait(ctx, d), world.Begin(ctx, processes))
	return fmt.Sprintf("%s for %v", names(processes), d.Round(time.Millisecond)), err
}

func names(processes []*world.Process) (text string) {
	for i, p := range processes {
		if i > 0 {
			text += ", "
		}
		text += p.Name
	}
	return text
}

// The pauses are short, longer than the election of a leader, longer than the time after which a hub ends its streams, and longer than the
// time for which its peers remember it.
var pauses = []Fault{
	pauseOf("1 s", time.Second, 3), pauseOf("6 s", 6*time.Second, 2), pauseOf("12 s", 12*time.Second, 2), pauseOf("70 s", 70*time.Second, 1),
	{Name: "SIGSTOP of all for 3 s", Group: "pause", Often: 1, Do: func(ctx context.Context, p *Place) (string, error) {
		stop := world.Each(p.Nodes, func(n *world.Process) error { return n.Signal(syscall.SIGSTOP) })
		err := Wait(ctx, 3*time.Second)
		return "all", ended(err, stop, world.Each(p.Nodes, func(n *world.Process) error { return n.Signal(syscall.SIGCONT) }))
	}},
}

func pauseOf(name string, d time.Duration, often int) Fault {
	return Fault{Name: "SIGSTOP for " + name, Group: "pause", Often: often, Do: func(ctx context.Context, p *Place) (string, error) {
		hub, _ := p.hub()
		stop := hub.Signal(syscall.SIGSTOP)
		err := Wait(ctx, d)
		return hub.Name, ended(err, stop, hub.Signal(syscall.SIGCONT))
	}}
}
