package hub_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// TestTokenSourcesAreTriedInOrder: the Authorization field first, then the sources in their order, as in tidings serve.
func TestTokenSourcesAreTriedInOrder(t *testing.T) {
	t.Parallel()
	policy := &access.Policy{Verifier: &access.Verifier{Keys: []access.Key{mustSigner(t).Key()}}, Public: patterns("public/**")}
	ownField := func(r *http.Request) string { return r.Header.Get("X-Token") }
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{
		Authorize: hub.Tokens(policy, hub.TokenCookie("session"), hub.TokenQuery("access_token"), ownField),
	}, transports[0])
	only := serveKeyed(t, mustMemory(t, nil), hub.Options{Authorize: hub.Tokens(policy)}, transports[0])
	good, bad := k.token(all("ann")), forge(t, []byte("a secret that the hub does not have"), `{"alg":"HS256"}`, `{"tidings":{}}`)
	for name, test := range map[string]struct {
		to     *keyed
		query  string
		header map[string]string
		want   int
		says   string
	}{
		"header":                          {to: k, header: bearer(good), want: 200},
		"header, another case":            {to: k, header: map[string]string{"Authorization": "bearer   " + good}, want: 200},
		"cookie":                          {to: k, header: map[string]string{"Cookie": "a=b; session=" + good}, want: 200},
		"query":                           {to: k, query: "access_token=" + good, want: 200},
		"query, escaped":                  {to: k, query: "access%5Ftoken=" + url.QueryEscape(good), want: 200},
		"a source of the program's own":   {to: k, header: map[string]string{"X-Token": good}, want: 200},
		"another parameter":               {to: k, query: "token=" + good, want: 400, says: "is unknown"},
		"a password for a proxy":          {to: k, header: map[string]string{"Authorization": "Basic YTpi", "Cookie": "session=" + good}, want: 200},
		"a bad one before a good one":     {to: k, header: map[string]string{"Authorization": "Bearer " + bad, "Cookie": "session=" + good}, want: 401, says: "signed with a key"},
		"a bad one in the query":          {to: k, query: "access_token=" + bad, want: 401, says: "signed with a key"},
		"no token at all in the query":    {to: k, query: "access_token=%zz", want: 401, says: "malformed"},
		"a token without a scheme":        {to: k, header: map[string]string{"Authorization": good}, want: 401, says: "write the word Bearer"},
		"a scheme without a token":        {to: k, header: map[string]string{"Authorization": "Bearer "}, want: 401, says: "write the word Bearer"},
		"no token":                        {to: k, want: 401},
		"cookie, not asked for":           {to: only, header: map[string]string{"Cookie": "session=" + good}, want: 401},
		"query, not asked for":            {to: only, query: "access_token=" + good, want: 400, says: "access_token"},
		"an empty parameter is no token":  {to: only, query: "access_token=", want: 401},
		"header beside another parameter": {to: only, query: "access_token=", header: bearer(good), want: 200},
	} {
		a := test.to.send(request{path: "/events/news?poll=1&" + test.query, header: test.header})
		if a.status != test.want || !strings.Contains(a.body, test.says) || strings.Contains(a.body, good) {
			t.Errorf("%s: %+v, want %d %s", name, a, test.want, test.says)
		}
	}
	if a := k.send(request{path: "/events/public/a?poll=1"}); a.status != http.StatusOK {
		t.Errorf("a public topic, without a token: %+v", a)
	}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	if a := k.send(request{method: "QUERY", path: "/events", header: form, body: "topic=news&access_token=" + good}); a.status != http.StatusBadRequest {
		t.Errorf("a token in a form, where nothing reads it: %+v", a)
	}
	if _, err := hub.New(mustMemory(t, nil), &hub.Options{IgnoreParams: []string{"access_token"}}); err == nil {
		t.Error("the token in a URL can be ignored")
	}
}

// TestRefusedTokenIs401OrTemporary: a 401 ends an EventSource for good, so unavailable keys give a temporary refusal.
func TestRefusedTokenIs401OrTemporary(t *testing.T) {
	t.Parallel()
	unreachable := func(context.Context) ([]byte, error) { return nil, errors.New("the issuer is away") }
	keys, err := access.NewJWKS(unreachable, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keys.Close)
	policy := &access.Policy{Verifier: &access.Verifier{JWKS: keys}}
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{Authorize: hub.Tokens(policy)}, transports[0])
	a := k.send(request{path: "/events/news", header: bearer(forge(t, []byte("x"), `{"alg":"RS256","kid":"a"}`, `{}`))})
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("while keys cannot be fetched: %+v", a)
	}
	a = k.send(request{path: "/events/news", header: bearer("x")})
	if a.status != http.StatusUnauthorized || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("a token that is none: %+v", a)
	}
	if got := k.logs.String(); !strings.Contains(got, `msg="token refused" remote=127.0.0.1 reason=malformed why=`) {
		t.Errorf("the log has %s", got)
	}
}
