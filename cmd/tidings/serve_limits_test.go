package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/hub"
)

func TestRatesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]hub.Rate{
		"100/s": {PerSecond: 100}, "100": {PerSecond: 100}, "0.5/s:10": {PerSecond: 0.5, Burst: 10}, "": {}, "0/s": {}, "x": {}, "1/s:": {},
		"1/s:0": {}, "-1/s": {}, "Inf/s": {}, "NaN/s": {}, "1/m": {},
	} {
		var got eventRate
		err := got.UnmarshalText([]byte(text))
		if (err == nil) != (want != hub.Rate{}) || err == nil && got.Rate != want {
			t.Errorf("%q is %+v, %v", text, got.Rate, err)
			continue
		}
		if err != nil {
			continue
		}
		var again eventRate
		written, err := got.MarshalText()
		if err != nil || again.UnmarshalText(written) != nil || again != got {
			t.Errorf("%q is written as %q", text, written)
		}
	}
}

// TestEveryLimitReachesTheHub checks that no limit is parsed and then dropped.
func TestEveryLimitReachesTheHub(t *testing.T) {
	s := startServe(t, nil, "--max-connections-per-address", "1", "--publish-rate-per-address", "1/s:2")
	client := clientOf(t, nil)
	follower, err := client.Get(s.url + "/events/news")
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Body.Close()
	if answer, text := ask(t, client, http.MethodGet, s.url+"/events/news", ""); answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a second stream: %s %s", answer.Status, text)
	}
	codes := []int{}
	for range 3 {
		answer, _ := ask(t, client, http.MethodPost, s.url+"/events/news", "x")
		codes = append(codes, answer.StatusCode)
	}
	if diff := cmp.Diff([]int{200, 200, 429}, codes); diff != "" {
		t.Errorf("three events at once, where two may be (-want +got):\n%s", diff)
	}
	var f limitFlags
	f.MaxLag, f.MaxLagTime, f.SkipSlow, f.WriteTimeout, f.BodyTimeout, f.Gather = 1, time.Second, true, time.Minute, time.Hour, time.Millisecond
	var o hub.Options
	f.limit(&o)
	if o.MaxLag != 1 || o.MaxLagTime != time.Second || !o.SkipSlow || o.WriteTimeout != time.Minute || o.BodyTimeout != time.Hour || o.Gather != time.Millisecond {
		t.Errorf("%+v", o)
	}
}

// TestHubWithoutAKeyServesThisMachineOnly: it refuses requests through a proxy, and those of a page whose host name resolves to this machine.
func TestHubWithoutAKeyServesThisMachineOnly(t *testing.T) {
	s := startServe(t, nil)
	for _, header := range [][]string{{"X-Forwarded-For", "192.0.2.1"}, {"Forwarded", "for=192.0.2.1"}} {
		if answer, text := ask(t, clientOf(t, nil), http.MethodPost, s.url+"/events/news", "x", header...); answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s %s", header, answer.Status, text)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/events?poll=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Host = "rebound.example"; statusOf(t, r) != http.StatusForbidden {
		t.Errorf("as rebound.example it is not refused")
	}
}

// TestUnixSocketWithoutAKeyRefusesProxies: a proxy before the socket made such a hub public.
func TestUnixSocketWithoutAKeyRefusesProxies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	startServe(t, nil, "--addr", "unix:"+path)
	client := clientOf(t, throughSocket(path))
	for url, header := range map[string][]string{"http://hub.example": nil, "http://localhost": {"X-Forwarded-For", "192.0.2.1"}} {
		if answer, text := ask(t, client, http.MethodPost, url+"/events/news", "x", header...); answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s %s: %s %s", url, header, answer.Status, text)
		}
	}
}

// statusOf sends a request, and returns the status of the answer.
func statusOf(t *testing.T, r *http.Request) int {
	t.Helper()
	answer, err := clientOf(t, nil).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close() // of no interest
	return answer.StatusCode
}

// TestAdministrationCanHaveAnAddressOfItsOwn without tokens, and only there. That address serves this machine only, even if the hub has a key.
func TestAdministrationCanHaveAnAddressOfItsOwn(t *testing.T) {
	addr := freeAddr(t)
	s := startServe(t, environ{"TIDINGS_KEY=" + testSecret}, "--admin-addr", addr)
	client := clientOf(t, nil)
	if answer, text := ask(t, client, http.MethodGet, "http://"+addr+"/metrics", ""); answer.StatusCode != http.StatusOK {
		t.Errorf("%s %s", answer.Status, text)
	}
	if answer, text := ask(t, client, http.MethodGet, s.url+"/metrics", ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("%s %s", answer.Status, text)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/api/v1/subscribers", nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Host = "rebound.example:3001"; statusOf(t, r) != http.StatusForbidden {
		t.Errorf("as rebound.example it is not refused")
	}
	if answer, text := ask(t, client, http.MethodGet, "http://"+addr+"/events?type=x", ""); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("%s %s", answer.Status, text) // the console follows events
	}
	if answer, text := ask(t, client, http.MethodGet, "http://"+addr+"/events?poll=1", ""); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s %s", answer.Status, text)
	}
}

