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

// own gives the command a session of its own, so that all its children can be ended together. The session has no terminal: a program that asks
// for a password fails at once, instead of waiting in the background forever.
func own(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// terminate sends SIGTERM to a command that was started with own, and to its children.
func terminate(cmd *exec.Cmd) error { return signalAll(cmd, syscall.SIGTERM) }

// kill sends SIGKILL to them.
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
	// Some file systems cannot sync directories and return EINVAL. Nothing better is possible there.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// brokenPipe reports whether a write failed because the reader is gone.
func brokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
