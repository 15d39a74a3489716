package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// TestAdministratorListsSubscribers: the list comes in pages.
func TestAdministratorListsSubscribers(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, how)
			g := all("ann")
			g.ID = "a1"
			for i := range 5 {
				k.follow(fmt.Sprintf("/events?topic=news/%d&topic=sports/**", i), bearer(k.token(g))).want("tidings.checkpoint:{}")
			}
			k.awaitSubscribers(5)
			boss := bearer(k.token(all("boss")))
			var list struct {
				Subscribers []hub.Subscriber
				Next        string
			}
			seen := 0
			for after := ""; ; after = list.Next {
				a := k.send(request{path: "/api/v1/subscribers?limit=2&after=" + after, header: boss})
				list.Next = ""
				if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != http.StatusOK {
					t.Fatalf("%+v: %v", a, err)
				}
				for _, s := range list.Subscribers {
					want := []string{fmt.Sprint("news/", seen), "sports/**"}
					if s.Subject != "ann" || s.Token != "a1" || fmt.Sprint(s.Topics) != fmt.Sprint(want) || s.Stage != "live" || s.Lag != 0 || s.Bytes == 0 || s.Address == "" || s.Since.IsZero() {
						t.Errorf("number %d is %+v", seen, s)
					}
					seen++
				}
				if list.Next == "" {
					break
				}
			}
			if seen != 5 {
				t.Errorf("%d are listed", seen)
			}
			for _, query := range []string{"limit=0", "limit=1001", "limit=x", "after=x", "page=1"} {
				refused(t, query, k.send(request{path: "/api/v1/subscribers?" + query, header: boss}), http.StatusBadRequest, "invalid-request", "")
			}
		})
	}
}

// TestAdministratorSeesTheBytesOfEachStream: those that the client has read, whatever the transport.
func TestAdministratorSeesTheBytesOfEachStream(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		ours := s.follow("/events/news", nil)
		others := s.follow("/events/other", nil)
		ours.want("tidings.checkpoint:{}")
		others.want("tidings.checkpoint:{}")
		const size = 20_000
		for i := range 3 {
			s.post("news", strings.Repeat("x", size))
			ours.want(strings.Repeat("x", size))
			await(s.T, "the bytes are counted", func() bool {
				var list struct{ Subscribers []hub.Subscriber }
				a := s.send(request{path: "/api/v1/subscribers"})
				if err := json.Unmarshal([]byte(a.body), &list); err != nil || len(list.Subscribers) != 2 {
					s.Fatalf("%+v: %v", a, err)
				}
				got := map[string]int64{}
				for _, one := range list.Subscribers {
					got[one.Topics[0]] = one.Bytes
				}
				most := int64((i+1)*(size+200) + 200)
				return got["news"] > int64((i+1)*size) && got["news"] < most && got["other"] > 0 && got["other"] < 500
			})
		}
	})
}

// TestStatisticsMatchMetrics: /api/v1/stats and /metrics have the same numbers.
func TestStatisticsMatchMetrics(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	boss := bearer(k.token(all("boss")))
	k.send(request{path: "/events/news", body: "x", header: boss})
	k.revoke(`{"sub":"ann"}`)
	var s hub.Stats
	await(t, "the event is seen", func() bool {
		a := k.send(request{path: "/api/v1/stats", header: boss})
		if err := json.Unmarshal([]byte(a.body), &s); err != nil {
			t.Fatalf("%+v: %v", a, err)
		}
		return s.Events.Stored == 2
	})
	if !s.Ready || s.Log.Head != 2 || s.Log.Events != 2 || s.Log.Generation != k.log.Head().Gen || s.Revocations != 1 || s.Window.Bytes == 0 || s.Began.IsZero() {
		t.Errorf("%+v", s)
	}
	if s.Log.Durability != eventlog.DurabilityMemory || s.Log.Keep <= 0 || s.Log.Free != 0 {
		t.Errorf("a log in memory of limited size says %+v", s.Log)
	}
}

