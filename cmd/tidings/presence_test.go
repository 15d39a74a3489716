package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// seer is a grant that may see who is present anywhere.
func seer(subject string) access.Grant {
	return access.Grant{Subject: subject, Presence: []eventlog.Matcher{eventlog.MustPattern("**")}}
}

// launched is a command that has been started in this process.
type launched struct {
	*testing.T
	out, err *awaited
	stop     context.CancelFunc
	ended    chan int // its exit code
}

func runs(t *testing.T, args ...string) *launched {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &launched{t, newAwaited(), newAwaited(), stop, make(chan int, 1)}
	p := program{stdio: stdio{in: strings.NewReader(""), out: r.out, err: r.err}}
	go func() { r.ended <- p.run(ctx, args) }()
	t.Cleanup(stop)
	return r
}

// code returns the exit code of the command, which should end at once.
func (r *launched) code() int {
	r.Helper()
	select {
	case code := <-r.ended:
		return code
	case <-time.After(patience):
		text, _ := r.err.now()
		r.Fatalf("the command goes on: %s", text)
		return -1
	}
}

// TestPresenceListsMembersTopicsAndNumbers of a real hub, for people and for programs.
func TestPresenceListsMembersTopicsAndNumbers(t *testing.T) {
	a := startAdministered(t)
	bob := seer("bob")
	bob.PresentData = `{"name":"Bob <b>"}`
	a.follow("room/1&present=1", a.token(bob))
	a.follow("room/1&present=1", a.token(bob))
	a.follow("room/1&topic=room/2&present=1", a.token(access.Grant{Subject: "a\nb\x1b[31m"}))
	const young = "the hub has just begun to serve, so members may be missing; ask again in 15 s"
	for _, test := range []struct{ args, out, complaint string }{
		{"room/1 -f table", "room/1: 2 subjects, 3 streams\na␊b␛[31m\nbob  {\"name\":\"Bob <b>\"}\n", young},
		{"room/1", `{"subject":"a\nb\u001b[31m"}` + "\n" + `{"subject":"bob","data":{"name":"Bob <b>"}}` + "\n", young},
		{"room/1 -n 1", `{"subject":"a\nb\u001b[31m"}` + "\n", young},
		{"room/1 --numbers", `{"topic":"room/1","streams":3,"subjects":2}` + "\n", young},
		{"room/1 --numbers -f table", "room/1: 2 subjects, 3 streams\n", young},
		{"--topic room/2 --numbers -f table", "room/2: 1 subject, 1 stream\n", young},
		{"-f table", "SUBJECTS  STREAMS  TOPIC\n2         3        room/1\n1         1        room/2\n", young},
		{"room/*", `{"topic":"room/1","streams":3,"subjects":2}` + "\n" + `{"topic":"room/2","streams":1,"subjects":1}` + "\n", young},
		{"-n 1", `{"topic":"room/1","streams":3,"subjects":2}` + "\n", young},
		{"lobby", "", "nobody is present at lobby; " + young},
		{"lobby/*", "", "nobody is present at any topic that matches lobby/*; " + young},
		{"lobby --numbers", `{"topic":"lobby","streams":0,"subjects":0}` + "\n", "nobody is present at lobby; " + young},
	} {
		code, out, complaint := a.as(append([]string{"presence"}, strings.Fields(test.args)...)...)
		if code != 0 || out != test.out || !strings.HasPrefix(complaint, "tidings presence: "+test.complaint) {
			t.Errorf("tidings presence %s: exit code %d, %s\n%s\nwant %s", test.args, code, complaint, out, test.out)
		}
	}
	if code, out, complaint := a.as("streams", "-f", "table"); code != 0 || !strings.Contains(out, "a␊b␛[31m") {
		t.Errorf("tidings streams: exit code %d, %s\n%s", code, complaint, out)
	}
}

// young is what tidings presence says when it follows a topic of a hub that has just begun to serve.
const young = "tidings presence: the hub has just begun to serve, so members may be missing for some 15 s\n"

