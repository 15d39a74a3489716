package hub_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// forge makes a token that no honest issuer makes. The key is a secret or a private RSA key; with nil the token has no signature.
func forge(t *testing.T, key any, header, claims string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(header)) + "." + encode([]byte(claims))
	switch key := key.(type) {
	case []byte:
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(signed)) // never fails
		return signed + "." + encode(mac.Sum(nil))
	case *rsa.PrivateKey:
		sum := sha256.Sum256([]byte(signed))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return signed + "." + encode(signature)
	}
	return signed + "."
}

func mustRSA(t *testing.T) (key *rsa.PrivateKey, public []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// strictPolicy accepts tokens signed with a secret or an RSA key, of one issuer and for one audience.
func strictPolicy(t *testing.T, public []byte) *access.Policy {
	t.Helper()
	secret, err := access.ParseKey([]byte(secretKey), "HS256")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := access.ParseKey(public, "RS256")
	if err != nil {
		t.Fatal(err)
	}
	return &access.Policy{
		Verifier:    &access.Verifier{Keys: []access.Key{secret, pair}, Issuer: "https://id.example", Audience: "tidings"},
		Revocations: access.NewRevocations(0, 0),
	}
}

// TestForgedTokensAreRefused: forged and stolen tokens are refused in the same way on every route, in the Authorization field and in the
// cookie. The client gets a public reason; the operator's log has the full one.
func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	private, public := mustRSA(t)
	other, _ := mustRSA(t)
	policy := strictPolicy(t, public)
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{
		Revocations: policy.Revocations, Authorize: hub.Tokens(policy, hub.TokenCookie("token")),
	}, transports[0])

	const (
		hs256  = `{"alg":"HS256","typ":"JWT"}`
		rs256  = `{"alg":"RS256","typ":"JWT"}`
		grants = `"tidings":{"publish":["**"],"subscribe":["**"],"admin":true}`
		ours   = `"iss":"https://id.example","aud":"tidings",` + grants
		claims = `{` + ours + `}`
	)
	secret := []byte(secretKey)
	now := time.Now().Unix()
	at := func(name string, when int64) string { return fmt.Sprintf(`{%q:%d,%s}`, name, when, ours) }
	good := forge(t, secret, hs256, claims)
	for name, token := range map[string]string{"by the secret": good, "by the pair": forge(t, private, rs256, claims)} {
		if a := k.send(request{path: "/metrics", header: bearer(token)}); a.status != http.StatusOK {
			t.Fatalf("a good token, signed %s: %+v", name, a)
		}
	}
	if err := k.hub.Revoke(access.Revocation{ID: "revoked", At: time.Now()}); err != nil {
		t.Fatal(err)
	}

	const (
		notOurs    = "the token was not signed with a key that this hub accepts"
		unreadable = "the token is malformed"
		notForUs   = "the token has another issuer or audience"
		senseless  = "a claim of the token is missing or invalid"
	)
	refusals := map[access.Reason]int{}
	for name, test := range map[string]struct {
		token  string
		reason access.Reason
		public string // the detail that the client gets begins with this
	}{
		"algorithm confusion":               {forge(t, public, hs256, claims), access.BadSignature, notOurs},
		"algorithm confusion, trimmed":      {forge(t, []byte(strings.TrimSpace(string(public))), hs256, claims), access.BadSignature, notOurs},
		"algorithm confusion, by name only": {forge(t, secret, rs256, claims), access.BadSignature, notOurs},
		"an algorithm that is not pinned":   {forge(t, private, `{"alg":"PS256"}`, claims), access.WrongAlgorithm, notOurs},
		"the algorithm none":                {forge(t, nil, `{"alg":"none"}`, claims), access.WrongAlgorithm, notOurs},
		"None":                              {forge(t, nil, `{"alg":"None"}`, claims), access.WrongAlgorithm, notOurs},
		"the algorithm none, signed":        {forge(t, secret, `{"alg":"none"}`, claims), access.WrongAlgorithm, notOurs},
		"no algorithm":                      {forge(t, secret, `{"typ":"JWT"}`, claims), access.WrongAlgorithm, notOurs},
		"no signature":                      {forge(t, nil, hs256, claims), access.BadSignature, notOurs},
		"two algorithms":                    {forge(t, secret, `{"alg":"none","alg":"HS256"}`, claims), access.Malformed, unreadable},
		"expired":                           {forge(t, secret, hs256, at("exp", now-3600)), access.Expired, "the token expired at 20"},
		"expired for ever":                  {forge(t, secret, hs256, at("exp", 0)), access.Expired, "the token expired at 1970"},
		"not yet valid":                     {forge(t, secret, hs256, at("nbf", now+3600)), access.NotYetValid, "the token is not valid before 20"},
		"issued in the future":              {forge(t, secret, hs256, at("iat", now+3600)), access.NotYetValid, "the token was issued in the future"},
		"wrong audience":                    {forge(t, secret, hs256, `{"iss":"https://id.example","aud":["billing","tidings2"],`+grants+`}`), access.WrongAudience, notForUs},
		"no audience":                       {forge(t, secret, hs256, `{"iss":"https://id.example",`+grants+`}`), access.WrongAudience, notForUs},
		"wrong issuer":                      {forge(t, secret, hs256, `{"iss":"https://evil.example","aud":"tidings",`+grants+`}`), access.WrongIssuer, notForUs},
		"wrong secret":                      {forge(t, []byte(strings.ToUpper(secretKey)), hs256, claims), access.BadSignature, notOurs},
		"wrong pair":                        {forge(t, other, rs256, claims), access.BadSignature, notOurs},
		"a key of its own":                  {forge(t, other, `{"alg":"RS256","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}`, claims), access.BadSignature, notOurs},
		"a key from another site":           {forge(t, other, `{"alg":"RS256","jku":"https://evil.example/keys"}`, claims), access.BadSignature, notOurs},
		"a key by a path":                   {forge(t, []byte{}, `{"alg":"HS256","kid":"../../../../dev/null"}`, claims), access.BadSignature, notOurs},
		"claims that were changed":          {forge(t, nil, hs256, at("exp", now+3600)) + good[strings.LastIndexByte(good, '.')+1:], access.BadSignature, notOurs},
		"oversized":                         {strings.Repeat("x", access.MaxToken+1), access.Malformed, "the token is too long"},
		"oversized, and well signed":        {forge(t, secret, hs256, `{"x":"`+strings.Repeat("x", access.MaxToken)+`",`+ours+`}`), access.Malformed, "the token is too long"},
		"nested":                            {forge(t, secret, `{"alg":"HS256","cty":"JWT"}`, good), access.Malformed, unreadable},
		"nested, without cty":               {forge(t, secret, hs256, good), access.Malformed, unreadable},
		"nested arrays":                     {forge(t, secret, hs256, `{"x":`+strings.Repeat("[", 5000)+`,`+ours+`}`), access.Malformed, unreadable},
		"encrypted":                         {"a.b.c.d.e", access.Malformed, unreadable},
		"an unknown critical header":        {forge(t, secret, `{"alg":"HS256","crit":["x"],"x":1}`, claims), access.Malformed, unreadable},
		"a token of another type":           {forge(t, secret, `{"alg":"HS256","typ":"logout+jwt"}`, claims), access.Malformed, unreadable},
		"without a grant":                   {forge(t, secret, hs256, `{"iss":"https://id.example","aud":"tidings"}`), access.BadClaims, senseless},
		"an unknown restriction":            {forge(t, secret, hs256, `{"iss":"https://id.example","aud":"tidings","tidings":{"publish":["**"],"deny":["**"]}}`), access.BadClaims, senseless},
		"revoked":                           {forge(t, secret, hs256, `{"jti":"revoked",`+ours+`}`), access.Revoked, "the token was revoked"},
		"garbage":                           {"garbage", access.Malformed, unreadable},
	} {
		for what, r := range map[string]request{
			"publishing": {path: "/events/news", body: "x"}, "following": {path: "/events/news"}, "replaying": {path: "/events/news?since=earliest&poll=1"},
			"revoking": {path: "/api/v1/revoke", body: `{"sub":"ann"}`}, "looking in": {path: "/metrics"},
		} {
			for way, header := range map[string]map[string]string{"by the field": bearer(test.token), "by a cookie": {"Cookie": "token=" + test.token}} {
				refusals[test.reason]++
				r.header = maps.Clone(header)
				what := fmt.Sprintf("%s, %s %s", name, what, way)
				a := k.send(r)
				refused(t, what, a, http.StatusUnauthorized, "unauthorized", test.public)
				got := a.header.Get("WWW-Authenticate")
				if want := `Bearer realm="tidings", error="invalid_token", error_description="` + test.public; !strings.HasPrefix(got, want) || strings.Count(got, `"`) != 6 {
					t.Errorf("%s: WWW-Authenticate: %s, want %s", what, got, want)
				}
				wantNothingSecret(t, what, a.body+got, test.token)
			}
		}
		wantNothingSecret(t, name, k.logs.String(), test.token)
	}
	for reason, n := range refusals {
		if logged := strings.Count(k.logs.String(), "reason="+string(reason)+" "); logged != n {
			t.Errorf("the log has %d lines with the reason %s, want %d", logged, reason, n)
		}
	}
	metrics := k.send(request{path: "/metrics", header: bearer(good)}).body
	for reason, n := range refusals {
		if want := fmt.Sprintf("tidings_tokens_refused_total{reason=%q} %d\n", reason, n); !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	wantNothingSecret(t, "the metrics", metrics, good)
	if head := k.log.Head(); head.Seq != 1 { // the record of the revocation
		t.Errorf("something was stored: %q", events(t, k.log))
	}
}

// wantNothingSecret fails the test if a text contains the secret, or a part of a token.
func wantNothingSecret(t *testing.T, what, text, token string) {
	t.Helper()
	for _, part := range append(strings.Split(token, "."), secretKey) {
		if len(part) > 20 && strings.Contains(text, part) {
			t.Errorf("%s: %q is told", what, clipped(part))
		}
	}
}
