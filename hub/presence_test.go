package hub_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
)

// presence returns the data of the next presence event, after which holds says that it is the expected one.
func (f *follower) presence(holds func(wire.Presence) bool) wire.Presence {
	f.t.Helper()
	var seen []string
	for range 20 {
		e := f.next()
		if e.Type != wire.TypePresence {
			continue
		}
		p, err := wire.ParsePresence(e.Data)
		if err != nil {
			f.t.Fatalf("%+v: %v", e, err)
		}
		if seen = append(seen, e.Data); holds(p) {
			return p
		}
	}
	f.t.Fatalf("presence events came, and not the expected one: %s", strings.Join(seen, "\n"))
	return wire.Presence{}
}

// subjects returns the names of members.
func subjects(members []wire.Member) string {
	var names []string
	for _, m := range members {
		names = append(names, m.Subject+string(m.Data))
	}
	return strings.Join(names, " ")
}

// TestWatcherSeesWhoComes over every transport, in every format: a stream begins with the whole state, and gets changes in a tick.
func TestWatcherSeesWhoComes(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		s.follow("/events/room?present=1&subject=bob&present_data="+`{"age":7}`, nil).next()
		await(s.T, "bob joins", func() bool { return s.roster("room") == `bob{"age":7}` })
		w := s.follow("/events?watch=room", nil)
		if p := w.presence(func(wire.Presence) bool { return true }); subjects(p.Members) != `bob{"age":7}` || p.Streams != 1 || p.Subjects != 1 || p.Topic != "room" || !p.Settling {
			s.Errorf("the first state is %+v", p)
		}
		own := s.follow("/events/room?present=1&subject=eve&watch=room&format=envelope", nil)
		own.presence(func(p wire.Presence) bool { return p.Subjects == 2 })
		if p := w.presence(func(p wire.Presence) bool { return p.Subjects == 2 }); subjects(p.In) != "eve" || p.Out == nil || len(p.Out) != 0 || p.Members != nil {
			s.Errorf("the change is %+v", p)
		}
		s.post("room", "hello") // presence never delays or replaces events
		for e := own.next(); e.Type != "message"; e = own.next() {
		}
		lines := s.lines("/events?watch=room")
		if line := lines(func(line string) bool { return strings.Contains(line, "tidings.presence") }); !strings.Contains(line, `\"subject\":\"eve\"`) || strings.Contains(line, `"id"`) {
			s.Errorf("the line is %s", line)
		}
		wantEvents(s.T, s.log, "room hello") // never in the log
	})
}

// lines opens a stream of NDJSON, and returns a function that returns the next line for which holds is true.
func (s *site) lines(path string) func(holds func(string) bool) string {
	s.Helper()
	resp, err := s.do(s.Context(), request{path: path, header: map[string]string{"Accept": "application/x-ndjson"}})
	if err != nil {
		s.Fatal(err)
	}
	atEnd(s.T, resp, func(r *http.Response) { _ = r.Body.Close() })
	d := json.NewDecoder(resp.Body)
	return func(holds func(string) bool) string {
		s.Helper()
		for {
			var line json.RawMessage
			if err := d.Decode(&line); err != nil {
				s.Fatal(err)
			}
			if holds(string(line)) {
				return string(line)
			}
		}
	}
}

// roster returns the members of a topic.
func (s *site) roster(topic string) string {
	s.Helper()
	a := s.send(request{path: "/api/v1/presence?topic=" + topic})
	var page struct{ Members []wire.Member }
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != http.StatusOK {
		s.Fatalf("%+v: %v", a, err)
	}
	return subjects(page.Members)
}

// TestHEADAndPollsMakeNobodyPresent: only open streams do.
func TestHEADAndPollsMakeNobodyPresent(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	if a := s.send(request{method: http.MethodHead, path: "/events/room?present=1&subject=bob"}); a.status != http.StatusOK {
		t.Errorf("%+v", a)
	}
	if a := s.send(request{path: "/events/room?present=1&subject=bob&poll=1"}); a.status != http.StatusBadRequest {
		t.Errorf("%+v", a)
	}
	if got := s.roster("room"); got != "" {
		t.Errorf("the members are %q", got)
	}
}

