package ssetest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

func TestCasesAreComplete(t *testing.T) {
	parser, lifecycle := ssetest.ParserCases(), ssetest.LifecycleCases()
	if len(parser) < 120 || len(lifecycle) < 60 {
		t.Errorf("there are %d parser and %d lifecycle cases", len(parser), len(lifecycle))
	}
	names := map[string]bool{}
	check := func(name, section, says string) {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }) {
			t.Errorf("the name %q has characters other than a-z, 0-9 and -", name)
		}
		if names[name] {
			t.Errorf("there are two cases %q", name)
		}
		names[name] = true
		if !slices.Contains([]string{"9.2.2", "9.2.3", "9.2.4", "9.2.5", "9.2.6"}, section) {
			t.Errorf("%s: unknown section %q", name, section)
		}
		if !strings.HasSuffix(says, ".") {
			t.Errorf("%s: %q is not a sentence", name, says)
		}
	}
	for _, c := range parser {
		check(c.Name, c.Section, c.Says)
	}
	clear(names)
	for _, c := range lifecycle {
		check(c.Name, c.Section, c.Says)
		outcomes := []ssetest.Outcome{ssetest.OutcomeOpen, ssetest.OutcomeWaiting, ssetest.OutcomeStopped, ssetest.OutcomeFailed, ssetest.OutcomeClosed}
		if !slices.Contains(outcomes, c.Outcome) {
			t.Errorf("%s: unknown outcome %q", c.Name, c.Outcome)
		}
		if len(c.Connections) == 0 || (c.Close != nil) != (c.Outcome == ssetest.OutcomeClosed) {
			t.Errorf("%s has no connections, or its close and its outcome disagree", c.Name)
		}
	}
}

// TestCasesUseOneFormOfAStream checks that each case has one of the three forms of a stream that the README describes.
func TestCasesUseOneFormOfAStream(t *testing.T) {
	text, err := os.ReadFile("cases/parser.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []map[string]any
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		forms := 0
		for _, form := range []string{"stream", "base64", "parts"} {
			if _, ok := c[form]; ok {
				forms++
			}
		}
		if forms != 1 {
			t.Errorf("%s has %d forms of the stream", c["name"], forms)
		}
	}
}

func TestCheckListsTheDifferences(t *testing.T) {
	c := ssetest.ParserCase{Want: ssetest.Parsed{
		Events:      []sse.Event{{Type: "message", Data: "1"}, {Type: "message", Data: "2"}},
		LastEventID: "7", Retry: time.Second, Retried: true, Comments: []string{"hi"}, Truncated: true,
	}}
	if err := c.Check(c.Want); err != nil {
		t.Errorf("the wanted result gives %v", err)
	}
	err := c.Check(ssetest.Parsed{Events: []sse.Event{{Type: "message", Data: strings.Repeat("x", 1000)}}})
	if err == nil {
		t.Fatal("Check found no difference")
	}
	for _, part := range []string{
		"number of events: got 1, want 2", `event 0: got {Type: "message", Data: "xxx`, "(1002 bytes)",
		`last event ID: got "", want "7"`, `reconnection time: got "none", want "1s"`, `comments: got [], want ["hi"]`,
		"truncated: got false, want true",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %s:\n%v", part, err)
		}
	}
	c = ssetest.ParserCase{RetryAtLeast: time.Hour, Want: ssetest.Parsed{Retried: true}}
	if err := c.Check(ssetest.Parsed{Retried: true, Retry: 2 * time.Hour}); err != nil {
		t.Errorf("a time above the minimum gives %v", err)
	}
	if err := c.Check(ssetest.Parsed{Retried: true, Retry: time.Minute}); err == nil {
		t.Error("a time below the minimum gives no error")
	}
}

// naive is a parser with common faults: it only knows LF, and only data fields.
func naive(stream io.Reader) (p ssetest.Parsed) {
	text, _ := io.ReadAll(stream)
	for block := range bytes.SplitSeq(text, []byte("\n\n")) {
		if data, ok := bytes.CutPrefix(block, []byte("data: ")); ok {
			p.Events = append(p.Events, sse.Event{Type: "message", Data: string(data)})
		}
	}
	return p
}

func TestParserCasesFindTheFaultsOfANaiveParser(t *testing.T) {
	failed := 0
	for _, c := range ssetest.ParserCases() {
		if c.Check(naive(bytes.NewReader(c.Stream))) != nil {
			failed++
		}
	}
	if all := len(ssetest.ParserCases()); failed < all*3/4 {
		t.Errorf("the naive parser fails only %d of %d cases", failed, all)
	}
}

func TestParserRunsEveryCase(t *testing.T) {
	calls := map[string]int{}
	ssetest.TestParser(t, func(stream io.Reader) (p ssetest.Parsed) {
		calls[t.Name()]++
		d := sse.NewDecoder(stream, &sse.ReadOptions{Comment: func(text []byte) { p.Comments = append(p.Comments, string(text)) }})
		for d.Next() {
			p.Events = append(p.Events, d.Event())
		}
		p.LastEventID = string(d.ID())
		p.Retry, p.Retried = d.Retry()
		p.Truncated = errors.Is(d.Err(), sse.ErrTruncated)
		return p
	})
	if calls[t.Name()] < 20*len(ssetest.ParserCases()) {
		t.Errorf("the parser was called only %d times", calls[t.Name()])
	}
}

