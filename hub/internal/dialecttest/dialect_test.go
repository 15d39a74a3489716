package dialecttest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// patience is how long a test waits for a condition before it fails. It measures nothing.
const patience = time.Minute

// site is a hub with the dialect on a real server.
type site struct {
	*testing.T
	hub    *hub.Hub
	log    *eventlog.Memory
	url    string
	client *http.Client
}

// each runs a test over every kind of delivery: by direct sockets, and by goroutines over TLS and HTTP/2.
func each(t *testing.T, o hub.Options, f func(*site)) {
	for _, name := range []string{"http1", "http1-tls", "http2-tls"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(open(t, o, name))
		})
	}
}

// authorize grants what the user in the header field User may do.
func authorize(r *http.Request) (access.Grant, error) {
	grant := access.Everything()
	switch grant.Subject = r.Header.Get("User"); grant.Subject {
	case "unknown user":
		return access.Grant{}, errors.New("the user is unknown")
	case "reader":
		grant.Publish = nil
		grant.Subscribe = []eventlog.Matcher{eventlog.MustPattern("news/**")}
	case "finder": // a grant of a matcher of the dialect's own kind
		grant.Subscribe = []eventlog.Matcher{beginning("new")}
	}
	grant.IssuedAt = time.Now().Add(-time.Minute)
	return grant, nil
}

func open(t *testing.T, o hub.Options, transport string) *site {
	t.Helper()
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	o.Dialects, o.Authorize = append([]hub.Dialect{lines{}}, o.Dialects...), authorize
	h, err := hub.New(log, &o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = stdlog.New(io.Discard, "", 0) // of panics that tests want
	server.EnableHTTP2 = transport == "http2-tls"
	if strings.HasSuffix(transport, "-tls") {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
		_ = log.Close()
	})
	return &site{t, h, log, server.URL, server.Client()}
}

func (s *site) send(method, path, body, user string) *http.Response {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	s.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if body == "" {
		r.Body, r.ContentLength = nil, 0
	}
	r.Header.Set("User", user)
	resp, err := s.client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// ask returns the status and the body of an answer.
func (s *site) ask(method, path, body, user string) (int, string) {
	s.Helper()
	resp := s.send(method, path, body, user)
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// post publishes in the dialect, and returns the position.
func (s *site) post(path, body string) string {
	s.Helper()
	status, text := s.ask(http.MethodPost, path, body, "")
	if status != http.StatusOK {
		s.Fatalf("%d %s", status, text)
	}
	return strings.TrimSpace(text)
}

// follower reads a stream.
type follower struct {
	*site
	resp *http.Response
	in   *bufio.Reader
}

func (s *site) follow(path, user string) *follower {
	s.Helper()
	resp := s.send(http.MethodGet, path, "", user)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		s.Fatalf("%s: %d %v", path, resp.StatusCode, resp.Header)
	}
	return &follower{s, resp, bufio.NewReader(resp.Body)}
}

// want fails the test unless the next lines are these.
func (f *follower) want(lines ...string) {
	f.Helper()
	for _, want := range lines {
		if got, err := f.in.ReadString('\n'); err != nil || got != want+"\n" {
			f.Fatalf("the next line is %q, %v; want %q", got, err, want)
		}
	}
}

// end fails the test unless the stream ends here.
func (f *follower) end() {
	f.Helper()
	if rest, err := io.ReadAll(f.in); err != nil || len(rest) > 0 {
		f.Errorf("the stream goes on with %q, %v", rest, err)
	}
}

// TestDialectsShareTheirEvents: events published in one dialect reach subscribers of the other, by name and by any matcher.
func TestDialectsShareTheirEvents(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{}, func(s *site) {
		byName, byMatcher := s.follow("/lines/news/today", ""), s.follow("/lines/new*", "")
		native := s.send(http.MethodGet, "/events/news/**", "", "")
		s.post("/lines/other", "not for these")
		s.post("/lines/news/today", "one")
		if status, body := s.ask(http.MethodPost, "/events/news/today", "two", ""); status != http.StatusOK {
			s.Fatal(status, body)
		}
		s.post("/lines/newest", "three")
		s.post("/lines/news/today", "four")
		byName.want("one", "two", "four")
		byMatcher.want("one", "two", "three", "four")
		in, found := bufio.NewReader(native.Body), ""
		for !strings.Contains(found, "data: four") {
			line, err := in.ReadString('\n')
			if err != nil {
				s.Fatal(err)
			}
			found += line
		}
		if !strings.Contains(found, "data: one\n") || !strings.Contains(found, "data: two\n") || strings.Contains(found, "three") {
			s.Errorf("the native stream has %s", found)
		}
	})
}

