package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestServeNamesTheAddressForAdministratorsAtItsStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	s := startServe(t, nil, "--admin-addr", "unix:"+path)
	s.out.await(t, "tidings serve listens for administrators on "+regexp.QuoteMeta("unix:"+path)+", .*tidings stats "+regexp.QuoteMeta("unix:"+path)+"\n")
	if code, out, complaint := say(t, "stats", "unix:"+path); code != 0 || out == "" {
		t.Errorf("exit code %d, %s", code, complaint)
	}
	code, _, complaint := say(t, "stats", s.url)
	if code != exitRefused || !strings.Contains(complaint, "on another listener") || !strings.Contains(complaint, "\nhint: give the address of administration") {
		t.Errorf("at the main address: exit code %d, %s", code, complaint)
	}
}

func TestServeWarnsOfWhatInsecureAllows(t *testing.T) {
	for want, args := range map[string][]string{
		`level=WARN msg="--insecure: this hub has no key`:                                      {"--insecure"},
		`level=WARN msg="--insecure: every client that reaches the address for administrators`: {"--insecure", "--admin-addr", "0.0.0.0:0"},
	} {
		startServe(t, nil, args...).log.await(t, want)
	}
	s := startServe(t, environ{"TIDINGS_KEY=" + testSecret}, "--insecure")
	if text, _ := s.log.now(); strings.Contains(text, "--insecure") {
		t.Errorf("with a key it warns: %s", text)
	}
}

// TestKeyInTheWrongFlagNamesTheRightOne: the error named both flags and did not say which.
func TestKeyInTheWrongFlagNamesTheRightOne(t *testing.T) {
	_, public, _ := keyPair(t, "k")
	publicFile, secretFile := writeFile(t, "rsa.pem", public), writeFile(t, "tidings.key", testSecret)
	for want, args := range map[string][]string{
		publicFile + " has a public key, not a secret\nhint: --public-key " + publicFile + "\n": {"--key-file", publicFile},
		secretFile + " has a secret, not a public key\nhint: --key-file " + secretFile + "\n":   {"--public-key", secretFile},
	} {
		code, _, complaint := say(t, append([]string{"serve", "--memory", "--addr", "localhost:0"}, args...)...)
		if code == 0 || !strings.HasSuffix(complaint, want) {
			t.Errorf("%q: exit code %d, %s", args, code, complaint)
		}
	}
}

// TestRevokeOnAHubWithoutKeysSaysWhyNot: it reported success, although such a hub refuses no token.
func TestRevokeOnAHubWithoutKeysSaysWhyNot(t *testing.T) {
	s := startServe(t, nil)
	code, out, complaint := say(t, "revoke", s.url, "--sub", "alice")
	if code != exitRefused || out != "" || !strings.Contains(complaint, "this hub has no keys") || strings.Contains(complaint, "is there a hub") {
		t.Errorf("exit code %d, output %q, %s", code, out, complaint)
	}
}

// TestPageOfAnUnknownOriginIsLoggedOnce, so that the operator learns which origin to allow.
func TestPageOfAnUnknownOriginIsLoggedOnce(t *testing.T) {
	s := startServe(t, nil)
	for range 3 {
		ask(t, clientOf(t, nil), http.MethodGet, s.url+"/events?poll=1", "", "Origin", "https://app.example")
	}
	s.log.await(t, "refused a page of an unknown origin.*origin=https://app.example")
	if text, _ := s.log.now(); strings.Count(text, "https://app.example") != 1 {
		t.Errorf("it is logged more than once:\n%s", text)
	}
}

// TestEveryCommandAsksForAHubWhereNoneAnswers in the same words, whether no server listens there or another one does.
func TestEveryCommandAsksForAHubWhereNoneAnswers(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	commands := [][]string{
		{"pub", "news", "hello", "--timeout=1m"},
		{"sub", "news", "--once"},
		{"topics"},
		{"presence", "room"},
		{"stats"},
		{"streams"},
		{"revoke", "--sub", "alice"},
		{"bench", "--subscribers=1", "--publishers=0", "--duration=1ms", "--warm-up=0s"},
		{"bench", "--subscribers=0", "--publishers=1", "--duration=250ms", "--warm-up=0s", "--rate=1000"},
	}
	for _, args := range commands {
		hub := other.URL
		code, _, complaint := say(t, append(args, "--hub", hub)...)
		if code != exitRefused || !strings.HasPrefix(complaint, "tidings: the server answered 404 Not Found\n") || !strings.Contains(complaint, "\nhint: is there a hub at "+hub+"? ") {
			t.Errorf("%q: exit code %d, %s", args, code, complaint)
		}
		if args[0] == "pub" { // it retries until its timeout, see TestCommandsSayWhereTheyLookForAHub
			continue
		}
		hub = nowhere(t)
		code, _, complaint = say(t, append(args, "--hub", hub)...)
		if code != exitFailure || !strings.Contains(complaint, "hint: is there a hub at "+hub+"? ") {
			t.Errorf("%q: exit code %d, %s", args, code, complaint)
		}
	}
}

// TestExitCodesMeanTheSameInEveryCommand: in tidings bench, 3 was a lost event.
func TestExitCodesMeanTheSameInEveryCommand(t *testing.T) {
	line := regexp.MustCompile(`(?m)^    (\d+)     ?(.*)$`)
	common := map[string]string{"2": "wrong usage", "3": "refuse", "130": "interrupted"}
	found := 0
	for _, command := range leaves(model(t).Node) {
		_, codes, ok := strings.Cut(command.Detail, "Exit codes:")
		if !ok {
			continue
		}
		for _, match := range line.FindAllStringSubmatch(codes, -1) {
			found++
			if want := common[match[1]]; !strings.Contains(match[2], want) {
				t.Errorf("%s: exit code %s means %q, want %q", command.FullPath(), match[1], match[2], want)
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d exit codes were found", found)
	}
}