// TestPresenceFollowsWhoComesAndLeaves, as one line per change for people, and as one line per message for programs.
func TestPresenceFollowsWhoComesAndLeaves(t *testing.T) {
	a := startAdministered(t)
	eyes := a.token(seer("watcher"))
	table := runs(t, "presence", "room/1", "--follow", "-f", "table", "--hub", a.url, "--token", eyes)
	table.out.await(t, `^\d\d:\d\d:\d\d\.\d{3}  = 0 subjects, 0 streams\n$`)
	lines := runs(t, "presence", "-F", "--hub", a.url, "--token", eyes, "room/1")
	lines.out.await(t, `^\{"topic":"room/1","streams":0,"subjects":0,"in":\[\],"out":\[\],"settling":true\}\n`)
	numbers := runs(t, "presence", "-F", "--numbers", "--hub", a.url, "--token", eyes, "room/1")
	numbers.out.await(t, `^\{"topic":"room/1","streams":0,"subjects":0,"settling":true\}\n`)
	a.open += 3
	bob := seer("bob\n")
	bob.IssuedAt = time.Now().Add(-time.Minute)
	first := a.follow("room/1&present=1", a.token(bob))
	table.out.await(t, `  \+ bob␊\n.*  = 1 subject, 1 stream\n`)
	lines.out.await(t, `"streams":1,"subjects":1,"in":\[\{"subject":"bob\\n"\}\],"out":\[\](,"settling":true)?\}\n`)
	bob.PresentData = `{"n":1}`
	second := a.follow("room/1&present=1", a.token(bob))
	table.out.await(t, `  ~ bob␊  \{"n":1\}\n.*  = 1 subject, 2 streams\n`)
	if code, _, complaint := a.as("revoke", "--sub", "bob\n"); code != 0 {
		t.Fatal(complaint)
	}
	a.awaitEnd(first)
	a.awaitEnd(second)
	table.out.await(t, `  - bob␊\n.*  = 0 subjects, 0 streams\n`)
	lines.out.await(t, `"streams":0,"subjects":0,"in":\[\],"out":\["bob\\n"\](,"settling":true)?\}\n`)
	numbers.out.await(t, `"streams":0,"subjects":0(.|\n)*\n\{"topic":"room/1","streams":2,"subjects":1(.|\n)*\n\{"topic":"room/1","streams":0,"subjects":0`)
	table.stop()
	if code := table.code(); code != exitInterrupted {
		t.Errorf("interrupted, it ends with exit code %d", code)
	}
}

// TestPresenceJoinsATopic while it runs, under a name of its own at a hub without keys.
func TestPresenceJoinsATopic(t *testing.T) {
	s := startServe(t, nil)
	code, out, complaint := say(t, "presence", "room/1", "--join", "--sub", "bob", "--present-data", `{"age": 7}`, "-n", "1", "--hub", s.url)
	if code != 0 || complaint != young || out != `{"topic":"room/1","streams":1,"subjects":1,"in":[{"subject":"bob","data":{"age":7}}],"out":[],"settling":true}`+"\n" {
		t.Errorf("exit code %d, %s%s", code, out, complaint)
	}
}

// TestPresenceSaysThatAStreamWithoutASubjectMakesNobodyAMember, once. A hub without keys ignores tokens.
func TestPresenceSaysThatAStreamWithoutASubjectMakesNobodyAMember(t *testing.T) {
	s := startServe(t, nil)
	for topic, token := range map[string]string{"room/1": "", "room/2": "a.b.c"} {
		code, out, complaint := say(t, "presence", topic, "--join", "--token", token, "-n", "1", "--hub", s.url)
		want := young + "tidings presence: the hub counts the stream, and nobody sees you as a member, because the stream has no subject; " +
			"name one with --sub at a hub without keys, elsewhere in the token\n"
		if code != 0 || complaint != want || !strings.Contains(out, `"streams":1,"subjects":0`) {
			t.Errorf("with token %q: exit code %d, %s%s", token, code, complaint, out)
		}
	}
}

// TestPresenceSaysThatItReconnects, and what it learns then.
func TestPresenceSaysThatItReconnects(t *testing.T) {
	state := "event: tidings.presence\nretry: 1\ndata: {\"topic\":\"room\",\"streams\":%d,\"subjects\":0,\"members\":[]}\n\n"
	server := ssetest.NewTCPServer(t,
		ssetest.Stream(ssetest.Send(fmt.Sprintf(state, 1))),
		ssetest.Status(http.StatusServiceUnavailable).With("Retry-After", "0"),
		ssetest.Stream(ssetest.Send(fmt.Sprintf(state, 2)), ssetest.Hold()))
	follower := runs(t, "presence", "room", "--follow", "-n", "2", "--hub", server.URL)
	if code := follower.code(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	follower.out.await(t, `^.*"streams":1,.*\n.*"streams":2,.*\n$`)
	follower.err.await(t, `^tidings presence: connection lost \(the server ended the stream\); again .*\n`+
		`tidings presence: no connection \(the server answered 503 Service Unavailable\); again .*\ntidings presence: connected again\n$`)
}

// TestPresenceSaysOnceThatMembersMayBeMissing, while a hub that has just begun to serve is settling.
func TestPresenceSaysOnceThatMembersMayBeMissing(t *testing.T) {
	state := "event: tidings.presence\ndata: {\"topic\":\"room\",\"streams\":0,\"subjects\":0,\"members\":[]%s}\n\n"
	settling := fmt.Sprintf(state, `,"settling":true`)
	for format, want := range map[string]string{
		"table":  `^(\S+  = 0 subjects, 0 streams\n){3}$`,
		"ndjson": `^(\{.*,"settling":true\}\n){2}\{"topic":"room","streams":0,"subjects":0,"in":\[\],"out":\[\]\}\n$`,
	} {
		server := ssetest.NewTCPServer(t, ssetest.Stream(ssetest.Send(settling+settling+fmt.Sprintf(state, "")), ssetest.Hold()))
		code, out, complaint := say(t, "presence", "room", "--follow", "-n", "3", "-f", format, "--hub", server.URL)
		if code != 0 || complaint != young || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s: exit code %d, %s\n%s\nwant %s", format, code, complaint, out, want)
		}
	}
}