// TestFilterHidesPrivateEvents from users who are not members: live, in a replay and in a poll.
func TestFilterHidesPrivateEvents(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{}, func(s *site) {
		readers := []*follower{s.follow("/lines/news/a", "reader"), s.follow("/lines/news/a", ""), s.follow("/lines/news*", "")}
		member := s.follow("/lines/news/a", "member")
		s.post("/lines/news/a", "open 1")
		s.post("/lines/news/a?private", "secret")
		s.post("/lines/news/a", "open 2")
		readers = append(readers, s.follow("/lines/news/a?after=start", "reader"), s.follow("/lines/news/a?after=start&poll", ""))
		for _, f := range readers {
			f.want("open 1", "open 2")
		}
		member.want("open 1", "secret", "open 2")
		s.follow("/lines/news/a?after=start", "member").want("open 1", "secret", "open 2")
	})
}

// TestGrantMayBeAMatcherOfTheDialect: in the native dialect, too. There a request without topics subscribes to all granted topics.
func TestGrantMayBeAMatcherOfTheDialect(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{}, func(s *site) {
		finder := s.follow("/lines/new*", "finder")
		all := s.send(http.MethodGet, "/events?format=plain", "", "finder")
		reader := s.follow("/lines/news/a*", "reader")
		s.post("/lines/other", "not granted")
		s.post("/lines/newest", "one")
		s.post("/lines/news/a/b", "two")
		finder.want("one", "two")
		reader.want("two")
		in, found := bufio.NewReader(all.Body), ""
		for !strings.Contains(found, "data: two") {
			line, err := in.ReadString('\n')
			if err != nil {
				s.Fatal(err)
			}
			found += line
		}
		if !strings.Contains(found, "data: one") || strings.Contains(found, "granted") {
			s.Errorf("the stream of all granted topics has %s", found)
		}
	})
}

// TestDialectResumesAtAPosition: its header says where the stream begins, and which events are missing.
func TestDialectResumesAtAPosition(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{}, func(s *site) {
		first := s.post("/lines/news", "one")
		s.post("/lines/news", "two")
		f := s.follow("/lines/news?after="+first, "")
		f.want("two")
		if at := f.resp.Header.Get("Lines-After"); at != first {
			s.Errorf("the stream begins after %q, want %q", at, first)
		}
		s.post("/lines/news", "three")
		f.want("three")
		lost := s.follow("/lines/news?after=other-7", "")
		if at, from := lost.resp.Header.Get("Lines-After"), lost.resp.Header.Get("Lines-Lost-After"); at != s.log.Head().String() || from != "other-7" {
			s.Errorf("after an unknown position the stream begins after %q, and events after %q are missing", at, from)
		}
	})
}

// TestHeartbeatsAreEmptyLines: a quiet topic gets nothing else, even when other topics get events.
func TestHeartbeatsAreEmptyLines(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{Heartbeat: 20 * time.Millisecond, HeartbeatMin: time.Millisecond}, func(s *site) {
		f := s.follow("/lines/news", "")
		f.want("", "")
		s.post("/lines/other", "the log moves on")
		f.want("", "")
		s.post("/lines/news", "hello")
		for line := ""; line != "hello\n"; {
			var err error
			if line, err = f.in.ReadString('\n'); err != nil || line != "\n" && line != "hello\n" {
				s.Fatalf("%q, %v", line, err)
			}
		}
	})
}

// TestStreamEndsWithItsTopic: the dialect refuses a stream that would begin after the end.
func TestStreamEndsWithItsTopic(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{}, func(s *site) {
		f := s.follow("/lines/news", "")
		s.post("/lines/news", "last")
		s.post("/lines/news?end", "")
		f.want("last")
		f.end()
		if status, body := s.ask(http.MethodGet, "/lines/news", "", ""); status != http.StatusGone || body != "complete: all lines have been sent\n" {
			s.Errorf("%d %q", status, body)
		}
		if status, body := s.ask(http.MethodPost, "/lines/news", "more", ""); status != http.StatusConflict || !strings.HasPrefix(body, "ended: ") {
			s.Errorf("%d %q", status, body)
		}
	})
}

