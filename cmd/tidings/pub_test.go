package main

import (
	"context"
	"net"
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

func TestPubSaysThatThereWasNothingToStore(t *testing.T) {
	s := startServe(t, nil)
	if code, out, complaint := say(t, "pub", "news", "--hub", s.url); code != 0 || out != "0 events stored\n" || complaint != "" {
		t.Errorf("exit code %d, output %q, %s", code, out, complaint)
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
