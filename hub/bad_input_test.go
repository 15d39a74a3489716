package hub_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// Invalid requests: each is refused and changes nothing. This file has paths and methods; the other files bad_input_* have parameters,
// headers, bodies, raw bytes, broken bodies and slow bodies.

// badRequest is an invalid request and the refusal that it gets.
type badRequest struct {
	request
	status  int
	problem string // the problem's type, without urn:tidings:problem:
	says    string // a part of the problem's detail
}

// strict has limits that are low enough to reach in a test.
var strict = hub.Options{MaxEvent: 1000, MaxTopics: 10}

// untouched is a hub whose log must not change. The log has one event, one used idempotency key and one ended topic.
type untouched struct {
	*site
	follower *follower // subscribes to all topics
	head     eventlog.Position
	events   []string
}

func wantUntouched(s *site) *untouched {
	s.Helper()
	s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "first", Key: "used"}, hub.Event{Topics: []string{"over"}, End: true})
	g := &untouched{site: s, follower: s.follow("/events", nil), head: s.log.Head(), events: events(s.T, s.log)}
	g.follower.want("tidings.checkpoint:{}")
	return g
}

// wantUnchanged fails the test if the log has changed.
func (g *untouched) wantUnchanged(after string) {
	g.Helper()
	if head, have := g.log.Head(), events(g.T, g.log); head != g.head || !slices.Equal(have, g.events) {
		g.Errorf("after %s the log has %q up to %v, and had %q up to %v", after, have, head, g.events, g.head)
		g.head, g.events = head, have
	}
}

// wantNoEvent fails the test if the subscriber has received an event.
func (g *untouched) wantNoEvent() {
	g.Helper()
	g.hubPublish(hub.Event{Topics: []string{"news"}, Data: "after"})
	g.follower.want("after")
}

// problemAnswer is a problem document (RFC 9457, 3).
type problemAnswer struct {
	Type, Title, Detail string
	Status              int

	Stored *int // how many events of a streamed body are stored
	Last   string
}

// refused fails the test unless an answer has this status and a problem of this type whose detail contains says.
func refused(t *testing.T, what string, a answer, status int, problem, says string) (p problemAnswer) {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %d %q %q, want %d; %.300s", what, a.status, a.header.Get("Content-Type"), a.header.Get("Cache-Control"), status, a.body)
		return p
	}
	if needs := status == http.StatusUnauthorized || status == http.StatusForbidden; needs != (a.header.Get("WWW-Authenticate") != "") {
		t.Errorf("%s: %d has WWW-Authenticate %q", what, status, a.header.Get("WWW-Authenticate"))
	}
	if len(a.body) > 4<<10 {
		t.Errorf("%s: the answer has %d bytes", what, len(a.body))
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Errorf("%s: %v in %.300s", what, err, a.body)
		return p
	}
	if p.Type != "urn:tidings:problem:"+problem || p.Title == "" || p.Status != status || p.Detail == "" || !strings.Contains(p.Detail, says) {
		t.Errorf("%s: %+v, want %s and a detail with %q", what, p, problem, says)
	}
	return p
}

// refuse sends invalid requests over every transport and checks each refusal.
func refuse(t *testing.T, requests []badRequest) {
	t.Helper()
	each(t, &strict, func(s *site) {
		g := wantUntouched(s)
		for _, bad := range requests {
			a := g.send(bad.request)
			what := strings.TrimSpace(bad.method + " " + clipped(bad.path) + " " + clipped(bad.body))
			refused(g.T, what, a, bad.status, bad.problem, bad.says)
			g.wantUnchanged(what)
		}
		g.wantNoEvent()
	})
}

func clipped(text string) string { return text[:min(len(text), 80)] }

