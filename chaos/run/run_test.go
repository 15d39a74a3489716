//go:build programs

package run_test

import (
	"bytes"
	"context"
	"io"
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

// kills makes a short run in which a hub is killed, and returns the result of the check.
func kills(t *testing.T, wrap func(*driver.Tidings) driver.Driver) *check.Result {
	t.Helper()
	dir := t.TempDir()
	c := driver.Config{Hubs: 1, Dir: dir, Binary: filepath.Join(dir, "tidings"), Host: func(int) string { return "127.0.0.1" }}
	build := exec.Command("go", "build", "-o", c.Binary, "./cmd/tidings")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d, err := driver.NewTidings(c)
	if err != nil {
		t.Fatal(err)
	}
	w := world.New(wrap(d), dir, nil)
	kill := func(ctx context.Context, p *fault.Place, r *run.Recorder) error {
		for range 3 {
			if err := r.Fault(ctx, p, fault.Named("kill -9 at once")); err != nil {
				return err
			}
			if err := w.Await(ctx); err != nil {
				return err
			}
			<-time.After(700 * time.Millisecond) // of load
		}
		return nil
	}
	var out bytes.Buffer
	o := run.Options{
		Seed: 1, Script: kill, Status: io.Discard, Quiet: 2 * time.Second,
		Load: load.Options{Publishers: 4, Rate: 20, Batch: 5, Subscribers: 9, Stay: 2 * time.Second, Duels: 2},
	}
	if err := run.Run(t.Context(), w, o, &out); err != nil {
		t.Fatal(err)
	}
	r, err := check.Check(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	if r.Deliveries < 100 || len(r.Faults) != 1 || r.Faults[0].Count != 3 {
		t.Fatalf("the run did too little: %+v", r)
	}
	return r
}

func TestKilledHubKeepsEveryPromise(t *testing.T) {
	r := kills(t, func(d *driver.Tidings) driver.Driver { return d })
	for _, v := range r.Violations {
		t.Errorf("%s: %s", v.Rule, v.What)
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
	r := kills(t, func(d *driver.Tidings) driver.Driver { return forgetful{d} })
	for _, rule := range []string{"E", "J"} {
		if r.Broken[rule] == 0 {
			t.Errorf("rule %s found nothing; broken are %v", rule, r.Broken)
		}
	}
}
