package hub_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// TestRefusalsHaveStatusProblemAndChallenge has the table of all refusals: status, problem, WWW-Authenticate (RFC 6750), and the line in the
// operator's log.
func TestRefusalsHaveStatusProblemAndChallenge(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	other, err := access.ParseSigner([]byte("the secret of another issuer, long enough"), "HS256")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Mint(all("mallory"))
	if err != nil {
		t.Fatal(err)
	}
	const (
		realm = `Bearer realm="tidings"`
		bad   = realm + `, error="invalid_token"`
		small = realm + `, error="insufficient_scope"`
	)
	reader := k.token(access.Grant{Subject: "reader", Subscribe: patterns("news/**")})
	forged := reader[:strings.LastIndexByte(reader, '.')+1] + strings.Repeat("A", 43)
	none := "eyJhbGciOiJub25lIn0." + strings.Split(reader, ".")[1] + "."
	for name, test := range map[string]struct {
		request
		token     string
		status    int
		problem   string
		challenge string // WWW-Authenticate begins with this
		says      string // the public detail contains this
		logged    string // the log contains this
	}{
		"no token, publishing":     {request{path: "/events/a", body: "x"}, "", 401, "unauthorized", realm, "token", ""},
		"no token, subscribing":    {request{path: "/events/a"}, "", 401, "unauthorized", realm, "token", ""},
		"no token, administering":  {request{path: "/metrics"}, "", 401, "unauthorized", realm, "token", ""},
		"no token, reserved topic": {request{path: "/events/$tidings/revocations"}, "", 401, "unauthorized", realm, "token", ""},
		"no grant, publishing":     {request{path: "/events/news/a", body: "x"}, reader, 403, "forbidden", small, "publish to topic news/a", ""},
		"no grant, subscribing":    {request{path: "/events/other"}, reader, 403, "forbidden", small, "subscribe to topic other", ""},
		"no grant, wider pattern":  {request{path: "/events?topic=**"}, reader, 403, "forbidden", small, "subscribe to pattern **", ""},
		"no grant, replaying":      {request{path: "/events/other?since=earliest&poll=1"}, reader, 403, "forbidden", small, "subscribe to topic other", ""},
		"no grant, metrics":        {request{path: "/metrics"}, reader, 403, "forbidden", small, "administer", ""},
		"no grant, stats":          {request{path: "/api/v1/stats"}, reader, 403, "forbidden", small, "administer", ""},
		"no grant, subscribers":    {request{path: "/api/v1/subscribers"}, reader, 403, "forbidden", small, "administer", ""},
		"no grant, profiles":       {request{path: "/debug/pprof/heap"}, reader, 403, "forbidden", small, "administer", ""},
		"no grant, revoking":       {request{path: "/api/v1/revoke", body: `{"sub":"boss"}`}, reader, 403, "forbidden", small, "administer", ""},
		"all, the hub's own topic": {request{path: "/events?exact=$tidings/revocations"}, k.token(all("boss")), 403, "forbidden", small, "$tidings/revocations", ""},
		"a reserved pattern":       {request{path: "/events?topic=$tidings/*"}, k.token(all("boss")), 403, "forbidden", small, "$tidings/*", ""},
		"garbage":                  {request{path: "/events/a"}, "garbage", 401, "unauthorized", bad, "malformed", "reason=malformed"},
		"another key":              {request{path: "/events/a"}, foreign, 401, "unauthorized", bad, "not signed with a key", "reason=signature"},
		"forged":                   {request{path: "/events/a"}, forged, 401, "unauthorized", bad, "not signed with a key", "reason=signature"},
		"not signed":               {request{path: "/events/a"}, none, 401, "unauthorized", bad, "not signed with a key", "reason=algorithm"},
		"expired":                  {request{path: "/events/a"}, k.token(access.Grant{Subject: "late", Expires: time.Now().Add(-time.Hour)}), 401, "unauthorized", bad, "expired at", "late"},
		"of the future":            {request{path: "/events/a"}, k.token(access.Grant{IssuedAt: time.Now().Add(time.Hour)}), 401, "unauthorized", bad, "future", "reason=not_yet_valid"},
		"too long":                 {request{path: "/events/a"}, strings.Repeat("x", access.MaxToken+1), 401, "unauthorized", bad, "too long", "reason=malformed"},
		"garbage, administering":   {request{path: "/metrics"}, "garbage", 401, "unauthorized", bad, "malformed", "reason=malformed"},
	} {
		r := test.request
		r.header = map[string]string{}
		if test.token != "" {
			r.header["Authorization"] = "Bearer " + test.token
		}
		a := k.send(r)
		refused(t, name, a, test.status, test.problem, test.says)
		if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, test.challenge) || test.challenge == realm && got != realm {
			t.Errorf("%s: WWW-Authenticate: %s, want %s", name, got, test.challenge)
		}
		if !strings.Contains(k.logs.String(), test.logged) {
			t.Errorf("%s: the log does not say %q:\n%s", name, test.logged, k.logs)
		}
	}
	for _, secret := range []string{secretKey, reader, foreign, forged, strings.Split(reader, ".")[2], "an unknown key"} {
		if strings.Contains(k.logs.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, k.logs)
		}
	}
}