// TestAdminAddrForOtherMachinesNeedsInsecure: --admin-addr 0.0.0.0:9090 opened administration to all machines without a warning.
func TestAdminAddrForOtherMachinesNeedsInsecure(t *testing.T) {
	env := environ{"TIDINGS_KEY=" + testSecret}
	for addr, want := range map[string]string{
		"0.0.0.0:9090": "requires no token", "[::]:9090": "requires no token", "192.0.2.1:9090": "requires no token", "nonsense": "--admin-addr \"nonsense\" has no port",
		"localhost:9090": "", "[::1]:9090": "", ":9090": "", "unix:admin.sock": "",
	} {
		if code, _, complaint := sayIn(t, env, "config", "--admin-addr", addr); (code == 0) != (want == "") || !strings.Contains(complaint, want) {
			t.Errorf("--admin-addr %s: exit code %d, %s", addr, code, complaint)
		}
	}
	if code, _, complaint := sayIn(t, env, "config", "--admin-addr", "0.0.0.0:9090", "--insecure"); code != 0 {
		t.Errorf("with --insecure: exit code %d, %s", code, complaint)
	}
}

// TestAdminAddrDiffersFromAddr: the hub said that another program uses the address, which was its own.
func TestAdminAddrDiffersFromAddr(t *testing.T) {
	for _, test := range []struct {
		addr, admin string
		refused     bool
	}{
		{"localhost:9090", "localhost:9090", true},
		{":9090", "9090", true},
		{"localhost:9090", "127.0.0.1:9090", true},
		{"[::1]:9090", "localhost:9090", true},
		{"0.0.0.0:9090", "localhost:9090", true},
		{"[::]:9090", "127.0.0.1:9090", true},
		{"unix:hub.sock", "unix:hub.sock", true},
		{"unix:hub.sock", "unix:./hub.sock", true},
		{"0.0.0.0:9090", "[::1]:9090", false},
		{"[::1]:9090", "127.0.0.1:9090", false},
		{"localhost:9090", "localhost:9091", false},
		{"localhost:0", "localhost:0", false},
		{"unix:hub.sock", "unix:admin.sock", false},
	} {
		code, _, complaint := say(t, "config", "--insecure", "--addr", test.addr, "--admin-addr", test.admin)
		want := fmt.Sprintf("--addr %s and --admin-addr %s are one address; choose another port for one of them", test.addr, test.admin)
		if refused := strings.Contains(complaint, want) && code == exitUsage; refused != test.refused || !test.refused && code != 0 {
			t.Errorf("--addr %s --admin-addr %s: exit code %d, %s", test.addr, test.admin, code, complaint)
		}
	}
}

// TestTwoFlagsDoNotNameOneAddressToListenOn: the hub said that another program uses the address, which was its own.
func TestTwoFlagsDoNotNameOneAddressToListenOn(t *testing.T) {
	key := writeFile(t, "key", strings.Repeat("k", 64))
	acme := func(flags string) string { return "--acme-domain hub.example.com " + flags }
	cluster := func(flags string) string {
		return "--cluster-peers 127.0.0.1:4248,127.0.0.2:4248,127.0.0.3:4248 --cluster-key-file " + key + " " + flags
	}
	for flags, says := range map[string]string{
		acme("--addr :8443 --http-addr :8443"):                                  "--addr :8443 and --http-addr :8443 are one address; choose another port for one of them, or leave --http-addr out",
		acme("--addr 0.0.0.0:8443 --http-addr 127.0.0.1:8443"):                  "--addr 0.0.0.0:8443 and --http-addr 127.0.0.1:8443 are one address",
		acme("--addr :443 --http-addr :80 --admin-addr :80"):                    "--admin-addr :80 and --http-addr :80 are one address",
		acme("--addr :443 --http-addr :80 --admin-addr :9090"):                  "",
		acme("--addr :443 --http-addr auto --admin-addr :9090"):                 "",
		cluster("--addr 127.0.0.1:4248 --cluster-listen 127.0.0.1:4248"):        "--addr 127.0.0.1:4248 and --cluster-listen 127.0.0.1:4248 are one address; choose another port for one of them",
		cluster("--addr :4248 --cluster-listen :4248"):                          "--addr :4248 and --cluster-listen :4248 are one address",
		cluster("--admin-addr 127.0.0.1:4248 --cluster-listen 0.0.0.0:4248"):    "--admin-addr 127.0.0.1:4248 and --cluster-listen 0.0.0.0:4248 are one address",
		cluster("--addr :3000 --cluster-listen 127.0.0.1:4248"):                 "",
		acme(cluster("--addr :443 --http-addr :4248 --cluster-listen :4248")):   "--cluster-listen :4248 and --http-addr :4248 are one address",
		"--cluster-peers localhost:4248 --cluster-listen :4248 --addr :4248":    "", // a hub alone listens for no others
		cluster("--addr 127.0.0.1:4248 --admin-addr :9 --cluster-listen [::1]"): "",
	} {
		code, _, complaint := say(t, append([]string{"config", "--insecure"}, strings.Fields(flags)...)...)
		if refused := code == exitUsage && strings.Contains(complaint, says); code != 0 && !refused || (code == 0) != (says == "") {
			t.Errorf("%s: exit code %d, %s, want %s", flags, code, complaint, says)
		}
	}
}

