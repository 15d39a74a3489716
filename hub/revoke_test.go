package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
	"github.com/tidings-sse/tidings/hub"
)

// revoke sends a request to revoke.
func (k *keyed) revoke(body string) {
	k.Helper()
	a := k.send(request{path: "/api/v1/revoke", body: body, header: bearer(k.token(all("boss")))})
	var says struct{ Stored string }
	if err := json.Unmarshal([]byte(a.body), &says); err != nil || a.status != http.StatusOK {
		k.Fatalf("%s: %+v", body, a)
	}
	if _, err := eventlog.ParsePosition(says.Stored); err != nil {
		k.Errorf("%s: %v", a.body, err)
	}
}

// TestRevocationReportsTheLatestRefusedToken: the hub refuses tokens issued until a few seconds after the request, and the answer says until
// when.
func TestRevocationReportsTheLatestRefusedToken(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	answer := func(body string) (says struct{ At, Until time.Time }) {
		a := k.send(request{path: "/api/v1/revoke", body: body, header: bearer(k.token(all("boss")))})
		if err := json.Unmarshal([]byte(a.body), &says); err != nil || says.At.IsZero() {
			t.Fatalf("%s: %+v, %v", body, a, err)
		}
		return says
	}
	until := answer(`{"sub":"ann"}`).Until
	for issued, want := range map[time.Time]int{until.Truncate(time.Second): http.StatusUnauthorized, until.Add(2 * time.Second): http.StatusOK} {
		g := all("ann")
		g.IssuedAt = issued
		if a := k.send(request{path: "/events/news", body: "x", header: bearer(k.token(g))}); a.status != want {
			t.Errorf("tokens are refused up to %s: a token issued at %s gets %+v", until, issued, a)
		}
	}
	if says := answer(`{"jti":"a1"}`); !says.Until.IsZero() {
		t.Errorf("a token by its ID is refused up to %s", says.Until)
	}
}

// TestHubWithoutKeysRefusesToRevoke: a revocation would have no effect, because such a hub accepts requests without a token.
func TestHubWithoutKeysRefusesToRevoke(t *testing.T) {
	t.Parallel()
	log := mustMemory(t, nil)
	h, err := hub.New(log, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Shutdown(t.Context()) }()
	for name, handler := range map[string]http.Handler{"public": h, "admin": h.Admin()} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/revoke", strings.NewReader(`{"sub":"alice"}`)))
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "this hub has no keys") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if head := log.Head(); head.Seq != 0 {
		t.Errorf("the log has events up to %v", head)
	}
}

// old returns a grant issued a minute ago. A token issued in the same second as the revocation would be refused, too.
func old(subject, id string) access.Grant {
	g := all(subject)
	g.ID, g.IssuedAt = id, time.Now().Add(-time.Minute)
	return g
}

// TestRevokingEndsStreamsAtOnce on every transport, live or catching up, and only the streams of the revoked tokens.
func TestRevokingEndsStreamsAtOnce(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, how)
			ann, bob := bearer(k.token(old("ann", "a1"))), bearer(k.token(old("bob", "b1")))
			annToo := bearer(k.token(old("ann", "a2")))
			first, second, other := k.follow("/events/news", ann), k.follow("/events/**", annToo), k.follow("/events/news", bob)
			for _, f := range []*follower{first, second, other} {
				f.want("tidings.checkpoint:{}")
			}
			k.revoke(`{"jti":"a1"}`)
			first.end()
			refused(t, "the token", k.send(request{path: "/events/news", header: ann}), http.StatusUnauthorized, "unauthorized", "revoked")
			k.send(request{path: "/events/news", body: "still here", header: annToo})
			second.want("still here")
			k.revoke(`{"sub":"ann"}`)
			second.end()
			refused(t, "the other one", k.send(request{path: "/events/news", body: "x", header: annToo}), http.StatusUnauthorized, "unauthorized", "revoked")
			other.want("still here")
			k.send(request{path: "/events/news", body: "goes on", header: bob})
			other.want("goes on")
			later := all("ann") // a token issued after the revocation
			later.IssuedAt = time.Now().Add(5 * time.Second)
			if a := k.send(request{path: "/events/news", body: "back", header: bearer(k.token(later))}); a.status != http.StatusOK {
				t.Errorf("a token of later: %+v", a)
			}
			await(t, "the reason is counted", func() bool { return k.hub.Closed("revoked") == 2 })
		})
	}
}