// TestStreamsOfADialectAreDrained: they get the stored events and end.
func TestStreamsOfADialectAreDrained(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{}, func(s *site) {
		f := s.follow("/lines/news", "")
		s.post("/lines/news", "last")
		ctx, cancel := context.WithTimeout(s.Context(), patience)
		defer cancel()
		if err := s.hub.Shutdown(ctx); err != nil {
			s.Error(err)
		}
		f.want("last")
		f.end()
		if status, body := s.ask(http.MethodGet, "/lines/news", "", ""); status != http.StatusServiceUnavailable || !strings.HasPrefix(body, "draining: ") {
			s.Errorf("%d %q", status, body)
		}
	})
}

// TestRevocationEndsTheStreamsOfADialect and no others.
func TestRevocationEndsTheStreamsOfADialect(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{}, func(s *site) {
		alice, bob := s.follow("/lines/news", "alice"), s.follow("/lines/news", "bob")
		if status, body := s.ask(http.MethodPost, "/api/v1/revoke", `{"sub":"alice"}`, ""); status != http.StatusOK {
			s.Fatal(status, body)
		}
		alice.end()
		s.post("/lines/news", "hello")
		bob.want("hello")
	})
}

// TestRefusalsHaveTheFormOfTheDialect: the dialect's own refusals and the hub's.
func TestRefusalsHaveTheFormOfTheDialect(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{MaxPerToken: 1, MaxEvent: 100}, func(s *site) {
		s.follow("/lines/news", "busy")
		for _, test := range []struct {
			method, path, body, user string
			status                   int
			begins                   string
		}{
			{"GET", "/lines/news", "", "unknown user", 401, "unauthorized: "},
			{"GET", "/lines/other", "", "reader", 401, "not-for-you: ask for other\n"},
			{"GET", "/lines/new*", "", "reader", 401, "not-for-you: "},
			{"GET", "/lines/news/a*", "", "finder", 401, "not-for-you: "},
			{"GET", "/lines/news", "", "busy", 429, "too-many-streams: "},
			{"PUT", "/lines/news", "x", "", 405, "method-not-allowed: "},
			{"POST", "/lines/news/*", "x", "", 400, "invalid-topic: "},
			{"POST", "/lines/$news", "x", "", 401, "forbidden: "},
			{"POST", "/lines/news", strings.Repeat("x", 101), "", 413, "too-large: "},
		} {
			status, body := s.ask(test.method, test.path, test.body, test.user)
			if status != test.status || !strings.HasPrefix(body, test.begins) {
				s.Errorf("%s %s by %s: %d %q, want %d %q", test.method, test.path, test.user, status, body, test.status, test.begins)
			}
		}
		if resp := s.send(http.MethodHead, "/lines/news", "", "busy"); resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			s.Errorf("HEAD: %d %v", resp.StatusCode, resp.Header)
		}
	})
}

// TestAHubWithoutALogRefusesInTheDialect: the refusal has the form of the dialect.
func TestAHubWithoutALogRefusesInTheDialect(t *testing.T) {
	t.Parallel()
	h, err := hub.Prepare(&hub.Options{Dialects: []hub.Dialect{lines{}}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/lines/news", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.HasPrefix(w.Body.String(), "not-ready: ") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestAdministratorsSeeTheStreamsOfADialect and can select them by topic.
func TestAdministratorsSeeTheStreamsOfADialect(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{}, func(s *site) {
		s.follow("/lines/news/a", "alice")
		f := s.follow("/lines/mail*", "bob")
		var list struct{ Subscribers []hub.Subscriber }
		for deadline := time.Now().Add(patience); len(list.Subscribers) != 1; {
			_, body := s.ask(http.MethodGet, "/api/v1/subscribers?topic=mail/bob", "", "")
			if err := json.Unmarshal([]byte(body), &list); err != nil || time.Now().After(deadline) {
				s.Fatalf("%s %v", body, err)
			}
		}
		if got := list.Subscribers[0]; got.Form != "lines" || got.Subject != "bob" || len(got.Topics) != 1 || got.Topics[0] != "mail*" {
			s.Errorf("%+v", got)
		}
		if status, body := s.ask(http.MethodDelete, "/api/v1/subscribers?subject=bob", "", ""); status != http.StatusOK || !strings.Contains(body, `"closed":1`) {
			s.Errorf("%d %s", status, body)
		}
		f.end()
	})
}

// TestTwoDialectsCannotHaveTheSamePath: the hub refuses the second one by its path.
func TestTwoDialectsCannotHaveTheSamePath(t *testing.T) {
	t.Parallel()
	if err := (&hub.Options{Dialects: []hub.Dialect{lines{}, lines{}}}).Check(); err == nil || !strings.Contains(err.Error(), "/lines/") {
		t.Errorf("%v", err)
	}
}
