package world

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/chaos/driver"
)

// World has all nodes, and the means to disturb them.
type World struct {
	Driver driver.Driver
	Nodes  []*Process // hubs first
	Hubs   []*Process
	Net    Net                          // nil: the nodes cannot be cut off from each other
	Disks  Disks                        // nil: disks cannot fill, and lose nothing
	Clock  *Clock                       // nil: clocks cannot be set
	Fell   func(node string, err error) // is called when a node ends by itself; nil: no caller is waiting
	Dir    string                       // with a folder for each node, and their logs
}

// Net cuts nodes off from each other. Nodes are numbered from 1; 0 stands for all clients.
type Net interface {
	// Cut silently drops the packets from one node to another, until Heal.
	Cut(from, to int) error
	// CutsClients reports whether Cut can cut off clients.
	CutsClients() bool
	// Delay delays all bytes between hubs, until Heal.
	Delay(time.Duration) error
	// Reset resets the connections between hubs.
	Reset() error
	Heal() error
}

// Disks are the disks of hubs.
type Disks interface {
	// Fill fills the disk of a hub, until Free.
	Fill(hub int) error
	Free(hub int) error
	// Lose makes the disk of a stopped hub forget what was not synced, as a power loss does.
	Lose(hub int) error
	// Close takes the disks of stopped hubs away, with what is on them.
	Close() error
}

// New returns the world of a driver. Nothing runs yet. place puts the command of a node, by its index from 1, into its network and gives it
// its clock; it may be nil.
func New(d driver.Driver, dir string, place func(node int, cmd *exec.Cmd) error) *World {
	w := &World{Driver: d, Dir: dir}
	for i, n := range d.Nodes() {
		p := &Process{Node: n, log: filepath.Join(dir, n.Name+".log")}
		p.place = func(cmd *exec.Cmd) error {
			if w.Clock != nil {
				if err := w.Clock.place(n.Name, cmd); err != nil {
					return err
				}
			}
			if place != nil {
				return place(i+1, cmd)
			}
			return nil
		}
		p.fell = func(err error) {
			if w.Fell != nil {
				w.Fell(n.Name, err)
			}
		}
		w.Nodes = append(w.Nodes, p)
		if n.Hub > 0 {
			w.Hubs = append(w.Hubs, p)
		}
	}
	return w
}

// Start starts the nodes that do not run, and returns when all are ready. Like a supervisor it starts nodes that end again and again.
func (w *World) Start(ctx context.Context) error {
	for {
		err := Begin(ctx, w.Nodes)
		if err == nil {
			err = w.Await(ctx)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// Begin starts nodes: first those that the hubs need, and when these are ready, all hubs at once.
func Begin(ctx context.Context, nodes []*Process) error {
	for _, p := range slices.Backward(nodes) {
		if err := p.Start(); err != nil {
			return err
		}
		if p.Hub == 0 {
			if err := p.Await(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// Await waits until all nodes are ready.
func (w *World) Await(ctx context.Context) error {
	for _, p := range w.Nodes {
		if err := p.Await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Each calls f for all processes at once.
func Each(processes []*Process, f func(*Process) error) error {
	var wg sync.WaitGroup
	errs := make([]error, len(processes))
	for i, p := range processes {
		wg.Go(func() { errs[i] = f(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Stop ends all nodes: first the hubs, then the nodes that they need.
func (w *World) Stop() error {
	return errors.Join(Each(w.Hubs, (*Process).Term), Each(w.Nodes[len(w.Hubs):], (*Process).Term))
}

// Kill ends all nodes at once.
func (w *World) Kill() error { return Each(w.Nodes, (*Process).Kill) }
