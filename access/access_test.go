package access_test

import (
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

func TestClientWithoutATokenGetsPublicTopics(t *testing.T) {
	p := &access.Policy{Verifier: &access.Verifier{Keys: []access.Key{keyFor("HS256")}}, Public: []eventlog.Matcher{eventlog.MustPattern("news/**")}}
	g, err := p.Grant(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if !g.MayRead("news/sports") || g.MayRead("chat") || g.MayPublish("news/sports") || g.Admin || g.Subject != "" {
		t.Errorf("%+v", g)
	}
	if g, err := (&access.Policy{}).Grant(t.Context(), ""); err != nil || g.MayRead("news") {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestTokenAddsToPublicTopics(t *testing.T) {
	p := &access.Policy{Verifier: &access.Verifier{Keys: []access.Key{keyFor("HS256")}}, Public: []eventlog.Matcher{eventlog.MustPattern("news/**")}}
	g, err := p.Grant(t.Context(), hs256(`{"tidings":{"subscribe":["mail/alice"],"publish":["chat"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !g.MayRead("news") || !g.MayRead("mail/alice") || !g.MayPublish("chat") || g.MayRead("chat") {
		t.Errorf("%+v", g)
	}
}

func TestRefusedTokenGetsNoPublicTopics(t *testing.T) {
	p := &access.Policy{Public: []eventlog.Matcher{eventlog.MustPattern("**")}}
	token := hs256(`{` + grants + `}`)
	g, err := p.Grant(t.Context(), token)
	wantRefusal(t, err, access.UnknownKey, "no key is configured", token)
	if g.MayRead("news") {
		t.Error("the refused token may read news")
	}
	p.Verifier = &access.Verifier{Keys: []access.Key{keyFor("RS256")}}
	g, err = p.Grant(t.Context(), token)
	wantRefusal(t, err, access.WrongAlgorithm, "HS256", token)
	if g.MayRead("news") {
		t.Error("the refused token may read news")
	}
}

func TestRevokedTokenIsRefused(t *testing.T) {
	at := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	p := &access.Policy{Verifier: &access.Verifier{Keys: []access.Key{keyFor("HS256")}}, Revocations: access.NewRevocations(0, -1)}
	if err := p.Revocations.Revoke(access.Revocation{Subject: "alice", At: at}); err != nil {
		t.Fatal(err)
	}
	token := hs256(`{"sub":"alice","jti":"t1","iat":1767348000,` + grants + `}`) // 10:00:00
	g, err := p.Grant(t.Context(), token)
	wantRefusal(t, err, access.Revoked, `tokens issued to "alice" up to 2026-01-02T10:00:00Z are revoked; this token, "t1", was issued at 2026-01-02T10:00:00Z`, token)
	if g.Subject != "" || g.MayRead("news") {
		t.Errorf("%+v", g)
	}
	if _, err := p.Grant(t.Context(), hs256(`{"sub":"alice","iat":1767348001,`+grants+`}`)); err != nil {
		t.Error(err)
	}
}
