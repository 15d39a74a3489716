package access_test

import (
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// TestExplanationAgreesWithTheGrant: the same decision, with the key and the credential of an accepted token.
func TestExplanationAgreesWithTheGrant(t *testing.T) {
	var keys []access.Key
	var tokens []string
	for _, secret := range []string{"the first secret of these tests has 32 bytes", "the second secret of these tests has 32 bytes"} {
		signer, err := access.ParseSigner([]byte(secret), "")
		if err != nil {
			t.Fatal(err)
		}
		token, err := signer.Mint(access.Grant{Subject: "ann", Subscribe: []eventlog.Matcher{eventlog.MustPattern("news/**")}})
		if err != nil {
			t.Fatal(err)
		}
		keys, tokens = append(keys, signer.Key()), append(tokens, token)
	}
	policy := &access.Policy{Verifier: &access.Verifier{Keys: keys}, Public: []eventlog.Matcher{eventlog.MustPattern("open")}}
	for i, token := range tokens {
		e := policy.Explain(t.Context(), token)
		g, err := policy.Grant(t.Context(), token)
		if err != nil || e.Refusal != nil || e.Key == nil || e.Key.Number != i+1 || e.Claimed.Credential != g.Credential || e.Grant.Credential != g.Credential {
			t.Errorf("token %d: %+v, %v", i, e, err)
		}
		if !e.Grant.MayRead("open") || e.Claimed.MayRead("open") || !e.Claimed.MayRead("news/1") {
			t.Errorf("token %d: %+v", i, e)
		}
	}
	for _, wrong := range []string{"", "x", tokens[0][:len(tokens[0])-4] + "AAAA"} {
		e := policy.Explain(t.Context(), wrong)
		_, err := policy.Grant(t.Context(), wrong)
		if (e.Refusal == nil) != (err == nil) || e.Key != nil || err != nil && e.Refusal.Error() != err.Error() {
			t.Errorf("%q: %+v, %v", wrong, e.Refusal, err)
		}
	}
	if e := (&access.Policy{}).Explain(t.Context(), tokens[0]); e.Refusal == nil || e.Refusal.Reason != access.UnknownKey || e.Claimed.Subject != "ann" {
		t.Errorf("without keys: %+v", e)
	}
}
