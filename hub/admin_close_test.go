package hub_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// subscribers returns the list of streams that match a filter.
func (k *keyed) subscribers(query string) (list []hub.Subscriber) {
	k.Helper()
	a := k.send(request{path: "/api/v1/subscribers?" + query, header: bearer(k.token(all("boss")))})
	var says struct{ Subscribers []hub.Subscriber }
	if err := json.Unmarshal([]byte(a.body), &says); err != nil || a.status != http.StatusOK {
		k.Fatalf("%s: %+v", query, a)
	}
	return says.Subscribers
}

// awaitSubscribers waits until n streams are listed. A stream is listed only after its first bytes are sent.
func (k *keyed) awaitSubscribers(n int) {
	k.Helper()
	await(k.T, "the streams are listed", func() bool { return len(k.subscribers("")) == n })
}

// closeStreams sends a DELETE below /api/v1/subscribers, and returns the number of closed streams.
func (k *keyed) closeStreams(below string) int {
	k.Helper()
	a := k.send(request{method: http.MethodDelete, path: "/api/v1/subscribers" + below, header: bearer(k.token(all("boss")))})
	var says struct{ Closed int }
	if err := json.Unmarshal([]byte(a.body), &says); err != nil || a.status != http.StatusOK {
		k.Fatalf("%s: %+v", below, a)
	}
	return says.Closed
}

// TestAnAdministratorClosesAStream: on every transport the stream ends with a reconnection time, and its client resumes without loss.
func TestAnAdministratorClosesAStream(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, how)
			ann, bob := bearer(k.token(all("ann"))), bearer(k.token(all("bob")))
			closed, open := k.follow("/events/news", ann), k.follow("/events/news", bob)
			for _, f := range []*follower{closed, open} {
				f.want("tidings.checkpoint:{}")
			}
			k.send(request{path: "/events/news", body: "one", header: bob})
			last := closed.want("one")
			open.want("one")
			k.awaitSubscribers(2)
			list := k.subscribers("subject=ann")
			if len(list) != 1 {
				t.Fatalf("%+v", list)
			}
			if n := k.closeStreams("/" + list[0].ID); n != 1 {
				t.Errorf("closed: %d", n)
			}
			if e := closed.next(); e.Type != "tidings.checkpoint" || e.ID != last.ID {
				t.Errorf("the last event is %+v", e)
			}
			closed.end()
			k.awaitMetrics(`tidings_streams_closed_total{reason="closed"} 1`)
			boss := bearer(k.token(all("boss")))
			a := k.send(request{method: http.MethodDelete, path: "/api/v1/subscribers/" + list[0].ID, header: boss})
			refused(t, "a stream that has ended", a, http.StatusNotFound, "not-found", list[0].ID)

			k.send(request{path: "/events/news", body: "two", header: bob})
			open.want("two")
			ann["Last-Event-ID"] = last.ID
			k.follow("/events/news", ann).want("two")
		})
	}
}

// TestAdministratorSelectsStreamsByFilter: listing and closing use the same filters.
func TestAdministratorSelectsStreamsByFilter(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	for subject, path := range map[string]string{
		"ann": "/events?topic=news/sports&topic=weather", "bob": "/events/news/**", "eve": "/events?topic=sensors/*/heat", "all": "/events",
	} {
		g := all(subject)
		g.ID = subject + "-1"
		k.follow(path, bearer(k.token(g))).want("tidings.checkpoint:{}")
	}
	k.awaitSubscribers(4)
	for query, want := range map[string]string{
		"":                           "all ann bob eve",
		"lag=0":                      "all ann bob eve",
		"subject=ann":                "ann",
		"subject=an":                 "",
		"token=bob-1":                "bob",
		"subject=ann&token=bob-1":    "",
		"topic=news/sports":          "all ann bob",
		"topic=news/sports/tennis":   "all bob",
		"topic=news/*":               "all ann bob",
		"topic=sensors/**":           "all eve",
		"topic=*/1/*":                "all bob eve",
		"topic=**":                   "all ann bob eve",
		"topic=weather&subject=all":  "all",
		"address=127.0.0.1":          "all ann bob eve",
		"address=::ffff:127.0.0.1":   "all ann bob eve",
		"address=127.0.0.0/8":        "all ann bob eve",
		"address=192.0.2.1":          "",
		"address=::1":                "",
		"lag=1":                      "",
		"topic=$tidings/revocations": "",
	} {
		var got []string
		for _, s := range k.subscribers(query) {
			got = append(got, s.Subject)
		}
		if got := strings.Join(sorted(got), " "); got != want {
			t.Errorf("%s selects %q, want %q", query, got, want)
		}
	}
	if n := k.closeStreams("?topic=news/sports&subject=bob"); n != 1 {
		t.Errorf("closed: %d", n)
	}
	if n := k.closeStreams("?subject=unknown"); n != 0 {
		t.Errorf("closed: %d", n)
	}
	if n := k.closeStreams("?all=1"); n != 3 {
		t.Errorf("closed: %d", n)
	}
	k.awaitSubscribers(0)
}

