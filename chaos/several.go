package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/tidings-sse/tidings/chaos/check"
	"github.com/tidings-sse/tidings/chaos/driver"
	"github.com/tidings-sse/tidings/chaos/world"
)

// several makes runs with different seeds at the same time, each in a process with hubs of its own, and reports them as one. Their outputs
// and folders are in that of -dir.
func (s *settings) several(ctx context.Context) (code int, err error) {
	remove := s.dir == ""
	if s.dir, err = s.folder(); err != nil {
		return 2, err
	}
	fmt.Fprintf(os.Stderr, "%d runs, their seeds begin with %d, data in %s\n", s.runs, s.Seed, s.dir)
	binary := s.binary
	if binary == "" { // once for all
		var c driver.Config
		var clock *world.Clock
		if err := s.build(&c, &clock); err != nil {
			return 2, err
		}
		binary = c.Binary
	}
	results, errs := make([]*check.Result, s.runs), make([]error, s.runs)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i], errs[i] = s.one(ctx, i, binary) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return 2, err
	}
	sum := check.Merge(results)
	if err := check.Markdown(os.Stdout, sum); err != nil {
		return 2, err
	}
	if len(sum.Violations) > 0 {
		code = 1
		fmt.Printf("\nThe histories are in %s.\n", s.dir)
	}
	if s.report != "" {
		err = check.Save(s.report, sum)
	}
	if remove && code == 0 && err == nil {
		err = os.RemoveAll(s.dir)
	}
	return code, err
}

// one makes one of several runs.
func (s *settings) one(ctx context.Context, i int, binary string) (*check.Result, error) {
	dir := filepath.Join(s.dir, strconv.Itoa(i+1))
	report := dir + ".report"
	args := append(os.Args[1:len(os.Args):len(os.Args)], "-runs", "1", "-seed", fmt.Sprint(s.Seed+uint64(i)), "-dir", dir, "-report", report, "-history", "", "-binary", binary)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	out, err := os.Create(dir + ".log")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		err = nil // a promise was broken, which the report says
	}
	if err != nil {
		return nil, fmt.Errorf("run %d: %w; its output is in %s", i+1, err, out.Name())
	}
	return check.Load(report)
}
