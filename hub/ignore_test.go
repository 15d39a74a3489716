package hub_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestParametersThatLibrariesAddAreIgnored: the hub always ignores the most common cache busters, and others if configured. It refuses all
// other unknown parameters.
func TestParametersThatLibrariesAddAreIgnored(t *testing.T) {
	t.Parallel()
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	each(t, &hub.Options{IgnoreParams: []string{"datastar", "utm_source"}}, func(s *site) {
		s.post("news", "hello")
		for _, ignored := range []string{
			"_=1732789", "_ts=1", "_t=a", "_", "_=", "%5Fts=1", "_=1&_=2", "datastar=%7B%22a%22:1%7D", "utm_source=x", "_=%zz", "datastar={};b", "_t=%FF",
			"datastar=" + strings.Repeat("x", 20_000),
		} {
			for _, r := range []request{
				{path: "/events?topic=news&poll=1&" + ignored},
				{path: "/events/news?" + ignored + "&poll=1"},
				{method: http.MethodHead, path: "/events/news?" + ignored},
				{method: "QUERY", path: "/events?poll=1", body: ignored + "&topic=news", header: form},
				{path: "/events/news?" + ignored, body: "x"},
				{path: "/api/v1/topics?" + ignored},
				{path: "/api/v1/stats?" + ignored},
				{path: "/healthz?" + ignored},
			} {
				if a := s.send(r); a.status != http.StatusOK {
					s.Errorf("%s %.80s %.80s: %d %s", r.method, r.path, r.body, a.status, a.body)
				}
			}
		}
		for _, name := range []string{"ts", "__", "_TS", "Datastar", "utm_medium", "t", "topics", "_topic"} {
			for _, r := range []request{
				{path: "/events/news?" + name + "=1"},
				{method: "QUERY", path: "/events/news", body: name + "=1", header: form},
				{path: "/events/news?" + name + "=1", body: "x"},
				{path: "/api/v1/topics?" + name + "=1"},
			} {
				refused(s.T, r.path, s.send(r), http.StatusBadRequest, "invalid-request", name)
			}
		}
	})
}

// TestParametersOfTheHubCannotBeIgnored: a hub that ignored topic= would send all events to all subscribers.
func TestParametersOfTheHubCannotBeIgnored(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	known := map[string]bool{"": true}
	list := regexp.MustCompile(`known parameters: ([a-zA-Z_, ]+)`)
	for path, methods := range hub.Routes() {
		if strings.HasSuffix(path, "/") {
			path += "news"
		}
		for _, method := range methods {
			if method == http.MethodHead {
				continue // has no body
			}
			a := s.send(request{method: method, path: path + "?nonsense=1", header: map[string]string{
				"Content-Type": "application/x-www-form-urlencoded",
			}})
			if match := list.FindStringSubmatch(a.body); match != nil && match[1] != "none" {
				for name := range strings.SplitSeq(match[1], ", ") {
					known[name] = true
				}
			}
		}
	}
	for _, name := range []string{"topic", "exact", "last_event_id", "type", "pattern", "limit", "debug"} {
		if !known[name] {
			t.Errorf("no answer names the parameter %s", name)
		}
	}
	for name := range known {
		if _, err := hub.New(mustMemory(t, nil), &hub.Options{IgnoreParams: []string{"fine", name}}); err == nil {
			t.Errorf("the parameter %q can be ignored", name)
		}
	}
}

// TestPreflightAllowsRequestedHeaders: some libraries add header fields of their own, and need the hub's permission.
func TestPreflightAllowsRequestedHeaders(t *testing.T) {
	t.Parallel()
	const standard = "Authorization, Last-Event-ID, Idempotency-Key, Content-Type, Cache-Control"
	for _, origins := range [][]string{{"https://app.example"}, {"*"}} {
		each(t, &hub.Options{AllowOrigins: origins}, func(s *site) {
			for _, test := range []struct {
				asked []string
				more  string
			}{
				{nil, ""},
				{[]string{""}, ""},
				{[]string{"content-type,last-event-id"}, ""},
				{[]string{"x-requested-with"}, ", x-requested-with"},
				{[]string{"datastar-request,X-Trace-Id, authorization,x-trace-id"}, ", datastar-request, x-trace-id"},
				{[]string{"a", "b, c"}, ", a, b, c"},
				{[]string{"sentry-trace,baggage,traceparent"}, ", sentry-trace, baggage, traceparent"},
				{[]string{`bad name,"quoted",a:b,(c),x<y>,é,,good`}, ", good"},
			} {
				for _, path := range []string{"/events", "/events/news", "/api/v1/topics"} {
					a := s.preflight(path, "https://app.example", test.asked)
					if got := a.Get("Access-Control-Allow-Headers"); got != standard+test.more {
						s.Errorf("%s %q: %s", path, test.asked, got)
					}
					if !slices.Contains(strings.Split(a.Get("Vary"), ", "), "Access-Control-Request-Headers") {
						s.Errorf("%s: Vary: %s", path, a.Get("Vary"))
					}
				}
			}
			if origins[0] == "*" {
				return
			}
			if a := s.preflight("/events", "https://evil.example", []string{"x-a"}); a.Get("Access-Control-Allow-Headers") != "" {
				s.Errorf("an origin that is not allowed: %v", a)
			}
		})
	}
}

// preflight sends a preflight and returns the header of its answer.
func (s *site) preflight(path, origin string, asked []string) http.Header {
	s.Helper()
	resp, err := s.do(s.Context(), request{method: http.MethodOptions, path: path}, func(r *http.Request) {
		r.Header["Origin"], r.Header["Access-Control-Request-Method"] = []string{origin}, []string{"POST"}
		r.Header["Access-Control-Request-Headers"] = asked
	})
	if err != nil {
		s.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		s.Errorf("OPTIONS %s: %s", path, resp.Status)
	}
	return resp.Header
}