// client opens sessions of an sse.Client with the given policy.
func client(policy func(*sse.Failure) (time.Duration, bool)) ssetest.LifecycleClient {
	return ssetest.LifecycleClient{
		Open: func(req *http.Request, http *http.Client, observe func(sse.State)) ssetest.Session {
			c := &sse.Client{
				HTTP: http, Recover: policy, Backoff: sse.Backoff{Base: time.Second},
				Observe: func(s sse.State, _ *sse.Failure) { observe(s) },
			}
			return c.Open(req)
		},
		ReconnectionTime: time.Second,
		Exact:            true,
	}
}

func TestLifecycleCasesFindFaultyClients(t *testing.T) {
	for name, c := range map[string]struct {
		client ssetest.LifecycleClient
		cases  map[string]string // name of a case → part of its error
	}{
		"a client that never gives up": {
			client(func(f *sse.Failure) (time.Duration, bool) { return time.Second, true }),
			map[string]string{
				"status-404": "got 2 requests, want 1",
				"retry":      "request 1: it came 1s after the end of the previous connection, want 3s",
				"mime-html":  "the client is still running, want failed",
			},
		},
		"a client that always gives up": {
			client(func(*sse.Failure) (time.Duration, bool) { return 0, false }),
			map[string]string{
				"end-clean": "states: got [connecting open closed], want [connecting open connecting open]",
				"end-cut":   "got 1 requests, want 2",
				"retry":     "the client ended with error ",
			},
		},
		"a client that waits too long": {
			client(func(f *sse.Failure) (time.Duration, bool) { return f.Retry + 1, true }),
			map[string]string{"end-clean": "request 1: it came 1.000000001s after the end of the previous connection, want 1s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, want := range slices.Sorted(maps.Keys(c.cases)) {
				err := ssetest.RunLifecycleCase(t, want, c.client)
				if err == nil || !strings.Contains(err.Error(), c.cases[want]) {
					t.Errorf("case %s gives %v, want %q", want, err, c.cases[want])
				}
			}
		})
	}
}

func TestLifecycleChecksRequests(t *testing.T) {
	c := client(sse.WHATWG)
	open := c.Open
	c.Open = func(req *http.Request, http *http.Client, observe func(sse.State)) ssetest.Session {
		req.Method = "QUERY"
		req.URL.Path = "/elsewhere"
		req.Header.Set("Last-Event-ID", "forged")
		req.Header.Set("Accept", "*/*")
		return open(req, http, observe)
	}
	for name, want := range map[string]string{
		"opens":                               "request 0: the method is QUERY, want GET",
		"request-url-query":                   "request 0: the URL is http://a.example/elsewhere?a=1&b=%20, want http://a.example/stream?a=1&b=%20",
		"id-none":                             "",
		"request-accept":                      `request 0: its header field Accept is ["*/*"], want exactly "text/event-stream"`,
		"request-first-without-last-event-id": `request 0: it has header field Last-Event-ID ["forged"], want none`,
	} {
		err := ssetest.RunLifecycleCase(t, name, c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("case %s gives %v, want %q", name, err, want)
		}
	}
}

// withoutError is a session that hides its error. withError is a session that yields an error even after Close.
type (
	withoutError struct{ ssetest.Session }
	withError    struct{ ssetest.Session }
)

func (m withoutError) Events() iter.Seq2[sse.Event, error] {
	return func(yield func(sse.Event, error) bool) {
		for e, err := range m.Session.Events() {
			if err != nil || !yield(e, nil) {
				return
			}
		}
	}
}

func (l withError) Events() iter.Seq2[sse.Event, error] {
	return func(yield func(sse.Event, error) bool) {
		for e, err := range l.Session.Events() {
			if !yield(e, err) {
				return
			}
		}
		yield(sse.Event{}, errors.New("late"))
	}
}

func TestLifecycleChecksTheOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		wrap func(ssetest.Session) ssetest.Session
		want string
	}{
		"status-404":        {func(s ssetest.Session) ssetest.Session { return withoutError{s} }, "the client ended without an error"},
		"close-after-event": {func(s ssetest.Session) ssetest.Session { return withError{s} }, "the client was closed, but ended with error late"},
	} {
		wrapped := client(sse.WHATWG)
		open := wrapped.Open
		wrapped.Open = func(req *http.Request, http *http.Client, observe func(sse.State)) ssetest.Session {
			return c.wrap(open(req, http, observe))
		}
		if err := ssetest.RunLifecycleCase(t, name, wrapped); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("case %s gives %v, want %q", name, err, c.want)
		}
	}
}

func TestLifecycleRunsEveryCase(t *testing.T) {
	ssetest.TestLifecycle(t, client(sse.WHATWG))
}