// TestPresenceListsAllPages, also those that have no item.
func TestPresenceListsAllPages(t *testing.T) {
	answers := map[string]string{
		"limit=1000&topic=room":                  `{"topic":"room","streams":3,"subjects":3,"members":[{"subject":"a"},{"subject":"b"}],"next":"b"}`,
		"after=b&limit=1000&topic=room":          `{"topic":"room","streams":3,"subjects":3,"members":[{"subject":"c"}]}`,
		"limit=1000&pattern=x%2F%2A":             `{"topics":[],"next":"x/a"}`,
		"after=x%2Fa&limit=1000&pattern=x%2F%2A": `{"topics":[{"topic":"x/b","streams":1,"subjects":0}]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, answers[r.URL.RawQuery])
	}))
	t.Cleanup(server.Close)
	for args, want := range map[string]string{
		"room":          `{"subject":"a"}` + "\n" + `{"subject":"b"}` + "\n" + `{"subject":"c"}` + "\n",
		"room -f table": "room: 3 subjects, 3 streams\na\nb\nc\n",
		"x/*":           `{"topic":"x/b","streams":1,"subjects":0}` + "\n",
		"x/* -f table":  "SUBJECTS  STREAMS  TOPIC\n0         1        x/b\n",
	} {
		code, out, complaint := say(t, append(strings.Fields("presence "+args), "--hub", server.URL)...)
		if code != 0 || complaint != "" || out != want {
			t.Errorf("tidings presence %s: exit code %d, %s\n%s", args, code, complaint, out)
		}
	}
}

// TestPresenceRefusesWhatItCannotShow with a reason and what to do.
func TestPresenceRefusesWhatItCannotShow(t *testing.T) {
	a := startAdministered(t)
	blind := a.token(access.Grant{Subject: "joe"})
	for args, want := range map[string]string{
		"room/* -F":             `2 "room/*" is a pattern, and presence can be followed only at single topics`,
		"--join":                "2 say which topic to follow",
		"a b":                   "2 give one topic or pattern, not 2",
		"a --topic b":           "2 give one topic or pattern, not 2",
		"/a":                    "2 \"/a\" is a path without a host",
		"a --count=-1":          "2 --count cannot be negative",
		"a --sub bob":           "2 --sub and --present-data say who is present with --join",
		"a --format=raw":        `2 --format: "raw" is not one of`,
		"a** --token " + a.boss: "3 the server answered 400 Bad Request",
		"a --join --sub eve --token " + a.token(seer("bob")): "3 the server answered 403 Forbidden\n  The request is not granted\n  you may not be present as \"eve\"",
		"a --token " + blind:    "3 the server answered 403 Forbidden",
		"a -F --token " + blind: "3 the server answered 403 Forbidden",
		"--token " + blind:      "3 the server answered 403 Forbidden",
		"a -F":                  "3 the server answered 401 Unauthorized",
	} {
		code, out, complaint := say(t, append(strings.Fields("presence "+args), "--hub", a.url)...)
		if got := fmt.Sprint(code, strings.TrimPrefix(complaint, "tidings:")); !strings.HasPrefix(got, want) || out != "" {
			t.Errorf("tidings presence %s: %s%s, want %s", args, got, out, want)
		}
		if code == exitRefused && !strings.Contains(args, "a**") && !strings.Contains(complaint, "\nhint: ") {
			t.Errorf("tidings presence %s: no hint in %s", args, complaint)
		}
	}
}
