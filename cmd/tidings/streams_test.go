package main

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

// administered is a running hub with a key, which makes tokens for its users.
type administered struct {
	*testing.T
	*served
	signer *access.Signer
	boss   string
	open   int // streams
}

func startAdministered(t *testing.T) *administered {
	t.Helper()
	signer, err := access.ParseSigner([]byte(testSecret), "")
	if err != nil {
		t.Fatal(err)
	}
	a := &administered{t, startServe(t, environ{"TIDINGS_KEY=" + testSecret}), signer, "", 0}
	a.boss = a.token(access.Grant{Subject: "boss", Admin: true})
	return a
}

func (a *administered) token(g access.Grant) string {
	a.Helper()
	g.Subscribe = []eventlog.Matcher{eventlog.MustPattern("**")}
	g.Publish = g.Subscribe
	if g.IssuedAt.IsZero() {
		g.IssuedAt = time.Now().Add(-time.Minute)
	}
	token, err := a.signer.Mint(g)
	if err != nil {
		a.Fatal(err)
	}
	return token
}

// follow opens a stream, and returns a channel that is closed when the stream has ended.
func (a *administered) follow(topics, token string) <-chan struct{} {
	a.Helper()
	ctx, stop := context.WithCancel(a.Context())
	a.Cleanup(stop)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/events?topic="+topics, nil)
	if err != nil {
		a.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		a.Fatalf("%v %v", resp, err)
	}
	d := sse.NewDecoder(resp.Body, nil)
	if !d.Next() {
		a.Fatal(d.Err())
	}
	a.open++
	a.awaitOpen() // the first bytes of a stream come before the hub lists it
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer resp.Body.Close()
		for d.Next() {
		}
	}()
	return ended
}

// awaitOpen waits until the hub lists all open streams.
func (a *administered) awaitOpen() {
	a.Helper()
	for deadline := time.Now().Add(patience); len(a.list()) != a.open; runtime.Gosched() {
		if time.Now().After(deadline) {
			a.Fatalf("%d streams are listed, and %d are open", len(a.list()), a.open)
		}
	}
}

func (a *administered) awaitEnd(ended <-chan struct{}) {
	a.Helper()
	select {
	case <-ended:
	case <-time.After(patience):
		a.Fatal("the stream goes on")
	}
	a.open--
}

// as runs a command with the token of the administrator.
func (a *administered) as(args ...string) (code int, out, complaint string) {
	a.Helper()
	return say(a.T, append(args, "--hub", a.url, "--token", a.boss)...)
}

