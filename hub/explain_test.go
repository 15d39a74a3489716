package hub_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// explained is an answer to a request to explain a token.
type explained struct {
	Accepted bool
	Refusal  *struct{ Reason, Detail, Public string }
	Claims   struct {
		Subject, ID        string
		Publish, Subscribe []string
		Admin              bool
		Expires            time.Time
	}
	ExpiresIn *int64 `json:"expires_in"`
	Algorithm string
	Key       *struct {
		Number int
		ID     string
	}
	Topic *struct {
		Topic              string
		Subscribe, Publish bool
	}
}

// explainer is a hub with two keys that explains tokens.
type explainer struct {
	*keyed
	second *access.Signer
}

func serveExplainer(t *testing.T, o hub.Options) *explainer {
	t.Helper()
	second, err := access.ParseSigner([]byte("another secret of the tests, this one with the 64 bytes that HS512 needs, or more"), "HS512")
	if err != nil {
		t.Fatal(err)
	}
	revocations := access.NewRevocations(0, -1)
	policy := &access.Policy{
		Verifier: &access.Verifier{Keys: []access.Key{mustSigner(t).Key(), second.Key()}}, Public: patterns("public/**"), Revocations: revocations,
	}
	o.Authorize, o.Explain, o.Revocations = hub.Tokens(policy), policy.Explain, revocations
	return &explainer{serveKeyed(t, mustMemory(t, nil), o, transports[0]), second}
}

// ask asks the hub to explain a token.
func (x *explainer) ask(as, token, topic string) answer {
	x.Helper()
	body, err := json.Marshal(map[string]string{"token": token, "topic": topic})
	if err != nil {
		x.Fatal(err)
	}
	return x.send(request{path: "/api/v1/explain", body: string(body), header: bearer(as)})
}

// explain asks as an administrator, for an answer.
func (x *explainer) explain(as, token, topic string) (e explained) {
	x.Helper()
	a := x.ask(as, token, topic)
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != http.StatusOK {
		x.Fatalf("%+v: %v", a, err)
	}
	return e
}

// TestAdministratorHasTokensExplained: claims, time left, key, topics, and the reason of a refusal.
func TestAdministratorHasTokensExplained(t *testing.T) {
	t.Parallel()
	x := serveExplainer(t, hub.Options{})
	boss := x.token(all("boss"))
	ann := access.Grant{
		Subject: "ann", ID: "a1", Subscribe: patterns("news/**"), Publish: patterns("chat"), IssuedAt: time.Now(), Expires: time.Now().Add(time.Hour),
	}
	good := x.token(ann)
	e := x.explain(boss, good, "")
	if !e.Accepted || e.Refusal != nil || e.Claims.Subject != "ann" || e.Claims.ID != "a1" || strings.Join(e.Claims.Subscribe, " ") != "news/**" ||
		strings.Join(e.Claims.Publish, " ") != "chat" || e.Claims.Admin || e.Algorithm != "HS256" || e.Key == nil || e.Key.Number != 1 || e.Topic != nil ||
		e.ExpiresIn == nil || *e.ExpiresIn < 3000 || *e.ExpiresIn > 3600 {
		t.Errorf("%+v", e)
	}
	for topic, may := range map[string][2]bool{ // subscribe, publish
		"news/sports": {true, false}, "news/**": {true, false}, "chat": {false, true}, "**": {false, false}, "other": {false, false}, "public/x": {true, false}, "chat/**": {false, false},
	} {
		if e := x.explain(boss, good, topic); e.Topic == nil || e.Topic.Topic != topic || e.Topic.Subscribe != may[0] || e.Topic.Publish != may[1] {
			t.Errorf("%s: %+v", topic, e.Topic)
		}
	}
	forever := ann
	forever.Expires = time.Time{}
	other, err := x.second.Mint(forever)
	if err != nil {
		t.Fatal(err)
	}
	if e := x.explain(boss, other, ""); !e.Accepted || e.Key == nil || e.Key.Number != 2 || e.Algorithm != "HS512" || e.ExpiresIn != nil {
		t.Errorf("the second key: %+v", e)
	}
	expired := ann
	expired.IssuedAt, expired.Expires = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	if e := x.explain(boss, x.token(expired), "news/a"); e.Accepted || e.Refusal.Reason != "expired" || e.Key == nil || *e.ExpiresIn > -3500 || !e.Topic.Subscribe {
		t.Errorf("expired: %+v", e)
	}
	for name, test := range map[string]struct{ token, reason string }{
		"no token":             {"nonsense", "malformed"},
		"a changed signature":  {good[:strings.LastIndexByte(good, '.')+1] + strings.Repeat("A", 43), "signature"},
		"the word Bearer":      {"Bearer " + good, "malformed"},
		"an unsigned token":    {"eyJhbGciOiJub25lIn0.e30.", "algorithm"},
		"another algorithm":    {"eyJhbGciOiJIUzM4NCJ9.e30.AAAA", "algorithm"},
		"a token much too big": {strings.Repeat("a", access.MaxToken+1), "malformed"},
	} {
		e := x.explain(boss, test.token, "")
		if e.Accepted || e.Refusal == nil || e.Refusal.Reason != test.reason || e.Refusal.Detail == "" || e.Refusal.Public == "" || e.Key != nil {
			t.Errorf("%s: %+v", name, e)
		}
	}
	x.revoke(`{"jti":"a1"}`)
	if e := x.explain(boss, good, ""); e.Accepted || e.Refusal.Reason != "revoked" || !strings.Contains(e.Refusal.Detail, "a1") || e.Key == nil {
		t.Errorf("revoked: %+v", e)
	}
}

