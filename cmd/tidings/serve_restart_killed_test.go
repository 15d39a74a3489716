//go:build unix

package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// unfinished sends half of a request, which the hub waits for when it restarts.
func (r *hubProcess) unfinished(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprint(conn, "POST /events/news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	r.publish(t, clientOf(t, nil), "before") // now the hub has accepted the other connection, too
}

// successor returns the process that a script has become, which has printed its ID.
func (r *hubProcess) successor(t *testing.T) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(r.log.await(t, `(?m)^successor \d+$`)), "successor "))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestNewProcessServesIfTheOldOneIsKilled: it ended, too, so that nobody served, although it had the sockets and the directory was free.
func TestNewProcessServesIfTheOldOneIsKilled(t *testing.T) {
	for when, script := range map[string]string{
		"before the new one is prepared": "kill -9 $PPID; echo successor $$ >&2; exec $BIN/tidings \"$@\"",
		"while it answers what it has":   "echo successor $$ >&2; exec $BIN/tidings \"$@\"",
	} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			r := runServe(t, "tidings", nil)
			r.unfinished(t)
			r.installScript(t, script)
			r.signal(t, syscall.SIGUSR2)
			pid := r.successor(t)
			if !strings.HasPrefix(script, "kill") {
				r.log.await(t, "msg=stopping reason=restart")
				r.signal(t, syscall.SIGKILL)
			}
			r.pid = pid
			r.log.await(t, "has ended during the restart, and this one goes on")
			r.out.await(t, "(?s)(tidings serve listens on .*){2}")
			client := clientOf(t, nil)
			r.publish(t, client, "after")
			if got := r.stored(t, client); !slices.Equal(got, []string{"before", "after"}) {
				t.Errorf("stored are %q", got)
			}
			r.stop(t)
		})
	}
}

// TestSecondSignalDuringARestartLeavesNoProcess: the second SIGTERM ends a process at once, and the new one does not go on then.
func TestSecondSignalDuringARestartLeavesNoProcess(t *testing.T) {
	r := runServe(t, "tidings", nil)
	r.unfinished(t)
	r.installScript(t, "echo successor $$ >&2; exec $BIN/tidings \"$@\"")
	r.signal(t, syscall.SIGUSR2)
	old := r.pid
	r.pid = r.successor(t)
	r.log.await(t, "msg=stopping reason=restart")
	awaitError(t, "the old process has not ended", syscall.ESRCH, func() error { return syscall.Kill(old, syscall.SIGTERM) })
	awaitError(t, "a process still listens", syscall.ECONNREFUSED, func() error {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// awaitError repeats something until it fails as it should.
func awaitError(t *testing.T, fault string, want error, try func() error) {
	t.Helper()
	for enough := time.After(patience); !errors.Is(try(), want); {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-enough:
			t.Fatal(fault)
		}
	}
}
