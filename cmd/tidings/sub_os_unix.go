//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// shell returns the command that runs a command line.
func shell(line string) *exec.Cmd { return exec.Command("sh", "-c", line) }

// own puts the command into a session of its own, so that it can be ended with everything it has started. The
// session has no terminal: a program that wants to ask for a password fails at once instead of being stopped
// for ever in the background.
func own(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// terminate asks a command started with own, and all its children, to end.
func terminate(cmd *exec.Cmd) error { return signalAll(cmd, syscall.SIGTERM) }

// kill ends them.
func kill(cmd *exec.Cmd) { _ = signalAll(cmd, syscall.SIGKILL) }

func signalAll(cmd *exec.Cmd, sig syscall.Signal) error {
	err := syscall.Kill(-cmd.Process.Pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems cannot do this for directories and say EINVAL; then a rename is as durable as it gets.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// brokenPipe reports whether a write failed because the reader is gone.
func brokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
