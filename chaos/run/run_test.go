//go:build programs

package run_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/chaos/check"
	"github.com/tidings-sse/tidings/chaos/driver"
	"github.com/tidings-sse/tidings/chaos/fault"
	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/chaos/load"
	"github.com/tidings-sse/tidings/chaos/run"
	"github.com/tidings-sse/tidings/chaos/world"
)

// script is what happens in a run.
type script = func(context.Context, *fault.Place, *run.Recorder) error

// play makes a short run, and returns the result of the check. make makes the driver.
func play(t *testing.T, hubs int, make func(driver.Config) (driver.Driver, error), story script) *check.Result {
	t.Helper()
	dir := t.TempDir()
	network := world.NewProxy(hubs)
	c := driver.Config{Hubs: hubs, Dir: dir, Binary: filepath.Join(dir, "tidings"), Host: func(int) string { return "127.0.0.1" }, Link: network.Link}
	build := exec.Command("go", "build", "-o", c.Binary, "./cmd/tidings")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d, err := make(c)
	if err != nil {
		t.Fatal(err)
	}
	w := world.New(d, dir, nil)
	w.Net = network
	var out bytes.Buffer
	o := run.Options{
		Seed: 1, Script: story, Status: io.Discard, Quiet: 2 * time.Second,
		Load: load.Options{Publishers: 4, Rate: 20, Batch: 5, Subscribers: 9, Stay: 2 * time.Second, Duels: 2, Twice: 0.1},
	}
	if err := run.Run(t.Context(), w, o, &out); err != nil {
		logs(t, dir)
		t.Fatal(err)
	}
	r, err := check.Check(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	if r.Deliveries < 100 || len(r.Faults) == 0 {
		t.Fatalf("the run did too little: %+v", r)
	}
	return r
}

// logs shows how the logs of the hubs end.
func logs(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s:\n%s", filepath.Base(name), text[max(0, len(text)-3000):])
	}
}

// thrice kills a hub three times.
func thrice(ctx context.Context, p *fault.Place, r *run.Recorder) error {
	for range 3 {
		if err := after(ctx, p, r, fault.Named("kill -9 at once")); err != nil {
			return err
		}
	}
	return nil
}

// after makes a fault, and lets the hubs work for a moment when they are ready again.
func after(ctx context.Context, p *fault.Place, r *run.Recorder, f fault.Fault) error {
	if err := r.Fault(ctx, p, f); err != nil {
		return err
	}
	if err := p.Settle(ctx); err != nil {
		return err
	}
	return fault.Wait(ctx, 700*time.Millisecond)
}

func noneBroken(t *testing.T, r *check.Result) {
	t.Helper()
	for _, v := range r.Violations {
		t.Errorf("%s: %s", v.Rule, v.What)
	}
}

func TestKilledHubKeepsEveryPromise(t *testing.T) {
	noneBroken(t, play(t, 1, func(c driver.Config) (driver.Driver, error) { return driver.NewTidings(c) }, thrice))
}

// TestThreeHubsKeepEveryPromise kills a hub of three, restarts each of them, and cuts one off.
func TestThreeHubsKeepEveryPromise(t *testing.T) {
	cut := fault.Fault{Name: "cut", Do: func(ctx context.Context, p *fault.Place) (string, error) {
		return p.Cut(ctx, p.From(2, false), 2*time.Second)
	}}
	r := play(t, 3, func(c driver.Config) (driver.Driver, error) { return driver.NewTidingsCluster(c) },
		func(ctx context.Context, p *fault.Place, r *run.Recorder) error {
			for _, f := range []fault.Fault{fault.Named("kill -9 at once"), fault.Named("rolling restart"), cut} {
				if err := after(ctx, p, r, f); err != nil {
					return err
				}
			}
			return nil
		})
	noneBroken(t, r)
	if len(r.Gens) != 1 {
		t.Errorf("there were the generations %v, want one", r.Gens)
	}
}

// forgetful is a hub that promises durability and keeps its events in memory.
type forgetful struct{ *driver.Tidings }

func (f forgetful) Nodes() []driver.Node {
	nodes := f.Tidings.Nodes()
	start := nodes[0].Start
	nodes[0].Start = func() (*exec.Cmd, error) {
		cmd, err := start()
		if err == nil {
			cmd.Args = []string{cmd.Args[0], "serve", "--memory", "--insecure", "--addr", cmd.Args[3]}
		}
		return cmd, err
	}
	return nodes
}

func (f forgetful) Features() driver.Features {
	features := f.Tidings.Features()
	features.DumpStopped = false
	return features
}

func (f forgetful) Dump(context.Context, int, []string) ([]history.Entry, error) { return nil, nil }

// TestHubThatForgetsIsFound proves that the test above can fail.
func TestHubThatForgetsIsFound(t *testing.T) {
	r := play(t, 1, func(c driver.Config) (driver.Driver, error) {
		d, err := driver.NewTidings(c)
		return forgetful{d}, err
	}, thrice)
	for _, rule := range []string{"E", "J"} {
		if r.Broken[rule] == 0 {
			t.Errorf("rule %s found nothing; broken are %v", rule, r.Broken)
		}
	}
}