// TestRevokedTokensStayRevokedAfterRestart, both in the hub and in the policy that checks tokens.
func TestRevokedTokensStayRevokedAfterRestart(t *testing.T) {
	admin := freeAddr(t)
	dir := filepath.Join(t.TempDir(), "data")
	ann := mint(t, testSecret, "ann")
	for round := range 2 {
		s := startServeIn(t, dir, environ{"TIDINGS_KEY=" + testSecret}, "--admin-addr", admin)
		client := clientOf(t, nil)
		if round == 0 {
			if answer, text := ask(t, client, http.MethodPost, s.url+"/events/news", "x", "Authorization", "Bearer "+ann); answer.StatusCode != http.StatusOK {
				t.Fatalf("%s %s", answer.Status, text)
			}
			if answer, text := ask(t, client, http.MethodPost, "http://"+admin+"/api/v1/revoke", `{"sub":"ann"}`); answer.StatusCode != http.StatusOK {
				t.Fatalf("%s %s", answer.Status, text)
			}
		}
		if answer, text := ask(t, client, http.MethodPost, s.url+"/events/news", "x", "Authorization", "Bearer "+ann); answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("round %d: %s %s", round, answer.Status, text)
		}
		s.stop()
	}
}

// TestMissingBodyHoldsNoConnection: a client without a token announced a body and sent none. It got its answer, but the connection
// stayed open forever. This affected the page, refused requests, and the listener for administrators.
func TestMissingBodyHoldsNoConnection(t *testing.T) {
	admin := freeAddr(t)
	s := startServe(t, environ{"TIDINGS_KEY=" + testSecret}, "--body-timeout", "100ms", "--admin-addr", admin)
	for request, addr := range map[string]string{
		"GET /": strings.TrimPrefix(s.url, "http://"), "GET /healthz": strings.TrimPrefix(s.url, "http://"), "POST /events/news": strings.TrimPrefix(s.url, "http://"),
		"GET /metrics": admin,
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || len(answer) == 0 {
			t.Errorf("%s: the connection does not end after its answer: %v %q", request, err, answer)
		}
		_ = conn.Close() // it has ended
	}
}

// TestIncompleteHeaderHoldsNoConnection: a client that sends half a request is disconnected.
func TestIncompleteHeaderHoldsNoConnection(t *testing.T) {
	s := startServe(t, nil, "--header-timeout", "100ms")
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(defaultHeaderTimeout / 2)); err != nil { // sooner than without the flag
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /events/news HTTP/1.1\r\nHost: localhost\r\nX: "); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || len(answer) > 0 {
		t.Errorf("%v %q", err, answer)
	}
}

// TestSettingsWithoutEffectAreRefused: they were accepted without a warning, and did nothing.
func TestSettingsWithoutEffectAreRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"--min-free is for events on disk":               {"--memory", "--min-free", "1GB"},
		"--sync is for events on disk":                   {"--memory", "--sync", "interval"},
		"--max-age is 1ns":                               {"--memory", "--max-age", "1ns"},
		"--heartbeat-min is 1h0m0s":                      {"--memory", "--heartbeat-min", "1h"},
		`"datastar,foo" has a comma`:                     {"--memory", "--ignore-param", "datastar,foo"},
		`the parameter "access_token" cannot be ignored`: {"--memory", "--ignore-param", "access_token"},
		"hint: give a smaller --min-free":                {"--data", filepath.Join(t.TempDir(), "log"), "--min-free", "1048576TiB"},
	} {
		code, _, complaint := say(t, append([]string{"serve", "--addr", "localhost:0"}, args...)...)
		if code == 0 || !strings.Contains(complaint, want) {
			t.Errorf("%q: exit code %d, %s\nwant %s", args, code, complaint, want)
		}
	}
}