// TestBadRequestsAboutPresenceAreRefused with a reason.
func TestBadRequestsAboutPresenceAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{MaxTopics: 3}, transports[0])
	long := strings.Repeat("x", 256)
	for query, detail := range map[string]string{
		"topic=a/*&present=1":                               "a pattern makes nobody present",
		"topic=a&topic=**&present=1":                        "a pattern makes nobody present",
		"present=1":                                         "needs the topics",
		"topic=a&watch=a/**":                                "is a pattern; presence is for single topics",
		"topic=a&watch=*":                                   "is a pattern",
		"topic=a&watch=":                                    "invalid topic: it is empty",
		"watch=a%0Ab":                                       "invalid topic",
		"watch=" + long + long + long + long + "x":          "topic is too large",
		"exact=a*b&present=1":                               "has a *; presence is for single topics without a * in any segment",
		"topic=a&subject=bob":                               "need present=1",
		"topic=a&present_data=1":                            "need present=1",
		"topic=a&present=maybe":                             "it must be 1 or 0",
		"topic=a&present=1&present_data={":                  "present_data is not JSON",
		"topic=a&present=1&present_data=null":               "present_data is null",
		"topic=a&present=1&present_data=%22" + long + "%22": "present_data has 258 bytes; the limit is 256",
		"topic=a&present=1&subject=" + long:                 "the subject has 256 bytes; the limit is 255",
		"topic=a&present=1&subject=a%0Ab":                   "control characters",
		"topic=a&present=1&subject=%ff":                     "is not UTF-8",
		"topic=a&watch=b&watch=c&watch=d":                   "the limit is 3",
		"topic=a&watch=b&poll=1":                            "not for polls",
		"topic=a&present=1&subject=a&subject=b":             "send it once",
	} {
		a := s.send(request{path: "/events?" + query})
		if a.status != http.StatusBadRequest || !strings.Contains(detailOf(t, a), detail) {
			t.Errorf("%.60s: %d %s, want %q", query, a.status, a.body, detail)
		}
	}
	for query, detail := range map[string]string{
		"topic=a/**": "is a pattern", "topic=a&pattern=b": "exclude each other", "topic=": "invalid topic: it is empty", "topic=a**": "has a *", "pattern=": "invalid pattern: it is empty", "pattern=a**": "", "limit=0": "from 1 to 1000", "watch=a": "unknown",
	} {
		a := s.send(request{path: "/api/v1/presence?" + query})
		if a.status != http.StatusBadRequest || !strings.Contains(detailOf(t, a), detail) {
			t.Errorf("%s: %d %s, want %q", query, a.status, a.body, detail)
		}
	}
	if got := s.send(request{path: "/api/v1/presence"}).body; strings.Contains(got, `"topic"`) {
		t.Errorf("a refused request has made a member present: %s", got)
	}
}

// TestTokenSaysWhoIsPresent: neither the subject nor its data can be made up.
func TestTokenSaysWhoIsPresent(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	grant := all("bob")
	grant.PresentData = `{"name":"<Bob>"}`
	bob := bearer(k.token(grant))
	for query, status := range map[string]int{"subject=eve": 403, "present_data=1": 403, "subject=": 200, "subject=bob": 200, "present_data=" + `{"name":"%3CBob>"}`: 200, "present_data=" + `{%20"name":%20"%3CBob>"%20}`: 200} {
		path := "/events/room?present=1&" + query
		if status == 200 {
			k.follow(path, bob).next()
			continue
		}
		if a := k.send(request{path: path, header: bob}); a.status != status {
			t.Errorf("%s: %+v", query, a)
		}
	}
	nameless := grant
	nameless.Subject, nameless.ID = "", "1"
	if a := k.send(request{path: "/events/room?present=1&subject=eve", header: bearer(k.token(nameless))}); a.status != http.StatusForbidden {
		t.Errorf("a token without a subject: %+v", a)
	}
	k.follow("/events/room?present=1", bearer(k.token(nameless))).next()
	if a := k.send(request{path: "/api/v1/presence?topic=room", header: bob}); a.body != `{"topic":"room","streams":5,"subjects":1,"members":[{"subject":"bob","data":{"name":"<Bob>"}}]`+`,"settling":true}`+"\n" {
		t.Errorf("%+v", a)
	}
}

// TestPresenceNeedsAGrant to watch, to read the roster, and to be present.
func TestPresenceNeedsAGrant(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	g := access.Grant{Subject: "bob", Subscribe: patterns("room/**"), Presence: patterns("room/*", "lobby")}
	bob, reader := bearer(k.token(g)), bearer(k.token(access.Grant{Subject: "joe", Subscribe: patterns("**")}))
	admin := bearer(k.token(access.Grant{Subject: "root", Admin: true}))
	k.follow("/events/room/1?present=1&watch=room/1", bob).next()
	k.follow("/events?present=1&watch=room/2", bob).next()
	k.follow("/events/secret?present=1", reader).next()
	for _, c := range []struct {
		path   string
		header map[string]string
		status int
	}{
		{"/events/room/1?watch=room/1/a", bob, 403},
		{"/events/room/1?watch=other", bob, 403},
		{"/events?watch=lobby&present=1", bob, 403}, // it may watch there, and not subscribe
		{"/events/other?present=1", bob, 403},
		{"/events/room/1?watch=room/1", reader, 403},
		{"/events?watch=room/1", nil, 401},
		{"/api/v1/presence?topic=room/1", bob, 200},
		{"/api/v1/presence?topic=room/1/a", bob, 403},
		{"/api/v1/presence?topic=room/1", reader, 403},
		{"/api/v1/presence", reader, 403},
		{"/api/v1/presence?topic=room/1", nil, 401},
		{"/api/v1/presence?topic=secret", admin, 200},
	} {
		if a := k.send(request{path: c.path, header: c.header}); a.status != c.status {
			t.Errorf("%s: %d %s, want %d", c.path, a.status, a.body, c.status)
		}
	}
	for who, want := range map[string]string{"bob": "room/1 room/2", "root": "room/1 room/2 secret"} {
		header := map[string]map[string]string{"bob": bob, "root": admin}[who]
		var names []string
		for after, more := "", true; more; {
			a := k.send(request{path: "/api/v1/presence?limit=1&after=" + after, header: header})
			var page struct {
				Topics []wire.PresenceCount
				Next   string
			}
			if err := json.Unmarshal([]byte(a.body), &page); err != nil || len(page.Topics) != 1 {
				t.Fatalf("%+v: %v", a, err)
			}
			names = append(names, page.Topics[0].Topic)
			after, more = page.Next, page.Next != ""
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s sees the topics %s, want %s", who, got, want)
		}
	}
}

