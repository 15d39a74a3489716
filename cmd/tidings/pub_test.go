package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/internal/cutproxy"
	"github.com/tidings-sse/tidings/internal/plain"
)

// nowhere returns a URL at which no server listens.
func nowhere(t *testing.T) string {
	t.Helper()
	return "http://" + freeAddr(t)
}

// freeAddr returns an address that nothing listens on, for a server that others have to know before it listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := cutproxy.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// TestCommandsSayWhereTheyLookForAHub: tidings pub retried without naming the address: "connection refused; again in 1.0 s".
func TestCommandsSayWhereTheyLookForAHub(t *testing.T) {
	hub := nowhere(t)
	for _, args := range [][]string{{"pub", "news", "hello"}, {"sub", "news"}, {"topics"}} {
		ctx, cancel := context.WithCancel(t.Context())
		complaint, ended := newAwaited(), make(chan int)
		p := program{stdio: stdio{in: strings.NewReader(""), out: newAwaited(), err: complaint}}
		go func() { ended <- p.run(ctx, append(args, "--hub", hub)) }()
		complaint.await(t, regexp.QuoteMeta(hub)+".*connection refused(?s:.*)"+regexp.QuoteMeta(hubHint))
		cancel()
		if code := <-ended; code == 0 {
			t.Errorf("%q: exit code 0", args)
		}
	}
}

func TestPubStopsAtItsTimeout(t *testing.T) {
	code, out, complaint := say(t, "pub", "news", "hello", "--hub", nowhere(t), "--timeout", "1ms")
	if code != exitTimeout || out != "" || !strings.Contains(complaint, "the time is over: 1ms") {
		t.Errorf("exit code %d, output %q, %s", code, out, complaint)
	}
}

// TestPubRefusesEmptyStandardInput: without the topic, as in pub localhost:3000 hello, it printed "0 events stored", even if there was no hub.
func TestPubRefusesEmptyStandardInput(t *testing.T) {
	hub := nowhere(t)
	for _, args := range [][]string{{"hello", "--hub", hub}, {hub, "hello"}, {hub + "/events/hello"}, {hub, "hello", "--type", "x", "-q"}} {
		code, out, complaint := say(t, append([]string{"pub"}, args...)...)
		want := "tidings: there was nothing to publish to topic hello at " + hub + ": standard input is empty\nhint: tidings pub TOPIC DATA"
		if code != exitFailure || out != "" || !strings.HasPrefix(complaint, want) {
			t.Errorf("%q: exit code %d, output %q, %s", args, code, out, complaint)
		}
	}
}

// TestPubAcceptsEmptyInputThatIsNamed: a pipe may contain no lines.
func TestPubAcceptsEmptyInputThatIsNamed(t *testing.T) {
	s := startServe(t, nil)
	for want, args := range map[string][]string{
		"0 events stored\n":   {"news", "--file", "-"},
		"0 events stored\n\n": {"news", "--file", writeFile(t, "empty", "")},
		"0 events stored":     {"--ndjson"},
		"stored":              {"builds/42", "--end"},
		"-":                   {"news", "--whole"},
	} {
		code, out, complaint := say(t, append([]string{"pub", "--hub", s.url}, args...)...)
		if code != 0 || !strings.Contains(out, strings.TrimSpace(want)) || complaint != "" {
			t.Errorf("%q: exit code %d, output %q, %s", args, code, out, complaint)
		}
	}
}

// TestPubRefusesAHubAfterTheTopic: pub news localhost:3000 hello published "localhost:3000 hello".
func TestPubRefusesAHubAfterTheTopic(t *testing.T) {
	s := startServe(t, nil)
	t.Setenv(hubVariable, s.url)
	for _, data := range [][]string{
		{"localhost:3000", "hello"}, {s.url, "hello"}, {s.url + "/events/news", "hello"}, {":3000"}, {"localhost:3000"}, {"unix:x.sock", "a", "b"},
	} {
		code, out, complaint := say(t, append([]string{"pub", "news"}, data...)...)
		if code != exitUsage || out != "" || !strings.Contains(complaint, "looks like the URL of a hub, which comes first: tidings pub "+data[0]+" news") {
			t.Errorf("%q: exit code %d, output %q, %s", data, code, out, complaint)
		}
	}
	if got := topicsOf(t, s.url); len(got) > 0 {
		t.Errorf("the hub has the topics %q", got)
	}
	for _, args := range [][]string{{"news", "https://example.com/a"}, {"news", "localhost:3000 is down"}, {"news", "localhost:3000", "is", "down", "--hub", s.url + "/"}} {
		if code, _, complaint := say(t, append([]string{"pub"}, args...)...); code != 0 {
			t.Errorf("%q: exit code %d, %s", args, code, complaint)
		}
	}
}

