package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// shell returns the command that runs a command line. The line is passed unchanged, because cmd.exe has quoting rules of its own.
func shell(line string) *exec.Cmd {
	cmd := exec.Command("cmd.exe")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd.exe /d /s /c "` + line + `"`}
	return cmd
}

// own protects the command from Ctrl-C: tidings sub ends it, together with its children.
func own(cmd *exec.Cmd) { cmd.SysProcAttr.CreationFlags |= syscall.CREATE_NEW_PROCESS_GROUP }

// terminate ends a command and all its children. Windows has no equivalent of SIGTERM.
func terminate(cmd *exec.Cmd) error {
	return exec.Command("taskkill", "/t", "/f", "/pid", strconv.Itoa(cmd.Process.Pid)).Run()
}

// kill ends the command itself, in case terminate has failed.
func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

// syncDir does nothing: directories cannot be synced.
func syncDir(string) error { return nil }

// brokenPipe reports whether a write failed because the reader is gone.
func brokenPipe(err error) bool {
	const errorNoData syscall.Errno = 232
	return errors.Is(err, syscall.ERROR_BROKEN_PIPE) || errors.Is(err, errorNoData) || errors.Is(err, os.ErrClosed)
}