// TestHolderHasTheOwnTokenExplained, and no other: the answer for another token does not depend on what it is.
func TestHolderHasTheOwnTokenExplained(t *testing.T) {
	t.Parallel()
	for _, elsewhere := range []bool{false, true} {
		x := serveExplainer(t, hub.Options{AdminElsewhere: elsewhere})
		ann := x.token(access.Grant{Subject: "ann", Subscribe: patterns("news/**")})
		bob := x.token(access.Grant{Subject: "bob", Subscribe: patterns("**")})
		if e := x.explain(ann, ann, "news/1"); !e.Accepted || e.Claims.Subject != "ann" || e.Key != nil || !e.Topic.Subscribe || e.Topic.Publish {
			t.Errorf("%+v", e)
		}
		const forged = "eyJhbGciOiJub25lIn0.e30."
		first := x.ask(ann, bob, "")
		for name, a := range map[string]answer{"bob's": first, "a forged one": x.ask(ann, forged, ""), "nonsense": x.ask(ann, "nonsense", "")} {
			refused(t, name, a, http.StatusForbidden, "forbidden", "administrators")
			if a.body != first.body {
				t.Errorf("%s: %s, and for bob's %s", name, a.body, first.body)
			}
		}
		refused(t, "no token", x.send(request{path: "/api/v1/explain", body: `{"token":"` + bob + `"}`}), http.StatusUnauthorized, "unauthorized", "")
		refused(t, "an unknown token", x.ask(forged, bob, ""), http.StatusUnauthorized, "unauthorized", "")
		boss := x.token(all("boss"))
		if a := x.ask(boss, bob, ""); (a.status == http.StatusForbidden) != elsewhere {
			t.Errorf("an administrator, with administration elsewhere %t: %+v", elsewhere, a)
		}
		w := httptest.NewRecorder()
		x.hub.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://admin.example/api/v1/explain", strings.NewReader(`{"token":"`+bob+`"}`)))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"accepted":true`) {
			t.Errorf("the listener for administrators: %d %s", w.Code, w.Body)
		}
	}
}

// TestBadRequestsToExplainAreRefused, and a hub without keys has nothing to explain.
func TestBadRequestsToExplainAreRefused(t *testing.T) {
	t.Parallel()
	x := serveExplainer(t, hub.Options{})
	boss := bearer(x.token(all("boss")))
	for body, want := range map[string]struct {
		status int
		name   string
	}{
		``:                               {400, "invalid-request"},
		`{}`:                             {400, "invalid-request"},
		`{"token":""}`:                   {400, "invalid-request"},
		`{"token":7}`:                    {400, "invalid-request"},
		`{"token":"x","jti":"y"}`:        {400, "invalid-request"},
		`{"token":"x"} {}`:               {400, "invalid-request"},
		`["x"]`:                          {400, "invalid-request"},
		`{"token":"x","topic":"a*b"}`:    {400, "invalid-topic"},
		strings.Repeat(" ", 100<<10):     {413, "too-large"},
		`{"token":"x","topic":"\u0000"}`: {400, "invalid-topic"},
	} {
		refused(t, clipped(body), x.send(request{method: http.MethodPost, path: "/api/v1/explain", body: body, header: boss}), want.status, want.name, "")
	}
	foreign := bearer(x.token(all("boss")))
	foreign["Origin"] = "https://evil.example"
	refused(t, "a foreign page", x.send(request{path: "/api/v1/explain", body: `{"token":"x"}`, header: foreign}), http.StatusForbidden, "foreign-origin", "")
	open := serve(t, mustMemory(t, nil), nil, transports[0])
	refused(t, "no keys", open.send(request{path: "/api/v1/explain", body: `{"token":"x"}`}), http.StatusNotFound, "not-found", "tokens")
}
