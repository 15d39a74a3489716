// Package world runs the nodes of a cluster as processes, and causes their faults: it kills, stops, isolates and damages them.
package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/chaos/driver"
)

// Process is a node that is started again and again. Its methods are not safe for concurrent use, except Running.
type Process struct {
	driver.Node

	fell  func(error)           // is called when the process ends without having been told to; nil: no caller is waiting
	log   string                // the file for its output
	place func(*exec.Cmd) error // gives the command its network and its clock

	mu    sync.Mutex // guards the following fields
	cmd   *exec.Cmd  // nil: it does not run
	done  chan struct{}
	asked bool // to end
}

const defaultGrace = 30 * time.Second

// Start starts the process. It does not wait until the process is ready.
func (p *Process) Start() error {
	if p.Running() {
		return nil
	}
	cmd, err := p.Node.Start()
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	if err := p.place(cmd); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	out, err := os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	// A group of its own, so that Ctrl-C here is no fault there. The process ends with this one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := startHere(cmd); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	done := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.done, p.asked = cmd, done, false
	p.mu.Unlock()
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.cmd = nil
		asked := p.asked
		p.mu.Unlock()
		if !asked && p.fell != nil {
			p.fell(err)
		}
		close(done)
	}()
	return nil
}

// starter starts all processes: Pdeathsig means the death of the thread that started them, so that thread must not end.
var starter = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range calls {
			f()
		}
	}()
	return calls
})

func startHere(cmd *exec.Cmd) error {
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	return <-started
}

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil
}

// Signal sends a signal to the process, if it runs.
func (p *Process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

// Kill ends the process at once.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL, defaultGrace) }

// Term asks the process to end, and returns when it has. A process that does not end in its time of grace is killed, and reported.
func (p *Process) Term() error {
	grace := p.Grace
	if grace == 0 {
		grace = defaultGrace
	}
	return p.end(syscall.SIGTERM, grace)
}

func (p *Process) end(sig syscall.Signal, grace time.Duration) error {
	p.mu.Lock()
	done := p.done
	running := p.cmd != nil
	p.asked = true
	p.mu.Unlock()
	if !running {
		return nil
	}
	if err := p.Signal(sig); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-time.After(grace):
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-done
	return fmt.Errorf("%s did not end within %v of %v", p.Name, grace, sig)
}

// Await waits until the process is ready, has ended, or ctx has.
func (p *Process) Await(ctx context.Context) error {
	for !p.Ready(ctx) {
		if !p.Running() {
			return fmt.Errorf("%s has ended; its output is in %s", p.Name, filepath.Base(p.log))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", p.Name, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