// TestOnlyAdministratorsCloseStreams: the request must select streams, and must not come from a page of another origin.
func TestOnlyAdministratorsCloseStreams(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	user := all("ann")
	user.Admin = false
	boss, ann := bearer(k.token(all("boss"))), bearer(k.token(user))
	stream := k.follow("/events/news", ann)
	stream.want("tidings.checkpoint:{}")
	await(t, "the stream is listed", func() bool { return len(k.subscribers("")) == 1 })
	k.awaitSubscribers(1)
	id := k.subscribers("")[0].ID
	foreign := func(field, value string) map[string]string {
		header := bearer(k.token(all("boss")))
		header[field] = value
		return header
	}
	for _, below := range []string{"?all=1", "/" + id} {
		for _, test := range []struct {
			header  map[string]string
			status  int
			problem string
		}{
			{nil, http.StatusUnauthorized, "unauthorized"},
			{ann, http.StatusForbidden, "forbidden"},
			{foreign("Origin", "http://evil.example"), http.StatusForbidden, "foreign-origin"},
			{foreign("Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "foreign-origin"},
		} {
			a := k.send(request{method: http.MethodDelete, path: "/api/v1/subscribers" + below, header: test.header})
			refused(t, below, a, test.status, test.problem, "")
		}
	}
	for _, query := range []string{
		"", "?all=0", "?lag=0", "?all=1&subject=ann", "?all=2", "?topic=a*b", "?address=here", "?lag=-1", "?subject=a&subject=b", "?limit=1",
		"?subject=", "?token=", "?address=", "?topic=", "?lag=", "?subject", "?subject=&lag=0", "?topic=news&token=", // an empty value must not select all streams of a hub without tokens
		"/" + id + "?all=1",
	} {
		a := k.send(request{method: http.MethodDelete, path: "/api/v1/subscribers" + query, header: boss})
		if a.status != http.StatusBadRequest {
			t.Errorf("%s: %+v", query, a)
		}
	}
	for _, id := range []string{"", "x", "0", "-1", "9223372036854775808", "%2e", id + "/"} {
		a := k.send(request{method: http.MethodDelete, path: "/api/v1/subscribers/" + id, header: boss})
		refused(t, id, a, http.StatusNotFound, "not-found", "")
	}
	if n := k.closeStreams("/" + id); n != 1 {
		t.Errorf("the stream was closed before: %d", n)
	}
}

// TestAnEmptyFilterSelectsNoStreams: on a hub without tokens all subjects are empty, so an empty filter would match every stream.
func TestAnEmptyFilterSelectsNoStreams(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	f := s.follow("/events/news", nil)
	f.want("tidings.checkpoint:{}")
	for _, name := range []string{"subject", "token", "address", "topic", "lag"} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			refused(t, method, s.send(request{method: method, path: "/api/v1/subscribers?" + name + "="}), http.StatusBadRequest, "invalid-request", name)
		}
	}
	s.post("news", "still here")
	f.want("still here")
}
