//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestSignalsOfTheFirstMomentAreKept: until the command line and the configuration were read, SIGUSR2 was lost and SIGHUP ended the process.
func TestSignalsOfTheFirstMomentAreKept(t *testing.T) {
	for name, test := range map[string]struct {
		signal syscall.Signal
		want   string
	}{
		"SIGUSR2": {syscall.SIGUSR2, `msg="the new process serves, and this one ends" pid=\d+`},
		"SIGHUP":  {syscall.SIGHUP, `msg="SIGHUP: there is no certificate to load again`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const text = "max-event: 2KiB\n"
			dir := t.TempDir()
			config := filepath.Join(dir, "hub.yaml") // a pipe: the process waits for the text
			if err := syscall.Mkfifo(config, 0o600); err != nil {
				t.Fatal(err)
			}
			r := &hubProcess{}
			r.run(t, exec.Command("tidings", "serve", "--addr", "localhost:0", "--data", filepath.Join(dir, "data"), "--config", config), nil)
			pipe, err := os.OpenFile(config, os.O_WRONLY, 0) // waits until the process reads it
			if err != nil {
				t.Fatal(err)
			}
			r.signal(t, test.signal)
			if err := os.Rename(writeFile(t, "hub.yaml", text), config); err != nil { // for the next process
				t.Fatal(err)
			}
			if _, err := pipe.WriteString(text); err != nil {
				t.Fatal(err)
			}
			if err := pipe.Close(); err != nil {
				t.Fatal(err)
			}
			if _, pid, ok := strings.Cut(r.log.await(t, test.want), "pid="); ok {
				if r.pid, err = strconv.Atoi(pid); err != nil {
					t.Fatal(err)
				}
			}
			r.out.await(t, "tidings serve listens on ")
			r.signal(t, syscall.SIGTERM)
			r.log.await(t, "msg=stopped")
		})
	}
}