// TestAdministratorTakesProfiles: only administrators may record profiles, one at a time.
func TestAdministratorTakesProfiles(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	boss := bearer(k.token(all("boss")))
	for _, name := range []string{"heap", "goroutine", "allocs", "block", "mutex", "threadcreate", "trace?seconds=1"} {
		if a := k.send(request{path: "/debug/pprof/" + name, header: boss}); a.status != http.StatusOK || a.body == "" {
			t.Errorf("%s: %d %q", name, a.status, clipped(a.body))
		}
	}
	if a := k.send(request{path: "/debug/pprof/goroutine?debug=1", header: boss}); !strings.Contains(a.body, "goroutine profile") {
		t.Errorf("%+v", a)
	}
	for path, status := range map[string]int{
		"/debug/pprof/": 404, "/debug/pprof/cmdline": 404, "/debug/pprof/heap/..": 404, "/debug/pprof": 404, "/debug/pprof/profile?seconds=301": 400, "/debug/pprof/heap?debug=3": 400,
	} {
		if a := k.send(request{path: path, header: boss}); a.status != status {
			t.Errorf("%s: %+v", path, a)
		}
	}
	if _, pattern := http.DefaultServeMux.Handler(httptest.NewRequest(http.MethodGet, "/debug/pprof/heap", nil)); pattern != "" {
		t.Errorf("the default ServeMux serves profiles without authorization: %s", pattern)
	}
}

// TestAdminListenerNeedsNoToken: it serves only the routes for administrators, and refuses requests from web pages.
func TestAdminListenerNeedsNoToken(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	admin := k.hub.Admin()
	for _, test := range []struct {
		method, path, body string
		header             map[string]string
		status             int
	}{
		{"GET", "/metrics", "", nil, 200},
		{"GET", "/api/v1/stats", "", nil, 200},
		{"GET", "/api/v1/subscribers", "", nil, 200},
		{"GET", "/debug/pprof/heap", "", nil, 200},
		{"GET", "/healthz", "", nil, 200},
		{"HEAD", "/readyz", "", nil, 200},
		{"POST", "/api/v1/revoke", `{"sub":"ann"}`, nil, 200},
		{"POST", "/api/v1/revoke", `{"sub":"bob"}`, map[string]string{"Origin": "http://admin.example"}, 403},
		{"POST", "/api/v1/revoke", `{"sub":"bob"}`, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"GET", "/debug/pprof/heap", "", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"GET", "/metrics", "", map[string]string{"Sec-Fetch-Site": "same-origin"}, 403},
		{"GET", "/metrics", "", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		{"GET", "/metrics", "", map[string]string{"Origin": "null"}, 403},
		{"GET", "/events/news?poll=1", "", nil, 404},
		{"POST", "/events/news", "x", nil, 404},
		{"GET", "/api/v1/topics", "", nil, 404},
		{"DELETE", "/metrics", "", nil, 405},
		{"GET", "/api/v1/revoke", "", nil, 405},
		{"GET", "/", "", nil, 404},
	} {
		r := httptest.NewRequest(test.method, "http://admin.example"+test.path, strings.NewReader(test.body))
		for name, value := range test.header {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		if admin.ServeHTTP(w, r); w.Code != test.status {
			t.Errorf("%s %s %v: %d %s", test.method, test.path, test.header, w.Code, w.Body)
		}
	}
	if revoked := k.hub.Revocations(); len(revoked) != 1 || revoked[0].Subject != "ann" {
		t.Errorf("revoked are %+v", revoked)
	}
}

// TestAdminListenerMayHavePagesOfItsOwn: at localhost or an IP address. A page at a host name may be a foreign one that resolves to the listener.
func TestAdminListenerMayHavePagesOfItsOwn(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{AdminPages: true}, transports[0])
	for _, test := range []struct {
		host, origin, site string
		status             int
	}{
		{"localhost:9090", "http://localhost:9090", "same-origin", 200},
		{"10.0.0.5:9090", "http://10.0.0.5:9090", "", 200},
		{"[::1]:9090", "", "same-origin", 200},
		{"10.0.0.5", "https://10.0.0.5", "same-origin", 200},
		{"localhost:9090", "http://localhost:3000", "same-site", 403},
		{"localhost:9090", "null", "", 403},
		{"localhost:9090", "http://localhost:9090", "cross-site", 403},
		{"rebound.example:9090", "http://rebound.example:9090", "same-origin", 403},
		{"rebound.example:9090", "", "same-origin", 403},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://"+test.host+"/api/v1/revoke", strings.NewReader(`{"sub":"ann"}`))
		for name, value := range map[string]string{"Origin": test.origin, "Sec-Fetch-Site": test.site} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		if k.hub.Admin().ServeHTTP(w, r); w.Code != test.status {
			t.Errorf("%+v: %d %s", test, w.Code, w.Body)
		}
	}
}

// TestLocalAdminListenerRefusesDNSRebinding: the listener requires no token, so it must check the host. Otherwise a page whose host name
// resolves to 127.0.0.1 for a moment could read from it.
func TestLocalAdminListenerRefusesDNSRebinding(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{AdminLocal: true}, transports[0])
	for _, test := range []struct {
		host, peer, forwarded string
		status                int
	}{
		{"localhost:3001", "127.0.0.1:1", "", 200},
		{"[::1]:3001", "[::1]:1", "", 200},
		{"localhost", "@", "", 200},
		{"rebound.example:3001", "127.0.0.1:1", "", 403},
		{"localhost:3001", "127.0.0.1:1", "192.0.2.1", 403},
		{"localhost:3001", "192.0.2.1:1", "", 403},
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Host, r.RemoteAddr = test.host, test.peer
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		w := httptest.NewRecorder()
		if k.hub.Admin().ServeHTTP(w, r); w.Code != test.status || strings.Contains(w.Body.String(), "a key") {
			t.Errorf("%+v: %d %s", test, w.Code, w.Body)
		}
	}
	if a := k.send(request{path: "/healthz", header: map[string]string{"X-Forwarded-For": "192.0.2.1"}}); a.status != http.StatusOK {
		t.Errorf("the hub itself: %+v", a)
	}
}

