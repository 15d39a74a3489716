package scenario

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/chaos/driver"
	"github.com/tidings-sse/tidings/chaos/fault"
	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/chaos/load"
	"github.com/tidings-sse/tidings/chaos/run"
	"github.com/tidings-sse/tidings/chaos/world"
)

// All are all scenarios.
var All = []Scenario{
	{
		Name:   "LeaderDiesBetweenStoreAndAck",
		Script: eachHub(8*time.Second, kill(2*time.Second), "kill -9", false),
		Expect: all(generations(1, 1), waits(10*time.Second, 11*time.Second)),
	},
	{
		Name:   "PausedLeaderComesBack",
		Script: eachHub(5*time.Second, pause(12*time.Second), "SIGSTOP for 12 s", false),
		Expect: generations(1, 1),
	},
	{
		Name: "MinorityHubEndsItsStreams", Can: func(w *world.World) bool { return several(w) && w.Net != nil },
		Load:   func(o *load.Options) { o.Stay = 2 * time.Minute },
		Script: eachHub(5*time.Second, isolate(40*time.Second), isolation, false),
		Expect: minorityIsSilent,
	},
	{
		Name: "FollowerKilledAtEachStep",
		Script: func(ctx context.Context, p *fault.Place, r *run.Recorder) error {
			for after := 20 * time.Millisecond; after < 4*time.Second; after = after * 3 / 2 {
				f := fault.Fault{Name: "kill -9 while it starts", Do: func(ctx context.Context, p *fault.Place) (string, error) {
					hub := p.Hubs[p.Rand.IntN(len(p.Hubs))]
					return fmt.Sprintf("%s after %v", hub.Name, after), errors.Join(hub.Kill(), hub.Start(), fault.Wait(ctx, after), hub.Kill(), hub.Start())
				}}
				if err := step(ctx, p, r, f, 500*time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		},
		Expect: generations(1, 1),
	},
	{
		Name: "AllPowerLost",
		Script: func(ctx context.Context, p *fault.Place, r *run.Recorder) error {
			for range 4 {
				if err := step(ctx, p, r, fault.Named("kill -9 of all"), 5*time.Second); err != nil {
					return err
				}
			}
			return nil
		},
		Expect: generations(1, 1),
	},
	{
		Name: "OneDiskLostAndReplaced", Can: several,
		Script: eachHub(10*time.Second, lose, "directory lost", false),
		Expect: generations(1, 1),
	},
	{
		Name: "MirrorRestoredFromYesterday", Can: several,
		Script: eachHub(10*time.Second, restore, "directory restored from an older copy", false),
		Expect: generations(1, 1),
	},
	{
		Name: "OrderRestoredFromYesterday", Can: func(w *world.World) bool { return w.Driver.Features().Order },
		Script: func(ctx context.Context, p *fault.Place, r *run.Recorder) error {
			if err := fault.Wait(ctx, 5*time.Second); err != nil {
				return err
			}
			return step(ctx, p, r, fault.Named("the order goes back"), 10*time.Second)
		},
		Expect: generations(2, 2),
	},
	{
		Name: "StreamDeletedByHand", Can: func(w *world.World) bool { d, ok := w.Driver.(deleter); return ok && d.CanDeleteOrder() },
		Script: func(ctx context.Context, p *fault.Place, r *run.Recorder) error {
			f := fault.Fault{Name: "stream deleted by hand", Loss: true, Do: func(ctx context.Context, p *fault.Place) (string, error) {
				d := p.Driver.(deleter) //nolint:forcetypeassert // Can has looked
				return "", errors.Join(d.DeleteOrder(ctx), fault.Wait(ctx, 5*time.Second), d.ResetOrder(ctx))
			}}
			return errors.Join(fault.Wait(ctx, 5*time.Second), step(ctx, p, r, f, 15*time.Second))
		},
		Expect: generations(2, 2),
	},
	{
		Name: "KeyAtTwoHubsAtOnce", Can: several,
		Load:   func(o *load.Options) { o.Twice = 1 },
		Script: eachHub(5*time.Second, kill(time.Second), "kill -9", false),
		Expect: generations(1, 1),
	},
	{
		Name:   "EndRacesPublish",
		Load:   func(o *load.Options) { o.Duels = 20 },
		Script: eachHub(5*time.Second, kill(time.Second), "kill -9", false),
		Expect: generations(1, 1),
	},
	{
		Name: "EndJustBeforeEndAge", Can: several,
		Load:   func(o *load.Options) { o.Brief = brief },
		Config: func(c *driver.Config) { c.Brief = brief },
		Script: func(ctx context.Context, p *fault.Place, r *run.Recorder) error {
			err := eachHub(brief, kill(time.Second), "kill -9", false)(ctx, p, r)
			if err == nil && p.Clock != nil {
				err = eachHub(brief, clock(365*24*time.Hour), "clock a year ahead", false)(ctx, p, r)
			}
			return err
		},
		Expect: generations(1, 1),
	},
	{
		Name: "NewcomerWhileTrimming", Can: several,
		Load:   func(o *load.Options) { o.Rate *= 4 },
		Config: func(c *driver.Config) { c.KeepBytes = "1MiB" }, // and the shared log 2 MiB, which a run fills several times
		Script: func(ctx context.Context, p *fault.Place, r *run.Recorder) error {
			if err := fault.Wait(ctx, 30*time.Second); err != nil {
				return err
			}
			return eachHub(10*time.Second, lose, "directory lost", false)(ctx, p, r)
		},
		Expect: generations(1, 1),
	},
	{
		Name: "SettingsDiffer", Can: several,
		Script: eachHub(2*time.Second, otherSettings, "started with other settings", false),
		Expect: generations(1, 1),
	},
	{
		Name: "RollingUpgradeUnderLoad", Can: several,
		Script: func(ctx context.Context, p *fault.Place, r *run.Recorder) error {
			for range 3 {
				if err := step(ctx, p, r, fault.Named("rolling restart"), 5*time.Second); err != nil {
					return err
				}
			}
			return nil
		},
		Expect: all(generations(1, 1), waits(time.Second, 2*time.Second)),
	},
	{
		Name: "ClockOfTheLeaderAYearAhead", Can: func(w *world.World) bool { return w.Clock != nil },
		Script: eachHub(5*time.Second, clock(365*24*time.Hour), "clock a year ahead", false),
		Expect: generations(1, 1),
	},
	{
		Name: "OneBitInABlock", Can: func(w *world.World) bool { return several(w) && w.Driver.Features().Order },
		Script: eachHub(10*time.Second, oneBit, "one bit of a block flipped", false),
		Expect: generations(1, 1),
	},
}

// brief is how long an end holds in the scenario about that.
const brief = 10 * time.Second

// deleter is a driver that can delete the order of its hubs.
type deleter interface {
	CanDeleteOrder() bool
	DeleteOrder(context.Context) error
	ResetOrder(context.Context) error
}

type act = func(ctx context.Context, p *fault.Place, hub int) (string, error)

func kill(down time.Duration) act {
	return func(ctx context.Context, p *fault.Place, hub int) (string, error) {
		h := p.Hubs[hub-1]
		return h.Name, errors.Join(h.Kill(), fault.Wait(ctx, down), h.Start())
	}
}

func pause(d time.Duration) act {
	return func(ctx context.Context, p *fault.Place, hub int) (string, error) {
		h := p.Hubs[hub-1]
		return h.Name, errors.Join(h.Signal(syscall.SIGSTOP), fault.Wait(ctx, d), h.Signal(syscall.SIGCONT))
	}
}

func clock(offset time.Duration) act {
	return func(ctx context.Context, p *fault.Place, hub int) (string, error) {
		h := p.Hubs[hub-1]
		return h.Name, errors.Join(p.Clock.Set(h.Name, offset), fault.Wait(ctx, 10*time.Second), p.Clock.Set(h.Name, 0))
	}
}

func lose(ctx context.Context, p *fault.Place, hub int) (string, error) {
	h := p.Hubs[hub-1]
	return h.Name, errors.Join(h.Kill(), p.Lose(ctx, h), h.Start())
}

func restore(ctx context.Context, p *fault.Place, hub int) (string, error) {
	h := p.Hubs[hub-1]
	return h.Name, p.Later(ctx, []*world.Process{h}, h.Dirs[:1], 8*time.Second)
}

func oneBit(_ context.Context, p *fault.Place, hub int) (string, error) {
	h := p.Hubs[hub-1]
	if err := h.Kill(); err != nil {
		return "", err
	}
	path, size, err := p.File(h.Dirs[1], ".blk")
	if err != nil {
		return "", errors.Join(err, h.Start())
	}
	what, err := fault.Flip(p.Rand, path, size)
	return h.Name + ": " + what, errors.Join(err, h.Start())
}

// otherSettings expects that a hub with other rules does not join: it ends, or does not become ready.
func otherSettings(ctx context.Context, p *fault.Place, hub int) (string, error) {
	h := p.Hubs[hub-1]
	start := h.Node.Start
	h.Node.Start = func() (*exec.Cmd, error) {
		cmd, err := start()
		if err == nil {
			cmd.Args = append(cmd.Args, "--keep", "chat/**=count:7")
		}
		return cmd, err
	}
	err := errors.Join(h.Term(), h.Start())
	h.Node.Start = start
	joining, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	joined := err == nil && h.Await(joining) == nil
	err = errors.Join(err, h.Term(), h.Start())
	if err == nil && joined {
		err = fmt.Errorf("%s joined although its rules differ", h.Name)
	}
	return h.Name, err
}

const isolation = "partition of one hub from the others"

func isolate(d time.Duration) act {
	return func(ctx context.Context, p *fault.Place, hub int) (string, error) {
		what, err := p.Cut(ctx, p.From(hub, false), d)
		return fmt.Sprintf("hub %d: %s", hub, what), err
	}
}

// minorityIsSilent expects that a hub without contact delivers no events: 15 s after it lost contact it begins to end its streams, within
// 15 s more.
func minorityIsSilent(o *Outcome) (missing []string) {
	faults, err := o.faults()
	if err != nil {
		return []string{err.Error()}
	}
	said := make([]int, len(faults))
	err = o.lines(func(l history.Line) {
		told := slices.Contains([]history.Kind{history.Event, history.Checkpoint}, l.Kind)
		for i, f := range faults {
			if told && l.Hub == i+1 && l.At > f.At+(30*time.Second).Microseconds() && l.At < f.End {
				said[i]++
			}
		}
	})
	if err != nil {
		missing = append(missing, err.Error())
	}
	for i, n := range said {
		if n > 0 {
			missing = append(missing, fmt.Sprintf("hub %d sent %d events to subscribers after 30 s without contact", i+1, n))
		}
	}
	return missing
}
