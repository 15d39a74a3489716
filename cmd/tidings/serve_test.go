package main

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestServeNeedsAKeyForOtherMachines(t *testing.T) {
	secret := environ{"TIDINGS_KEY=" + testSecret}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		addr    string
		refused bool
	}{
		{"0.0.0.0:0", true},
		{"[::]:0", true},
		{"192.0.2.1:3000", true},
		{name + ":3000", true},
		{"localhost:0", false},
		{":0", false},
		{"127.0.0.1:0", false},
		{"127.9.9.9:3000", false},
		{"[::1]:0", false},
		{"unix:hub.sock", false},
	} {
		for _, allowed := range []struct {
			env  environ
			args []string
		}{{nil, nil}, {nil, []string{"--insecure"}}, {secret, nil}, {nil, []string{"--jwks-url", "https://id.example/keys"}}} {
			var line struct {
				Serve serveFlags `cmd:""`
			}
			parser := kong.Must(&line, kong.Bind(allowed.env))
			if _, err := parser.Parse(append([]string{"serve", "--addr", test.addr}, allowed.args...)); err != nil {
				t.Fatal(err)
			}
			err := line.Serve.check(allowed.env)
			if safe := !test.refused || len(allowed.env)+len(allowed.args) > 0; safe != (err == nil) {
				t.Errorf("--addr %s %s with %d variables: %v", test.addr, allowed.args, len(allowed.env), err)
			}
		}
	}
	code, out, complaint := say(t, "serve", "--memory", "--addr", "0.0.0.0:0")
	if code != exitUsage || out != "" || !strings.Contains(complaint, "--key-file") || !strings.Contains(complaint, "--insecure") {
		t.Errorf("exit code %d, output %q, %s", code, out, complaint)
	}
}

// TestSIGHUPDoesNotEndAHubWithoutACertificate: operators send SIGHUP to make servers load their files again.
func TestSIGHUPDoesNotEndAHubWithoutACertificate(t *testing.T) {
	s := startServe(t, nil)
	hangup(t)
	s.log.await(t, "msg=\"SIGHUP: there is no certificate")
	if answer, text := ask(t, clientOf(t, nil), http.MethodPost, s.url+"/events/news", "still here"); answer.StatusCode != http.StatusOK {
		t.Errorf("%s %s", answer.Status, text)
	}
}

func TestServeEnforcesMaxEventAndMaxTopics(t *testing.T) {
	s := startServe(t, environ{"TIDINGS_MAX_TOPICS=2"}, "--max-event", "10")
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodGet, "/events?poll=1&topic=a&topic=b", "", http.StatusOK},
		{http.MethodGet, "/events?poll=1&topic=a&topic=b&topic=c", "", http.StatusBadRequest},
		{http.MethodPost, "/events/a", "ten bytes.", http.StatusOK},
		{http.MethodPost, "/events/a", "eleven byte", http.StatusRequestEntityTooLarge},
	} {
		if answer, text := ask(t, clientOf(t, nil), test.method, s.url+test.path, test.body); answer.StatusCode != test.want {
			t.Errorf("%s %s: %s %s", test.method, test.path, answer.Status, text)
		}
	}
}

// TestServeExplainsAnInvalidAddress: for an address without a port, or with an unknown name, the error said that other machines can
// reach it.
func TestServeExplainsAnInvalidAddress(t *testing.T) {
	for addr, want := range map[string]string{
		"localhost":        "has no port\nhint: --addr localhost:3000\n",
		"::1":              "has no port\nhint: --addr [::1]:3000\n",
		"localhost:99999":  "99999 is not a port",
		"localhost:http":   "http is not a port",
		"no..host:3002":    "the name no..host cannot be resolved",
		"http://localhost": "is not HOST:PORT",
	} {
		if code, out, complaint := say(t, "serve", "--memory", "--addr", addr); code == 0 || out != "" || !strings.Contains(complaint, want) {
			t.Errorf("--addr %s: exit code %d, %s, want %s", addr, code, complaint, want)
		}
		if addr == "no..host:3002" { // the check for other machines refuses it
			continue
		}
		want = strings.ReplaceAll(want, "--addr", "--admin-addr")
		code, _, complaint := say(t, "serve", "--memory", "--addr", "localhost:0", "--admin-addr", addr)
		if code == 0 || !strings.HasPrefix(complaint, "tidings: --admin-addr ") || !strings.Contains(complaint, want) || strings.Contains(complaint, "--addr") {
			t.Errorf("--admin-addr %s: exit code %d, %s, want %s", addr, code, complaint, want)
		}
	}
}
