package main

import (
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestRestartsLeakNoDescriptors, those that fail included. Descriptors of files belong to the log, which opens and closes them as it needs.
func TestRestartsLeakNoDescriptors(t *testing.T) {
	r := runServe(t, "tidings", nil, "--admin-addr", "localhost:0")
	want := descriptors(t, r.pid)
	for range restartsOf(t, 2) {
		r.restart(t)
		awaitDescriptors(t, r.pid, want)
	}
	r.installScript(t, "exit 3")
	for n := range restartsOf(t, 2) {
		r.signal(t, syscall.SIGUSR2)
		r.log.await(t, `(?s)(msg="the restart failed.*){`+strconv.Itoa(n+1)+`}`)
		awaitDescriptors(t, r.pid, want)
	}
	r.stop(t)
}

// awaitDescriptors waits until a process has some descriptors: the pipes of a restart close when the other process has ended.
func awaitDescriptors(t *testing.T, pid int, want []string) {
	t.Helper()
	for enough := time.After(patience); ; {
		got := descriptors(t, pid)
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-enough:
			t.Fatalf("process %d has %q; the first process had %q", pid, got, want)
		}
	}
}
