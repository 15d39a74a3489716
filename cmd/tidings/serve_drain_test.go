//go:build unix

package main

import (
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestHubThatIsToldToStopServesUntilTheDrainDelayIsOver(t *testing.T) {
	cmd := exec.Command("tidings", "serve", "--addr", "localhost:0", "--memory", "--drain-delay", "2s")
	out, log := newAwaited(), newAwaited()
	cmd.Stdout, cmd.Stderr = out, log
	start(t, cmd)
	url := strings.TrimSuffix(strings.Fields(out.await(t, `listens on \S+,`))[2], ",")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	log.await(t, `msg="stopping soon`)
	if answer, text := ask(t, http.DefaultClient, http.MethodGet, url+"/readyz", ""); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %s: %s", answer.Status, text)
	}
	if answer, text := ask(t, http.DefaultClient, http.MethodPost, url+"/events/news", "hello"); answer.StatusCode != http.StatusOK {
		t.Errorf("publishing: %s: %s", answer.Status, text)
	}
	if answer, text := ask(t, http.DefaultClient, http.MethodGet, url+"/events/news?poll=1", ""); !strings.Contains(text, "data: hello") {
		t.Errorf("polling: %s: %s", answer.Status, text)
	}
	if code := ended(t, cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