// TestBadPathsAreRefused: proxies may rewrite such a path. The problem names the parameter to use instead.
func TestBadPathsAreRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", eventlog.MaxName+1)
	var requests []badRequest
	for _, test := range []struct{ path, problem, says string }{
		{"/events/", "invalid-topic", "/events?topic=news"},
		{"/events//", "invalid-topic", "topic=%2F"},
		{"/events//news", "invalid-topic", "topic=%2Fnews"},
		{"/events/news/", "invalid-topic", "topic=news%2F"},
		{"/events/a//b", "invalid-topic", "topic=a%2F%2Fb"},
		{"/events/https://example.com/books", "invalid-topic", "topic=https%3A%2F%2Fexample.com%2Fbooks"},
		{"/events/a%2Fb", "invalid-topic", "topic=a%2Fb"},
		{"/events/a%2fb", "invalid-topic", "topic=a%2Fb"},
		{"/events/%2F", "invalid-topic", "topic=%2F"},
		{"/events/.", "invalid-topic", "segment of dots"},
		{"/events/..", "invalid-topic", "segment of dots"},
		{"/events/a/./b", "invalid-topic", "topic=a%2F.%2Fb"},
		{"/events/../events/news", "invalid-topic", "segment of dots"},
		{"/events/%2e%2E/news", "invalid-topic", "segment of dots"},
		{"/events/a%00b", "invalid-topic", "U+0000"},
		{"/events/a%0Ab", "invalid-topic", "U+000A"},
		{"/events/a%7Fb", "invalid-topic", "U+007F"},
		{"/events/a%C2%85b", "invalid-topic", "U+0085"},
		{"/events/a%E2%80%AEb", "invalid-topic", "U+202E"},
		{"/events/a%EF%BB%BFb", "invalid-topic", "U+FEFF"},
		{"/events/a%FFb", "invalid-topic", "UTF-8"},
		{"/events/%ED%A0%80", "invalid-topic", "UTF-8"}, // half of a surrogate pair
		{"/events/%C0%AF", "invalid-topic", "UTF-8"},    // an overlong encoding of a slash
		{"/events/" + long, "invalid-topic", "1024"},
		{"/events//" + long, "invalid-topic", "1024"},
		{"/events/a*b", "invalid-topic", "*"},
		{"/events/a/**/b", "invalid-topic", "*"},
		{"/events/***", "invalid-topic", "*"},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
			if strings.Contains(test.path, "*") && test.path != "/events/a/**/b" && method != http.MethodGet {
				continue // a topic may have a * in its name
			}
			requests = append(requests, badRequest{request{method: method, path: test.path}, http.StatusBadRequest, test.problem, test.says})
		}
	}
	for _, path := range []string{
		"/", "/event", "/Events", "/EVENTS/news", "//events/news", "/./events", "/../events", "/events%2Fnews", "/%65vents", "/events;a",
		"/api", "/api/v1", "/api/v1/topics/", "/api/v1/topics/news", "/api/v2/topics", "/.well-known/mercure", "/events.json", "/" + long,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions, http.MethodDelete, "QUERY"} {
			requests = append(requests, badRequest{request{method: method, path: path}, http.StatusNotFound, "not-found", "/events?topic=T"})
		}
	}
	refuse(t, requests)
}

// TestBadMethodsAreRefused: the response lists the methods that are allowed.
func TestBadMethodsAreRefused(t *testing.T) {
	t.Parallel()
	each(t, &strict, func(s *site) {
		g := wantUntouched(s)
		for _, test := range []struct {
			path, allow string
			methods     []string
		}{
			{"/events", "GET, HEAD, QUERY, POST, PUT, OPTIONS", []string{"DELETE", "PATCH", "TRACE", "get", "post", "query", "PUBLISH", strings.Repeat("X", 200)}},
			{"/events/news", "GET, HEAD, QUERY, POST, PUT, OPTIONS", []string{"DELETE", "PATCH", "TRACE", "BREW"}},
			{"/events/", "GET, HEAD, QUERY, POST, PUT, OPTIONS", []string{"DELETE"}},
			{"/api/v1/topics", "GET, HEAD, OPTIONS", []string{"POST", "PUT", "QUERY", "DELETE", "PATCH"}},
		} {
			for _, method := range test.methods {
				a := g.send(request{method: method, path: test.path})
				what := method + " " + test.path
				if refused(g.T, what, a, http.StatusMethodNotAllowed, "method-not-allowed", clipped(method)[:3]); a.header.Get("Allow") != test.allow {
					g.Errorf("%s: Allow: %q, want %q", what, a.header.Get("Allow"), test.allow)
				}
				g.wantUnchanged(what)
			}
		}
		g.wantNoEvent()
	})
}