// TestUnavailableKeysRefuseTemporarily: the same token may be valid later, so browsers must reconnect.
func TestUnavailableKeysRefuseTemporarily(t *testing.T) {
	t.Parallel()
	o := hub.Options{Authorize: func(*http.Request) (access.Grant, error) {
		return access.Grant{}, &access.Refusal{Reason: access.Unavailable, Public: "tokens cannot be checked at the moment", Detail: "no route to keys.example"}
	}}
	k := serveKeyed(t, mustMemory(t, nil), o, transports[0])
	a := k.send(request{path: "/events/a"})
	refused(t, "without a browser", a, http.StatusServiceUnavailable, "tokens-unavailable", "at the moment")
	if a.header.Get("Retry-After") == "" || !strings.Contains(k.logs.String(), "keys.example") || strings.Contains(a.body, "keys.example") {
		t.Errorf("%+v, and the log has %s", a, k.logs)
	}
	if !strings.Contains(a.body, `"title":"Tokens cannot be checked at the moment"`) { // and not the title for an unavailable log
		t.Errorf("%s", a.body)
	}
	a = k.send(request{path: "/events/a", header: map[string]string{"Sec-Fetch-Mode": "cors"}})
	if a.status != http.StatusOK || !strings.Contains(a.body, "tidings.retry") {
		t.Errorf("%+v", a)
	}
}

// TestOnlyRequestsWithoutCredentialsGet401: others get 403. Only a cookie that has a token counts as credentials, and so does a token without
// subject and ID.
func TestOnlyRequestsWithoutCredentialsGet401(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	nameless := k.token(access.Grant{Subscribe: patterns("news")})
	for name, test := range map[string]struct {
		header    map[string]string
		status    int
		problem   string
		challenge string
	}{
		"no credentials":      {nil, http.StatusUnauthorized, "unauthorized", `Bearer realm="tidings"`},
		"some other cookie":   {map[string]string{"Cookie": "theme=dark"}, http.StatusUnauthorized, "unauthorized", `Bearer realm="tidings"`},
		"a token":             {bearer(nameless), http.StatusForbidden, "forbidden", `Bearer realm="tidings", error="insufficient_scope"`},
		"a token in a cookie": {map[string]string{"Cookie": "theme=dark; token=" + nameless}, http.StatusForbidden, "forbidden", `Bearer realm="tidings", error="insufficient_scope"`},
	} {
		for what, r := range map[string]request{
			"publishing": {path: "/events/a", body: "x"}, "following": {path: "/events/a"}, "asking": {method: "QUERY", path: "/events/a", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}},
			"administering": {path: "/metrics"},
		} {
			header := maps.Clone(test.header)
			if header == nil {
				header = map[string]string{}
			}
			maps.Copy(header, r.header)
			r.header = header
			a := k.send(r)
			refused(t, name+", "+what, a, test.status, test.problem, "")
			if got := a.header.Get("WWW-Authenticate"); got != test.challenge {
				t.Errorf("%s, %s: WWW-Authenticate: %s", name, what, got)
			}
		}
	}
}
