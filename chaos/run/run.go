// Package run makes a whole run: it starts the hubs, loads them, causes faults, and writes the history.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/chaos/driver"
	"github.com/tidings-sse/tidings/chaos/fault"
	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/chaos/load"
	"github.com/tidings-sse/tidings/chaos/world"
)

// Options describe a run.
type Options struct {
	For    time.Duration
	Seed   uint64
	Rest   time.Duration // the longest time between two faults
	Faults []fault.Fault
	Losses float64                                              // the part of the time, at the end, in which faults with Loss are made
	Script func(context.Context, *fault.Place, *Recorder) error // instead of random faults; nil: none
	Load   load.Options
	Why    string        // the command line, for the history
	Quiet  time.Duration // without a delivery at the end, after which subscribers have got everything
	Status io.Writer     // gets a line every ten seconds
}

// Recorder writes faults into a history.
type Recorder struct{ log *history.Log }

// Fault makes a fault, and records it.
func (r *Recorder) Fault(ctx context.Context, p *fault.Place, f fault.Fault) error {
	entry := history.Entry{Kind: history.Fault, At: r.log.Now(), Name: f.Name, Loss: f.Loses(p.Driver)}
	if entry.Loss { // the line must come before the consequences of the fault
		r.log.Add(history.Entry{Kind: history.Fault, At: entry.At, Name: f.Name, Loss: true, Why: "begins"})
	}
	what, err := f.Do(ctx, p)
	entry.End, entry.Why = r.log.Now(), what
	r.log.Add(entry)
	return err
}

const (
	startTime  = time.Minute      // for all nodes to become ready at first
	readyTime  = 90 * time.Second // and after a fault
	statusTime = 10 * time.Second
)

// Run runs. The history goes to out.
func Run(ctx context.Context, w *world.World, o Options, out io.Writer) (err error) {
	log := history.NewLog(out)
	defer func() { err = errors.Join(err, log.Flush()) }()
	promise := w.Driver.Features().Promise
	log.Add(history.Entry{Kind: history.Run, Why: o.Why, Seed: o.Seed, Promise: &promise})
	defer func() { err = errors.Join(err, w.Kill()) }()
	w.Fell = func(node string, err error) {
		log.Add(history.Entry{Kind: history.Fell, Who: node, Why: fmt.Sprint(err)})
	}
	starting, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := w.Start(starting); err != nil {
		return err
	}
	o.Load.Seed = o.Seed
	l := load.New(w.Driver, len(w.Hubs), log, o.Load)
	publishing := make(chan struct{})
	loading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	made := 0
	go func() {
		defer func() {
			log.Add(history.Entry{Kind: history.Stopped})
			close(publishing)
		}()
		if err := faults(loading, w, &o, log, &made); err != nil && ctx.Err() == nil {
			stop(err)
		}
	}()
	go status(loading, l, &made, o.Status)
	heal := func() error {
		if err := ready(ctx, w, log, "all faults"); err != nil {
			return err
		}
		return whole(ctx, w, log)
	}
	if err := l.Run(loading, publishing, heal, o.Quiet); err != nil {
		return errors.Join(err, context.Cause(loading))
	}
	return dump(ctx, w, log)
}

// faults makes faults until the time is over.
func faults(ctx context.Context, w *world.World, o *Options, log *history.Log, made *int) error {
	p := &fault.Place{World: w, Rand: rand.New(rand.NewPCG(o.Seed, 1))}
	r := &Recorder{log}
	if o.Script != nil {
		return o.Script(ctx, p, r)
	}
	var mild []fault.Fault
	for _, f := range o.Faults {
		if !f.Loses(w.Driver) {
			mild = append(mild, f)
		}
	}
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(o.Rest/4 + time.Duration(p.Rand.Int64N(int64(o.Rest)))):
		}
		passed := time.Since(began)
		if passed > o.For {
			return nil
		}
		choice := mild
		if passed > time.Duration(float64(o.For)*(1-o.Losses)) {
			choice = o.Faults
		}
		if len(choice) == 0 {
			continue
		}
		f := fault.Pick(p.Rand, choice)
		if err := r.Fault(ctx, p, f); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			log.Add(history.Entry{Kind: history.Stuck, Name: f.Name, Why: err.Error()})
		}
		*made++
		if err := ready(ctx, w, log, f.Name); err != nil {
			return err
		}
	}
}

// ready starts the nodes that have ended, and waits until all are ready. Nodes that do not become ready are recorded, and killed and started
// once more.
func ready(ctx context.Context, w *world.World, log *history.Log, after string) error {
	for range 2 {
		starting, cancel := context.WithTimeout(ctx, readyTime)
		err := w.Start(starting)
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		log.Add(history.Entry{Kind: history.Stuck, Name: after, Why: err.Error()})
		if err := w.Kill(); err != nil {
			return err
		}
	}
	return fmt.Errorf("the hubs did not become ready again after %s", after)
}

// whole waits until all hubs have found and mended the damage of their data.
func whole(ctx context.Context, w *world.World, log *history.Log) error {
	mender, ok := w.Driver.(driver.Mender)
	if !ok || !w.Driver.Features().Mends {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for i := range w.Hubs {
		for !mender.Whole(waiting, i+1) {
			if err := fault.Wait(waiting, 200*time.Millisecond); err != nil {
				log.Add(history.Entry{Kind: history.Stuck, Name: "all faults", Why: fmt.Sprintf("hub %d has not mended its data", i+1)})
				return ctx.Err()
			}
		}
	}
	return nil
}

func status(ctx context.Context, l *load.Load, made *int, out io.Writer) {
	for began := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(statusTime):
		}
		fmt.Fprintf(out, "%v: %d faults, %d deliveries, %d events acknowledged, requests refused %d, unknown %d\n",
			time.Since(began).Round(time.Second), *made, l.Deliveries.Load(), l.Acknowledged.Load(), l.Refused.Load(), l.Unknown.Load())
	}
}

// dump records the content of each hub at the end.
func dump(ctx context.Context, w *world.World, log *history.Log) error {
	if w.Driver.Features().DumpStopped {
		if err := w.Stop(); err != nil {
			return err
		}
	}
	for i := range w.Hubs {
		hub := i + 1
		entries, err := w.Driver.Dump(ctx, hub, load.Topics)
		if err != nil {
			return err
		}
		log.Add(history.Entry{Kind: history.Dump, Hub: hub, Why: fmt.Sprintf("%d entries", len(entries))})
		for _, e := range entries {
			log.Add(e)
		}
	}
	return nil
}

// Names returns the names of faults.
func Names(faults []fault.Fault) string {
	var b strings.Builder
	for i, f := range faults {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.Name)
	}
	return b.String()
}
