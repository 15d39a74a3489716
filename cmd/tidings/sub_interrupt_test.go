//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse/ssetest"
)

// ended waits for cmd, which should end at once, and returns its exit code, -1 if a signal killed it.
func ended(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	stuck := time.AfterFunc(scriptPatience, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0
}

// subProcess returns the program as a process of its own, to be started.
func subProcess(t *testing.T, args ...string) (cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	cmd, stderr = exec.Command("tidings", append([]string{"sub"}, args...)...), new(bytes.Buffer)
	cmd.Stderr = stderr
	return cmd, stderr
}

// start starts cmd, and kills it at the end of the test if it still runs.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
}

func TestSignalsEndASubscriptionAtOnce(t *testing.T) {
	for _, c := range []struct {
		when   string
		answer ssetest.Answer
	}{
		{"connecting", ssetest.Raw(ssetest.Hold())},
		{"following", ssetest.Stream(ssetest.Send("id: 1\ndata: 1\n\n"), ssetest.Hold())},
		{"a slow refusal", ssetest.Status(404, ssetest.Send("no"), ssetest.Hold())},
	} {
		for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
			server := ssetest.NewTCPServer(t, c.answer)
			cmd, stderr := subProcess(t, "--exec", "cat", server.URL)
			start(t, cmd)
			if _, err := server.Request(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if code := ended(t, cmd); code != exitInterrupted {
				t.Errorf("%v while %s: exit code %d, %s", sig, c.when, code, stderr)
			}
		}
	}
}

func TestSignalsEndAWaitAtOnce(t *testing.T) {
	server := ssetest.NewTCPServer(t, ssetest.Status(503).With("Retry-After", "3600"))
	cmd, _ := subProcess(t, server.URL)
	cmd.Stderr = nil
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	if _, err := bufio.NewReader(stderr).ReadString('\n'); err != nil { // "no connection (…); again in 60 min"
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := ended(t, cmd); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}

// tidings sub … | head -1
func TestClosedPipeEndsTheRunQuietly(t *testing.T) {
	server := ssetest.NewTCPServer(t, ssetest.Stream(ssetest.Forever(ssetest.Send("id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n"))))
	file := filepath.Join(t.TempDir(), "state")
	cmd, stderr := subProcess(t, "--state", file, server.URL)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	out.Close()
	if code := ended(t, cmd); code != 0 || stderr.Len() > 0 {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	if got := savedID(t, file); got == "" {
		t.Error("the position was not saved")
	}
}

// TestClosedPipeEndsAQuietStream: tidings sub … | head -1 ran until the next event, which may never arrive on a quiet topic.
func TestClosedPipeEndsAQuietStream(t *testing.T) {
	for _, format := range []string{"raw", "data", "ndjson", "pretty"} {
		server := ssetest.NewTCPServer(t, ssetest.Stream(ssetest.Send("id: 1\ndata: 1\n\n"), ssetest.Hold()))
		file := filepath.Join(t.TempDir(), "state")
		cmd, stderr := subProcess(t, "--state", file, "-f", format, server.URL)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		start(t, cmd)
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		out.Close()
		if code := ended(t, cmd); code != 0 || stderr.Len() > 0 {
			t.Errorf("%s: exit code %d, %q", format, code, stderr)
		}
		if got := savedID(t, file); got != "1" && got != "" { // "" if the reader closed the pipe before the event was handled
			t.Errorf("%s: the position is %q", format, got)
		}
	}
}

// The reader may also close the pipe before the first event, or while there is no connection.
func TestClosedPipeEndsAWaitForAConnection(t *testing.T) {
	cmd, _ := subProcess(t, "-q", nowhere(t)+"/events")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	out.Close()
	if code := ended(t, cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// However the program ends, its state file is complete, and with --exec it has the position of the last command.
func TestKilledRunLeavesACompleteStateFile(t *testing.T) {
	server := ssetest.NewTCPServer(t, ssetest.Stream(ssetest.Send("id: 7\ndata: 1\n\nid: 8\ndata: 2\n\n"), ssetest.Hold()),
		ssetest.Stream(ssetest.Hold()), ssetest.Stream(ssetest.Hold()))
	file := filepath.Join(t.TempDir(), "state")
	cmd, _ := subProcess(t, "--state", file, "--exec", "test $TIDINGS_ID = 7 || visit "+server.URL, server.URL)
	cmd.Stderr = nil // otherwise the command, which outlives the program, would keep our end of a pipe open
	start(t, cmd)
	if _, err := server.Request(t.Context(), 1); err != nil { // the command of event 8 is running
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if code := ended(t, cmd); code != -1 {
		t.Errorf("exit code %d of a killed process", code)
	}
	again, _ := subProcess(t, "--state", file, server.URL)
	start(t, again)
	x, err := server.Request(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if got := x.Header.Get("Last-Event-ID"); got != "7" {
		t.Errorf("the next run asks for what came after %q, want 7", got)
	}
}
