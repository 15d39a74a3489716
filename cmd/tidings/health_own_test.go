package main

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestHealthAsksTheHubOfTheSameSettings: the check of an image asked localhost:3000 without TLS, whatever the settings of the hub beside it.
func TestHealthAsksTheHubOfTheSameSettings(t *testing.T) {
	t.Setenv(hubVariable, "")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, "http://127.0.0.1:1") // containers often have one, which cannot reach the hub
	}
	cert, key := writePair(t, t.TempDir(), 1)
	socket := filepath.Join(t.TempDir(), "hub.sock")
	for name, args := range map[string][]string{
		"port":             {"--addr", "127.0.0.1:0"},
		"every address":    {"--addr", "0.0.0.0:0", "--insecure"},
		"every address, 6": {"--addr", "[::]:0", "--insecure"},
		"localhost":        {"--addr", ":0"},
		"only IPv6":        {"--addr", "[::1]:0"},
		"socket":           {"--addr", "unix:" + socket},
		"TLS":              {"--addr", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key},
		"TLS at a socket":  {"--addr", "unix:" + socket + "2", "--tls-cert", cert, "--tls-key", key},
	} {
		t.Run(name, func(t *testing.T) {
			hub := startServe(t, nil, args...)
			addr := args[1]
			if !strings.HasPrefix(addr, "unix:") {
				_, port, err := net.SplitHostPort(strings.TrimSuffix(hub.url[strings.Index(hub.url, "://")+3:], "/"))
				if err != nil {
					t.Fatal(err)
				}
				addr = strings.TrimSuffix(addr, "0") + port
			}
			env, file := environ{"TIDINGS_ADDR=" + addr}, "addr: \""+addr+"\"\nan-unknown-key: 1\n"
			if strings.HasPrefix(name, "TLS") {
				env, file = append(env, "TIDINGS_TLS_CERT="+cert, "TIDINGS_TLS_KEY="+key), file+"tls-cert: "+cert+"\ntls-key: "+key+"\n"
			}
			path := writeFile(t, "hub.yaml", file)
			over := writeFile(t, "other.yaml", "addr: localhost:1\ntls-cert:\n")
			for _, test := range []struct {
				env  environ
				args []string
			}{
				{env, nil},
				{append(env, "TIDINGS_CONFIG="+over), nil}, // the environment overrides the file
				{environ{"TIDINGS_CONFIG=" + path}, nil},
				{environ{"TIDINGS_CONFIG=" + over}, []string{"--config", path}},
			} {
				if code, _, complaint := sayIn(t, test.env, append([]string{"health", "--ready"}, test.args...)...); code != 0 || complaint != "" {
					t.Errorf("health %q with %q: exit code %d, %s", test.args, test.env, code, complaint)
				}
			}
		})
	}
}

// TestHealthWithAnAddressIgnoresTheSettings, which may be those of another hub.
func TestHealthWithAnAddressIgnoresTheSettings(t *testing.T) {
	hub, elsewhere := startServe(t, nil), environ{"TIDINGS_ADDR=127.0.0.1:1"}
	for _, args := range [][]string{{"health", hub.url}, {"health", "--hub", hub.url}} {
		if code, _, complaint := sayIn(t, elsewhere, args...); code != 0 {
			t.Errorf("%q: exit code %d, %s", args, code, complaint)
		}
	}
	t.Setenv(hubVariable, hub.url)
	if code, _, complaint := sayIn(t, elsewhere, "health"); code != 0 {
		t.Errorf("with %s: exit code %d, %s", hubVariable, code, complaint)
	}
	t.Setenv(hubVariable, "http://127.0.0.1:1") // a flag is more than a variable
	file := writeFile(t, "hub.yaml", "addr: "+strings.TrimPrefix(hub.url, "http://")+"\n")
	if code, _, complaint := sayIn(t, nil, "health", "--config", file); code != 0 {
		t.Errorf("with --config: exit code %d, %s", code, complaint)
	}
	if code, _, complaint := sayIn(t, nil, "health", "--config", file, hub.url); code != exitUsage || !strings.Contains(complaint, "there are two hubs") {
		t.Errorf("with both: exit code %d, %s", code, complaint)
	}
}

// TestHealthSaysWhichSettingNamesNoAddress, and where that setting is.
func TestHealthSaysWhichSettingNamesNoAddress(t *testing.T) {
	t.Setenv(hubVariable, "")
	for text, want := range map[string]string{
		"addr: localhost":         `file hub.yaml:1: --addr "localhost" has no port`,
		"addr: 0":                 `file hub.yaml:1: --addr "0": the system chooses the port`,
		"addr: 0.0.0.0:0":         "the system chooses the port",
		"addr: 'unix:'":           "--addr unix: names no file",
		"acme-domain: 192.0.2.1":  "file hub.yaml:1: 192.0.2.1 is an IP address",
		"addr: [":                 "hub.yaml",
		"addr: x:1\naddr: y:1\n":  "hub.yaml:2: addr is already set in line 1",
		"addr: 127.0.0.1:1":       "http://127.0.0.1:1: connection refused",
		"addr: ':1'":              "http://localhost:1: connection refused",
		"addr: 0.0.0.0:1\nh: [1]": "http://localhost:1: connection refused",
	} {
		code, _, complaint := sayIn(t, nil, "health", "--config", writeFile(t, "hub.yaml", text))
		if code == 0 || !strings.Contains(complaint, want) {
			t.Errorf("%q: exit code %d, %s", text, code, complaint)
		}
	}
	if code, _, complaint := sayIn(t, environ{"TIDINGS_ADDR=x"}, "health"); code != exitUsage || !strings.Contains(complaint, `environment TIDINGS_ADDR: --addr "x" has no port`) {
		t.Errorf("exit code %d, %s", code, complaint)
	}
}

// TestHealthOfAHubWithACMENamesItsDomain: such a hub refuses handshakes for other names.
func TestHealthOfAHubWithACMENamesItsDomain(t *testing.T) {
	own, err := ownHubOf(environ{"TIDINGS_ADDR=0.0.0.0:443", "TIDINGS_ACME_DOMAIN=nachrichten.b\u00fccher.example b.example"}, "")
	if err != nil {
		t.Fatal(err)
	}
	client, err := own.client(&hubFlags{Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	config := client.http.Transport.(*http.Transport).TLSClientConfig
	if client.String() != "https://localhost:443" || config.ServerName != "nachrichten.xn--bcher-kva.example" || client.token != "" {
		t.Errorf("%s, with the name %q and the token %q", client, config.ServerName, client.token)
	}
}