// TestPubGivesAHintIfNoHubAnswers: a file server answers a POST with 501, and pub retried forever.
func TestPubGivesAHintIfNoHubAnswers(t *testing.T) {
	for status, code := range map[int]int{200: exitFailure, 204: exitRefused, 302: exitRefused, 404: exitRefused, 405: exitRefused, 501: exitRefused} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
		for path, want := range map[string]string{
			"":            "is there a hub at " + server.URL + "?",
			"/event/news": "The URL of a topic is such as " + server.URL + "/events/news",
			"/news":       "The URL of a topic is such as " + server.URL + "/events/news",
		} {
			got, _, complaint := say(t, "pub", server.URL+path, "news", "hello")
			if got != code || !strings.Contains(complaint, "hint: is there a hub at ") || !strings.Contains(complaint, want) {
				t.Errorf("%d at %s: exit code %d, %s", status, path, got, complaint)
			}
		}
		server.Close()
	}
}

// TestPubErrorsUseTheWordsOfTheCommandLine: it counted events from 0 and named fields of Go.
func TestPubErrorsUseTheWordsOfTheCommandLine(t *testing.T) {
	s := startServe(t, nil)
	for _, test := range []struct {
		input, want string
		args        []string
	}{
		{"good\n\xff\n", "tidings: line 2: the data is not UTF-8 text; --binary publishes", []string{"photos/1"}},
		{"\xff", "tidings: the data is not UTF-8 text; --binary publishes", []string{"photos/1", "--whole"}},
		{"{\"data\":\"a\"}\nfoo\n", `tidings: line 2: it is not JSON: invalid character at byte 2, "oo"`, []string{"t", "--ndjson"}},
		{"nullify\n", `tidings: line 1: `, []string{"t", "--ndjson"}},
		{"{\"data\":\n", `tidings: line 1: the JSON is incomplete`, []string{"t", "--ndjson"}},
		{"{\"data\":\"a\",\"topic\":\"t\"}\n\n{\"data\":\"a\"}\n", "tidings: event 2 of the input names no topic", []string{"--ndjson"}},
	} {
		var out, complaint strings.Builder
		p := program{stdio: stdio{in: strings.NewReader(test.input), out: &out, err: &complaint}}
		code := p.run(t.Context(), append([]string{"pub", "--hub", s.url}, test.args...))
		text := complaint.String()
		if code != exitFailure || !strings.Contains(text, test.want) || strings.Contains(text, "event 0") || strings.Contains(text, "literal") {
			t.Errorf("%q of %q: exit code %d, %s", test.args, test.input, code, text)
		}
	}
}

// TestErrorsNameNoPackage checks that errors do not start with the name of a Go package of ours.
func TestErrorsNameNoPackage(t *testing.T) {
	key := t.TempDir() + "/key"
	if code, _, complaint := say(t, "token", "key", key); code != 0 {
		t.Fatal(complaint)
	}
	for _, args := range [][]string{
		{"token", "mint", "--key-file", key, "--sub", "a", "--subscribe", "x/**/y"},
		{"serve", "--public", "a/**/b"},
		{"serve", "--keep", "a/**/b=latest:1"},
		{"serve", "--origin", "x"},
		{"log", "dump", t.TempDir(), "--after", "99"},
		{"log", "dump", t.TempDir(), "--topic", "x/**/y"},
	} {
		code, _, complaint := say(t, args...)
		if said := strings.TrimPrefix(complaint, "tidings: "); code == 0 || plain.Text(said) != said {
			t.Errorf("%q: exit code %d, %s", args, code, complaint)
		}
	}
}

// TestPubCountsOnlyTheEventsOfItsInput: with --end it counted the end of the topic as an event.
func TestPubCountsOnlyTheEventsOfItsInput(t *testing.T) {
	s := startServe(t, nil)
	var out, complaint strings.Builder
	p := program{stdio: stdio{in: strings.NewReader("1\n2\n"), out: &out, err: &complaint}}
	code := p.run(t.Context(), []string{"pub", "builds/42", "--end", "--hub", s.url})
	if code != 0 || !regexp.MustCompile(`^2 events stored: \S+-1 to \S+-2; builds/42 is complete\n$`).MatchString(out.String()) {
		t.Errorf("exit code %d, output %q, %s", code, out.String(), complaint.String())
	}
}

func TestLastLineOfInputNeedsNoLineEnd(t *testing.T) {
	for input, args := range map[string][]string{
		"1\n2":                               nil,
		"1\r\n2\n":                           nil,
		"{\"data\":\"1\"}\n{\"data\":\"2\"}": {"--ndjson"},
	} {
		s := startServe(t, nil)
		var out, complaint strings.Builder
		p := program{stdio: stdio{in: strings.NewReader(input), out: &out, err: &complaint}}
		if code := p.run(t.Context(), append([]string{"pub", "news", "--end", "--hub", s.url}, args...)); code != 0 {
			t.Fatalf("%q: exit code %d, %s", input, code, complaint.String())
		}
		code, got, _ := say(t, "sub", "news", "--hub", s.url, "--since", "earliest", "--format", "data")
		if code != 0 || got != "1\n2\n" {
			t.Errorf("%q: exit code %d, the topic has %q", input, code, got)
		}
	}
}
