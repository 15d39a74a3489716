//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"
)

// TestClosedPipeEndsPresenceAtOnce: tidings presence room --follow | head -1 ends, although no member comes or leaves.
func TestClosedPipeEndsPresenceAtOnce(t *testing.T) {
	s := startServe(t, nil)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd, stderr := subProcess(t)
	cmd.Args = []string{"tidings", "presence", "room", "--follow", "--hub", s.url}
	cmd.Stdout = w
	start(t, cmd)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if code := ended(t, cmd); code != 0 || stderr.String() != young {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	cmd, stderr = subProcess(t)
	cmd.Args = []string{"tidings", "presence", "room", "--follow", "--hub", s.url}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	if _, err := out.Read(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := ended(t, cmd); code != exitInterrupted || stderr.String() != young {
		t.Errorf("after SIGTERM: exit code %d, %s", code, stderr)
	}
}
