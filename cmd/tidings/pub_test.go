package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// nowhere returns the URL of a hub that is not there.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// TestWhoeverFindsNoHubIsToldWhereItWasLookedFor: tidings pub tried for ever, and said "connection refused; again in 1.0 s".
func TestWhoeverFindsNoHubIsToldWhereItWasLookedFor(t *testing.T) {
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

func TestPubGivesUpInTime(t *testing.T) {
	code, out, complaint := say(t, "pub", "news", "hello", "--hub", nowhere(t), "--timeout", "1ms")
	if code != pubTimeout || out != "" || !strings.Contains(complaint, "the time is over: 1ms") {
		t.Errorf("exit code %d, output %q, %s", code, out, complaint)
	}
}

// TestPubWithoutDataIsAMistake: with the topic forgotten, as in pub localhost:3000 hello, it said "0 events stored" where no hub was.
func TestPubWithoutDataIsAMistake(t *testing.T) {
	hub := nowhere(t)
	for _, args := range [][]string{{"hello", "--hub", hub}, {hub, "hello"}, {hub + "/events/hello"}, {hub, "hello", "--type", "x", "-q"}} {
		code, out, complaint := say(t, append([]string{"pub"}, args...)...)
		want := "tidings: there was nothing to publish to topic hello at " + hub + ": standard input is empty\nhint: tidings pub TOPIC DATA"
		if code != exitFailure || out != "" || !strings.HasPrefix(complaint, want) {
			t.Errorf("%q: exit code %d, output %q, %s", args, code, out, complaint)
		}
	}
}

// TestEmptyInputThatWasAskedForIsNoMistake: a pipe of lines may have none.
func TestEmptyInputThatWasAskedForIsNoMistake(t *testing.T) {
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

// TestAHubBehindTheTopicIsAMistake: pub news localhost:3000 hello published "localhost:3000 hello".
func TestAHubBehindTheTopicIsAMistake(t *testing.T) {
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

// TestPubAsksForAHubWhereNoneAnswers: a server of files says 501 to a POST, which was tried again for ever.
func TestPubAsksForAHubWhereNoneAnswers(t *testing.T) {
	for status, code := range map[int]int{200: exitFailure, 204: pubRefused, 302: pubRefused, 404: pubRefused, 405: pubRefused, 501: pubRefused} {
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

func TestTheLastLineOfAPipeNeedsNoLineEnd(t *testing.T) {
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