// TestBadHEADIsRefusedLikeGET: the answer to HEAD has the status and the header of the answer to GET, and no body.
func TestBadHEADIsRefusedLikeGET(t *testing.T) {
	t.Parallel()
	each(t, &strict, func(s *site) {
		g := wantUntouched(s)
		for _, path := range []string{"/", "/events//news", "/events/a*b", "/events?last=x", "/events?nonsense=1", "/api/v1/topics?limit=0"} {
			head, get := g.send(request{method: http.MethodHead, path: path}), g.send(request{path: path})
			if head.status != get.status || head.body != "" || get.status < 400 {
				g.Errorf("HEAD %s: %d %q, GET: %d", path, head.status, head.body, get.status)
			}
			for _, name := range []string{"Content-Type", "Cache-Control", "Vary"} {
				if head.header.Get(name) != get.header.Get(name) {
					g.Errorf("HEAD %s: %s: %q, GET: %q", path, name, head.header.Get(name), get.header.Get(name))
				}
			}
			g.wantUnchanged("HEAD " + path)
		}
		g.wantNoEvent()
	})
}

// TestReservedTopicsCannotBePublishedTo: the same holds for patterns. The status is not 401, because no token would help.
func TestReservedTopicsCannotBePublishedTo(t *testing.T) {
	t.Parallel()
	lines := map[string]string{"Content-Type": "application/x-ndjson"}
	var requests []badRequest
	for _, topic := range []string{"$own", "$", "$own/news"} {
		line := `{"topic":"` + topic + `","data":""}`
		requests = append(requests,
			badRequest{request{path: "/events/" + topic, body: "x"}, http.StatusForbidden, "forbidden", "reserved"},
			badRequest{request{path: "/events?topic=" + topic, body: "x"}, http.StatusForbidden, "forbidden", "reserved"},
			badRequest{request{path: "/events/news?topic=" + topic, body: "x"}, http.StatusForbidden, "forbidden", "reserved"},
			badRequest{request{path: "/events/" + topic, body: "\n", header: lines}, http.StatusForbidden, "forbidden", "reserved"},
			badRequest{request{path: "/events", body: line, header: lines}, http.StatusForbidden, "forbidden", "reserved"})
	}
	for _, pattern := range []string{"*", "**", "news/*", "news/**", "*/news", "a/**/b"} {
		line := `{"topics":["news","` + pattern + `"],"data":""}`
		requests = append(requests,
			badRequest{request{path: "/events/" + pattern, body: "x"}, http.StatusBadRequest, "invalid-topic", "pattern"},
			badRequest{request{method: http.MethodPut, path: "/events?topic=" + pattern, body: "x"}, http.StatusBadRequest, "invalid-topic", "pattern"},
			badRequest{request{path: "/events", body: line, header: lines}, http.StatusBadRequest, "invalid-topic", "pattern"})
	}
	refuse(t, requests)
}

// TestRequestWithoutTokenGets401 for a topic in the path, in a parameter or in a form. With a token that grants too little it gets 403.
func TestRequestWithoutTokenGets401(t *testing.T) {
	t.Parallel()
	o := strict
	o.Authorize = func(r *http.Request) (access.Grant, error) {
		return access.Grant{Publish: []eventlog.Matcher{eventlog.MustPattern("open/**")}, Subscribe: []eventlog.Matcher{eventlog.MustPattern("**")}}, nil
	}
	each(t, &o, func(s *site) {
		g := wantUntouched(s)
		for _, r := range []request{
			{path: "/events/news", body: "x"},
			{path: "/events/open/a?topic=news", body: "x"},
			{path: "/events", body: `{"topic":"news","data":"x"}`, header: map[string]string{"Content-Type": "application/x-ndjson"}},
			{path: "/events/news", body: "data: x\n\n", header: map[string]string{"Content-Type": "text/event-stream"}},
		} {
			header := map[string]string{}
			maps.Copy(header, r.header)
			refused(g.T, r.path+" without a token", g.send(r), http.StatusUnauthorized, "unauthorized", "topic news")
			header["Authorization"] = "Bearer some"
			r.header = header
			refused(g.T, r.path+" with a token", g.send(r), http.StatusForbidden, "forbidden", "topic news")
			g.wantUnchanged(r.path)
		}
		g.wantNoEvent()
	})
}