// TestAdministratorsListenerShowsPresence without a token.
func TestAdministratorsListenerShowsPresence(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{AdminElsewhere: true}, transports[0])
	k.follow("/events/room?present=1", bearer(k.token(all("bob")))).next()
	w := httptest.NewRecorder()
	k.hub.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/presence?topic=room", nil))
	if !strings.Contains(w.Body.String(), `"subject":"bob"`) {
		t.Error(w)
	}
	admin := access.Grant{Subject: "root", Admin: true}
	if a := k.send(request{path: "/api/v1/presence?topic=room", header: bearer(k.token(admin))}); a.status != http.StatusForbidden {
		t.Errorf("administration is elsewhere: %+v", a)
	}
}

// TestMembersOverTheLimitAreRefusedForNow: a client tries again later, and the limit is counted.
func TestMembersOverTheLimitAreRefusedForNow(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{MaxMembers: 2}, transports[0])
	s.follow("/events?topic=a&topic=b&present=1&subject=bob", nil).next()
	a := s.send(request{path: "/events?topic=c&present=1&subject=eve"})
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "2 members") {
		t.Errorf("%+v", a)
	}
	a = s.send(request{path: "/events?topic=c&present=1&subject=eve", header: map[string]string{"Sec-Fetch-Mode": "cors"}})
	if a.status != http.StatusOK || !strings.Contains(a.body, "event: tidings.retry\n") || !strings.Contains(a.body, "2 members") {
		t.Errorf("a browser gets %+v", a)
	}
	s.follow("/events?topic=a&present=1&subject=bob", nil).next()
	s.follow("/events?topic=c", nil).next()
	stats, err := s.hub.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Refused.Limits["members"] != 2 || stats.Presence.Members != 2 || stats.Presence.Topics != 2 || s.hub.Streams() != 3 {
		t.Errorf("%+v, %+v, %d streams", stats.Refused.Limits, stats.Presence, s.hub.Streams())
	}
}

// TestOneTokenDoesNotFillTheHub: a subject is present at a part of the members only. Others join meanwhile. A hub without keys counts addresses
// instead, because clients choose their subjects there.
func TestOneTokenDoesNotFillTheHub(t *testing.T) {
	t.Parallel()
	query := func(from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, "&topic=t%d", i)
		}
		return "/events?present=1" + b.String()
	}
	refused := func(s *site, path string, header map[string]string, detail, limit string) {
		t.Helper()
		a := s.send(request{path: path, header: header})
		if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "too-many-members") || !strings.Contains(detailOf(t, a), detail) {
			t.Errorf("%+v", a)
		}
		stats, err := s.hub.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if stats.Refused.Limits[limit] != 1 {
			t.Errorf("%+v", stats.Refused.Limits)
		}
	}
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{MaxMembers: 1000}, transports[0])
	bob, eve := bearer(k.token(all("bob"))), bearer(k.token(all("eve")))
	k.follow(query(0, 60), bob).next()
	k.follow(query(0, 100), bob).next()
	refused(k.site, query(100, 101), bob, "more than 100 topics", "members_per_token")
	k.follow(query(0, 100), eve).next()

	s := serve(t, mustMemory(t, nil), &hub.Options{MaxMembers: 1000}, transports[0])
	s.follow(query(0, 60)+"&subject=bob", nil).next()
	s.follow(query(0, 40)+"&subject=eve", nil).next()
	refused(s, query(0, 1)+"&subject=joe", nil, "your address would have more than 100 members", "members_per_address")
	s.follow(query(0, 60)+"&subject=bob", nil).next() // the same members
}

func (s *site) delivered() uint64 {
	s.Helper()
	stats, err := s.hub.Stats(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return stats.Presence.Delivered
}

// TestStreamThatOnlyWatchesGetsNoEvents, and no end: its topics are none.
func TestStreamThatOnlyWatchesGetsNoEvents(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	w := s.follow("/events?watch=room", nil)
	w.next()
	s.post("room", "hello")
	s.hubPublish(hub.Event{Topics: []string{"room"}, End: true})
	s.follow("/events/other?present=1&subject=bob", nil).next()
	s.follow("/events?watch=room&present=1&subject=bob", nil).next()
	w.presence(func(p wire.Presence) bool { return p.Subjects == 1 })
	if a := s.send(request{path: "/api/v1/subscribers"}); !strings.Contains(a.body, `"topics":["$presence"]`) {
		t.Errorf("%+v", a)
	}
}
