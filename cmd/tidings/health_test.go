package main

import (
	"net"
	"strings"
	"testing"
)

// TestHealthOfAHubIsAnExitCode: a container's health check needs no shell, no curl and no token.
func TestHealthOfAHubIsAnExitCode(t *testing.T) {
	hub := startServe(t, environ{"TIDINGS_KEY=" + testSecret}, "--addr", freeAddr(t)) // nobody listens there when it has stopped
	for _, args := range [][]string{{"health", hub.url}, {"health", "--ready", "--hub", hub.url}} {
		if code, out, complaint := say(t, args...); code != 0 || out != "" || complaint != "" {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out, complaint)
		}
	}
	hub.stop()
	if code, _, complaint := say(t, "health", hub.url); code != exitFailure || !strings.Contains(complaint, "connection refused") {
		t.Errorf("without a hub: exit code %d, %q", code, complaint)
	}
}

// TestHubWhoseLogIsOpeningIsHealthyAndNotReady: a restart would only make it begin again.
func TestHubWhoseLogIsOpeningIsHealthyAndNotReady(t *testing.T) {
	hub := startOpening(t)
	if code, _, complaint := say(t, "health", hub.url); code != 0 {
		t.Errorf("exit code %d, %q", code, complaint)
	}
	if code, _, complaint := say(t, "health", "--ready", hub.url); code != exitRefused || !strings.Contains(complaint, "log") {
		t.Errorf("exit code %d, %q", code, complaint)
	}
	hub.stop()
	if err := <-hub.ended; err != nil {
		t.Error(err)
	}
}

// TestHubThatHangsIsNotHealthy: it accepts connections and answers nothing.
func TestHubThatHangsIsNotHealthy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if code, _, complaint := say(t, "health", "--timeout", "20ms", l.Addr().String()); code != exitFailure || !strings.HasSuffix(complaint, "does not answer within 20ms\n") {
		t.Errorf("exit code %d, %q", code, complaint)
	}
}