// TestAdminElsewhereRemovesAdminRoutes: with a separate admin listener, the public listener refuses even administrators.
func TestAdminElsewhereRemovesAdminRoutes(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{AdminElsewhere: true}, transports[0])
	boss := bearer(k.token(all("boss")))
	for path, status := range map[string]int{
		"/metrics": 404, "/api/v1/stats": 404, "/api/v1/subscribers": 404, "/api/v1/revoke": 404, "/debug/pprof/heap": 404, "/healthz": 200, "/readyz": 200, "/api/v1/topics": 200,
	} {
		method := http.MethodGet
		if path == "/api/v1/revoke" {
			method = http.MethodPost
		}
		a := k.send(request{method: method, path: path, header: boss})
		if a.status != status || status == http.StatusNotFound && !strings.Contains(a.body, "administration of this hub is on another listener") {
			t.Errorf("%s: %+v", path, a)
		}
	}
}

// TestAdminListenerNamesItsPaths: a 404 lists all of them.
func TestAdminListenerNamesItsPaths(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	r := httptest.NewRequest(http.MethodGet, "/events/news", nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	k.hub.Admin().ServeHTTP(w, r)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/v1/stats", "/api/v1/subscribers", "/api/v1/revoke", "/debug/pprof/"} {
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), path) {
			t.Errorf("%d %s, want it to name %s", w.Code, w.Body, path)
		}
	}
}

// unready is a log that can be made to fail.
type unready struct {
	*eventlog.Memory
	broken, unreadable atomic.Bool
}

func (l *unready) Ready(context.Context) error {
	if l.broken.Load() {
		return &eventlog.UnavailableError{Reason: "the disk at a secret place is full"}
	}
	return nil
}

func (l *unready) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	if l.unreadable.Load() {
		return eventlog.Answer{}, eventlog.ErrCorrupt
	}
	return l.Memory.Read(ctx, q)
}

// TestReadyOnlyIfEventsAreStoredAndDelivered: the hub is not ready if it cannot append, cannot read, or shuts down. It is healthy all the
// time.
func TestReadyOnlyIfEventsAreStoredAndDelivered(t *testing.T) {
	t.Parallel()
	log := &unready{Memory: mustMemory(t, nil)}
	k := serveKeyed(t, log, hub.Options{}, transports[0])
	ready := func() int { return k.send(request{path: "/readyz"}).status }
	if got := ready(); got != http.StatusOK {
		t.Fatal(got)
	}
	log.broken.Store(true)
	a := k.send(request{path: "/readyz"})
	if refused(t, "a full disk", a, http.StatusServiceUnavailable, "not-ready", "accepts no events"); strings.Contains(a.body, "secret") || a.header.Get("Retry-After") == "" {
		t.Errorf("%+v", a)
	}
	k.awaitMetrics("tidings_ready 0")
	log.broken.Store(false)
	log.unreadable.Store(true)
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})
	await(t, "the hub is not ready while the log is unreadable", func() bool { return ready() == http.StatusServiceUnavailable })
	log.unreadable.Store(false)
	await(t, "the hub is ready again", func() bool { return ready() == http.StatusOK })
	if err := k.hub.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(t, "while it stops", k.send(request{path: "/readyz"}), http.StatusServiceUnavailable, "draining", "")
	if a := k.send(request{path: "/healthz"}); a.status != http.StatusOK {
		t.Errorf("%+v", a)
	}
}