// TestRevocationsSurviveARestart: and subscribers of all topics cannot read them.
func TestRevocationsSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	for life := range 3 {
		log, err := disklog.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint("life ", life), func(t *testing.T) {
			k := serveKeyed(t, log, hub.Options{}, transports[0])
			ann := bearer(k.token(old("ann", "")))
			if life == 0 {
				if a := k.send(request{path: "/events/news", body: "x", header: ann}); a.status != http.StatusOK {
					t.Fatalf("%+v", a)
				}
				k.revoke(`{"sub":"ann"}`)
			}
			refused(t, "ann", k.send(request{path: "/events/news", body: "x", header: ann}), http.StatusUnauthorized, "unauthorized", "revoked")
			boss := bearer(k.token(all("boss")))
			for _, path := range []string{"/events?poll=1", "/events?topic=**&poll=1", "/events?topic=*/*&poll=1", "/api/v1/topics"} {
				if a := k.send(request{path: path, header: boss}); a.status != http.StatusOK || strings.Contains(a.body, "ann") || strings.Contains(a.body, "$") {
					t.Errorf("%s: %+v", path, a)
				}
			}
		})
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBurstOfEventsDoesNotTrimRevocations: many events arrive between two checks of the hub. Retention must not remove revocations, because
// after a restart the tokens would be accepted again.
func TestBurstOfEventsDoesNotTrimRevocations(t *testing.T) {
	t.Parallel()
	for name, retention := range map[string]eventlog.Retention{"events": {Events: 20}, "bytes": {Bytes: 2000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := mustMemory(t, &eventlog.MemoryOptions{Retention: &retention})
			h := mustHub(t, log, nil)
			if err := h.Revoke(access.Revocation{Subject: "ann", At: time.Now()}); err != nil {
				t.Fatal(err)
			}
			for range 200 {
				mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})
			}
			if err := h.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			again := mustHub(t, log, nil)
			defer func() { _ = again.Shutdown(t.Context()) }()
			if !again.Revoked(access.Grant{Subject: "ann"}) {
				t.Error("the revoked token is accepted again")
			}
		})
	}
}

// TestRevocationsAreSnapshotBeforeRetentionRemovesThem: retention keeps only the newest records of the topic.
func TestRevocationsAreSnapshotBeforeRetentionRemovesThem(t *testing.T) {
	t.Parallel()
	log := mustMemory(t, nil)
	h := mustHub(t, log, nil)
	if err := h.Revoke(access.Revocation{Subject: "ann", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for i := range 12_000 {
		if err := h.Revoke(access.Revocation{Subject: "bob", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if i%1000 > 0 {
			continue
		}
		if err := h.KeepRevocations(); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := log.Bounds().Events; n > 10_000 {
		t.Errorf("the log has %d records", n)
	}
	again := mustHub(t, log, nil)
	defer func() { _ = again.Shutdown(t.Context()) }()
	if !again.Revoked(access.Grant{Subject: "ann"}) {
		t.Error("the revoked token is accepted again")
	}
}

// slowSeek is a log that calls a function of the test during Seek.
type slowSeek struct {
	*eventlog.Memory
	meanwhile atomic.Pointer[func()]
}

func (l *slowSeek) Seek(ctx context.Context, s eventlog.Selector, from eventlog.Start) (eventlog.Query, error) {
	if f := l.meanwhile.Swap(nil); f != nil {
		(*f)()
	}
	return l.Memory.Seek(ctx, s, from)
}

// TestRevocationWhileAStreamOpensEndsIt: the revocation comes after the check of the token and before the stream starts.
func TestRevocationWhileAStreamOpensEndsIt(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			log := &slowSeek{Memory: mustMemory(t, nil)}
			k := serveKeyed(t, log, hub.Options{}, how)
			ann := bearer(k.token(old("ann", "")))
			log.meanwhile.Store(new(func() { k.revoke(`{"sub":"ann"}`) }))
			k.follow("/events/news?since=earliest", ann).end()
			await(t, "the reason is counted", func() bool { return k.hub.Closed("revoked") == 1 })
		})
	}
}

// TestManyConcurrentRevocations: each of them ends its streams.
func TestManyConcurrentRevocations(t *testing.T) {
	t.Parallel()
	const subjects, each = 50, 4
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	var followers []*follower
	for i := range subjects {
		header := bearer(k.token(old(fmt.Sprint("user ", i), "")))
		for range each {
			followers = append(followers, k.follow("/events/news", header))
		}
	}
	rest := k.follow("/events/news", bearer(k.token(all("rest"))))
	var wait sync.WaitGroup
	for i := range subjects {
		wait.Go(func() { k.revoke(fmt.Sprintf(`{"sub":"user %d"}`, i)) })
	}
	wait.Wait()
	for _, f := range followers {
		f.end()
	}
	k.send(request{path: "/events/news", body: "hello", header: bearer(k.token(all("boss")))})
	rest.want("hello")
}

// TestBadRevocationsAreRefused: they revoke nothing.
func TestBadRevocationsAreRefused(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	boss := bearer(k.token(all("boss")))
	for body, status := range map[string]int{
		``: 400, `{}`: 400, `[]`: 400, `"ann"`: 400, `{"sub":""}`: 400, `{"sub":"ann","jti":"1"}`: 400, `{"sub":1}`: 400, `{"user":"ann"}`: 400,
		`{"sub":"ann"} {"sub":"bob"}`: 400, `{"sub":"` + strings.Repeat("x", 256) + `"}`: 400, strings.Repeat(" ", 5000): 413,
	} {
		a := k.send(request{method: http.MethodPost, path: "/api/v1/revoke", body: body, header: boss})
		name := "invalid-request"
		if status == 413 {
			name = "too-large"
		}
		refused(t, clipped(body), a, status, name, "")
	}
	if n := len(k.hub.Revocations()); n != 0 || k.log.Head().Seq != 0 {
		t.Errorf("%d are in force, and the log is at %v", n, k.log.Head())
	}
}