// list returns the output of tidings streams.
func (a *administered) list(args ...string) (all []hub.Subscriber) {
	a.Helper()
	code, out, complaint := a.as(append([]string{"streams", "-f", "ndjson"}, args...)...)
	if code != 0 {
		a.Fatalf("%q: exit code %d, %s", args, code, complaint)
	}
	for line := range strings.Lines(out) {
		var s hub.Subscriber
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			a.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func TestStreamsListsSubscribersAndTheirTopics(t *testing.T) {
	a := startAdministered(t)
	a.follow("news/sports", a.token(access.Grant{Subject: "ann", ID: "a1"}))
	a.follow("news/**", a.token(access.Grant{Subject: "bob", ID: "b1"}))
	for _, test := range []struct {
		args string
		who  string
	}{
		{"", "ann bob"},
		{"-n 1", "ann"},
		{"--sub bob", "bob"},
		{"--jti a1", "ann"},
		{"--topic news/sports", "ann bob"},
		{"--topic news/art", "bob"},
		{"--address 127.0.0.0/8 --topic **", "ann bob"},
		{"--lag 1", ""},
		{"--sub nobody", ""},
	} {
		var who []string
		for _, s := range a.list(strings.Fields(test.args)...) {
			who = append(who, s.Subject)
		}
		if got := strings.Join(who, " "); got != test.who {
			t.Errorf("tidings streams %s lists %q, want %q", test.args, got, test.who)
		}
	}
	id := a.list("--sub", "bob")[0].ID
	if got := a.list(id); len(got) != 1 || got[0].Subject != "bob" {
		t.Errorf("%s is %+v", id, got)
	}
	code, out, complaint := a.as("streams", "--format", "table")
	for _, want := range []string{"ID ", "BEHIND", "TOPICS\n", "live", "0", "ann", "127.0.0.1", "news/sports\n", "bob", "news/**\n"} {
		if code != 0 || complaint != "" || !strings.Contains(out, want) {
			t.Errorf("the table lacks %q: exit code %d, %s\n%s", want, code, complaint, out)
		}
	}
	if code, out, complaint := a.as("streams", "--sub", "nobody"); code != 0 || out != "" || complaint != "tidings streams: no open stream matches\n" {
		t.Errorf("exit code %d, %q, %q", code, out, complaint)
	}
	if code, _, complaint := a.as("streams", "1"); code != exitFailure || !strings.Contains(complaint, "no open stream has the ID 1") {
		t.Errorf("exit code %d, %q", code, complaint)
	}
}

// TestTableOfStreamsShowsWhichAreCompressed: on a terminal nothing else tells whether --compress covers the topics of a stream.
func TestTableOfStreamsShowsWhichAreCompressed(t *testing.T) {
	s := startServe(t, nil, "--compress", "prices/**")
	a := &administered{T: t, served: s}
	a.follow("prices/ACME", "") // net/http asks for gzip
	a.follow("news", "")
	code, out, complaint := say(t, "streams", s.url, "--format", "table")
	if code != 0 || complaint != "" {
		t.Errorf("exit code %d, %s", code, complaint)
	}
	for topic, form := range map[string]string{"TOPICS": "FORM", "prices/ACME": "sse+gzip", "news": "sse"} {
		if !regexp.MustCompile(`(?m) ` + regexp.QuoteMeta(form) + ` .* ` + topic + `$`).MatchString(out) {
			t.Errorf("the line of %s lacks the form %s:\n%s", topic, form, out)
		}
	}
}

func TestStreamsCloseEndsTheSelectedStreams(t *testing.T) {
	a := startAdministered(t)
	ann, bob := a.token(access.Grant{Subject: "ann"}), a.token(access.Grant{Subject: "bob"})
	first, second, other := a.follow("news", ann), a.follow("news", ann), a.follow("news", bob)
	id := a.list("--sub", "ann")[0].ID
	if code, out, complaint := a.as("streams", id, "--close", "-f", "table"); code != 0 || complaint != "" || !strings.HasPrefix(out, "closed 1 stream; clients may reconnect") {
		t.Errorf("exit code %d, %s%s", code, out, complaint)
	}
	a.awaitEnd(first)
	if code, out, complaint := a.as("streams", "--sub", "ann", "--close"); code != 0 || out != `{"closed":1}`+"\n" {
		t.Errorf("exit code %d, %s%s", code, out, complaint)
	}
	a.awaitEnd(second)
	if code, _, complaint := a.as("streams", id, "--close"); code != exitRefused || !strings.Contains(complaint, id) {
		t.Errorf("exit code %d, %s", code, complaint)
	}
	again := a.follow("news", ann) // it may come back
	if code, out, complaint := a.as("streams", "--all", "--close"); code != 0 || out != `{"closed":2}`+"\n" {
		t.Errorf("exit code %d, %s%s", code, out, complaint)
	}
	a.awaitEnd(other)
	a.awaitEnd(again)
}

func TestStreamsRevokeRevokesTheirTokens(t *testing.T) {
	a := startAdministered(t)
	ann, bob := a.token(access.Grant{Subject: "ann", ID: "a1"}), a.token(access.Grant{Subject: "bob", ID: "b1"})
	first, second, other := a.follow("news", ann), a.follow("weather", ann), a.follow("news", bob)
	if code, out, complaint := a.as("streams", "--sub", "ann", "--revoke"); code != 0 || out != `{"revoked":["a1"]}`+"\n" {
		t.Errorf("exit code %d, %s%s", code, out, complaint)
	}
	a.awaitEnd(first)
	a.awaitEnd(second)
	if code, _, complaint := say(t, "pub", "--hub", a.url, "--token", ann, "news", "x"); code != exitRefused {
		t.Errorf("the token is accepted: exit code %d, %s", code, complaint)
	}
	a.awaitOpen()
	if list := a.list(); len(list) != 1 || list[0].Subject != "bob" {
		t.Errorf("open are %+v", list)
	}
	if code, out, complaint := a.as("revoke", "--sub", "bob", "--format", "text"); code != 0 || !strings.HasPrefix(out, "all tokens issued to bob up to ") {
		t.Errorf("exit code %d, %s%s", code, out, complaint)
	} else if _, rest, _ := strings.Cut(out, " up to "); true {
		text, _, _ := strings.Cut(rest, " are refused")
		until, err := time.ParseInLocation(time.DateTime+" MST", text, time.Local)
		if err != nil || until.Before(time.Now().Add(10*time.Second)) { // the leeway is 30 s
			t.Errorf("refused up to %q, %v", text, err)
		}
	}
	for _, args := range [][]string{{"pub", "news", "x"}, {"sub", "news", "--once"}, {"topics"}} {
		code, _, complaint := say(t, append(args, "--hub", a.url, "--token", bob)...)
		if code != exitRefused || !strings.Contains(complaint, "hint: get a new token: this one was revoked") || strings.Contains(complaint, "explain") {
			t.Errorf("%q with a revoked token: exit code %d, %s", args, code, complaint)
		}
	}
	a.awaitEnd(other)
	code, out, complaint := a.as("revoke", "--jti", "x9")
	var done revocation
	if err := json.Unmarshal([]byte(out), &done); err != nil || code != 0 || done.ID != "x9" || done.Stored == "" || done.At.IsZero() {
		t.Errorf("exit code %d, %s%s", code, out, complaint)
	}
}

// TestRevokingAStreamWithoutATokenSuggestsClose: there is no token to revoke, and the error says how to end the stream.
func TestRevokingAStreamWithoutATokenSuggestsClose(t *testing.T) {
	s := startServe(t, nil)
	a := &administered{T: t, served: s}
	ended := a.follow("news", "")
	code, _, complaint := say(t, "streams", s.url, "--all", "--revoke")
	if code != exitFailure || !strings.Contains(complaint, "it has no token") || !strings.Contains(complaint, "--close") {
		t.Errorf("exit code %d, %s", code, complaint)
	}
	if code, _, complaint := say(t, "streams", s.url, "--all", "--close"); code != 0 {
		t.Errorf("exit code %d, %s", code, complaint)
	}
	a.awaitEnd(ended)
}

func TestStatsPrintsTheStateOfAHub(t *testing.T) {
	a := startAdministered(t)
	a.follow("news", a.token(access.Grant{Subject: "ann"}))
	if code, _, complaint := say(t, "pub", "--hub", a.url, "--token", a.boss, "news", "hello"); code != 0 {
		t.Fatal(complaint)
	}
	var s hub.Stats
	code, out, complaint := a.as("stats")
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 || complaint != "" || s.Log.Head != 1 || !s.Ready {
		t.Errorf("exit code %d, %v, %s\n%s", code, err, complaint, out)
	}
	code, out, complaint = a.as("stats", "--format", "table")
	for _, want := range []string{"hub          ready; started ", "streams      1 open (1 sse ", "events       1 stored, 0 duplicates\n", "log          1 event, ", "-1 to ", "refused      "} {
		if code != 0 || complaint != "" || !strings.Contains(out, want) {
			t.Errorf("the table lacks %q: exit code %d, %s\n%s", want, code, complaint, out)
		}
	}
	if code, out, complaint = say(t, "stats", a.url, "--token", a.boss, "-f", "json"); code != 0 || !strings.HasPrefix(out, "{") {
		t.Errorf("exit code %d, %s%s", code, out, complaint)
	}
}

func TestRefusedAdministrationGivesAHint(t *testing.T) {
	a := startAdministered(t)
	ann := a.token(access.Grant{Subject: "ann"})
	for _, command := range []string{"stats", "streams", "streams --all --close", "streams --all --revoke", "revoke --sub ann"} {
		for token, want := range map[string]string{"": "hint: give a token with --token", ann: "administer this hub"} {
			args := append(strings.Fields(command), "--hub", a.url, "--token", token)
			if code, out, complaint := say(t, args...); code != exitRefused || out != "" || !strings.Contains(complaint, want) {
				t.Errorf("tidings %s: exit code %d, %s%s", command, code, out, complaint)
			}
		}
	}
	for line, want := range map[string]string{
		"streams --close":                  "say which streams",
		"streams --revoke":                 "say which streams",
		"streams --close --revoke --all":   "can't be used together",
		"streams news":                     "--topic selects streams",
		"streams localhost:3000/events/a":  "--topic a",
		"streams 7 --all --close":          "--all selects all",
		"streams 7 --sub ann":              "give either IDs",
		"streams --sub ann --close -n 3":   "-n is for the list",
		"streams --lag=-1":                 "cannot be negative",
		"revoke":                           "--sub NAME",
		"revoke --sub ann --jti a1":        "--sub NAME",
		"stats news":                       "not the URL of a hub",
		"stats localhost:3000/events/news": "takes no topic",
	} {
		if code, out, complaint := say(t, strings.Fields(line)...); code != exitUsage || out != "" || !strings.Contains(complaint, want) {
			t.Errorf("tidings %s: exit code %d, %s%s", line, code, out, complaint)
		}
	}
}

func TestSizesAndTimesAreShort(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 12_345_678_901: "12.3 GB", 1 << 62: "4.6 EB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-time.Second: "0s", 61 * time.Second: "1m1s", 90 * time.Minute: "1h30m", 49 * time.Hour: "2d1h"} {
		if got := shortly(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
