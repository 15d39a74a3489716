package access_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/access"
)

// FuzzVerify checks that no token causes a panic, and that only a token with a valid HMAC is accepted.
func FuzzVerify(f *testing.F) {
	v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}}
	good := hs256(`{"sub":"alice","exp":99999999999,` + grants + `}`)
	for _, token := range []string{
		good, good + ".", good[:len(good)-1] + "A", "", "..", strings.ToUpper(good), hs256(`{"tidings":{"admin":true}}`),
		base64url(`{"alg":"none"}`) + "." + base64url(`{`+grants+`}`) + ".", forge("ES256", `{"alg":"ES256"}`, `{`+grants+`}`),
		base64url(`{"alg":"HS256","alg":"ES256"}`) + "." + base64url(`{"exp":1e999,`+grants+`}`) + ".AAAA",
	} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, _ = access.Peek(token)
		g, err := v.Verify(t.Context(), token)
		if err != nil {
			if g.Subject != "" || g.Admin || g.Publish != nil || g.Subscribe != nil {
				t.Errorf("a refusal grants %+v", g)
			}
			wantRefusal(t, err, err.(*access.Refusal).Reason, "", token) //nolint:errorlint // see wantRefusal
			return
		}
		end := strings.LastIndexByte(token, '.')
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(token[:end]))
		if want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); token[end+1:] != want {
			t.Errorf("a token without a valid signature grants %+v", g)
		}
	})
}

// FuzzClaims checks that signed claims are refused, or give a grant that can be minted again.
func FuzzClaims(f *testing.F) {
	for _, claims := range []string{
		`{"sub":"alice","exp":99999999999.5,"aud":["a"],` + grants + `}`, `{"tidings":{"admin":true,"publish":["a/*"]}}`, `{"tidings":{},"tidings":{}}`, `{`, `[]`, `null`,
		`{"exp":-1e-999,"nbf":0,"iat":0,"tidings":{"subscribe":[]}}`,
	} {
		f.Add(claims)
	}
	v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}}
	s := must(access.ParseSigner([]byte(secret), ""))
	f.Fuzz(func(t *testing.T, claims string) {
		g, err := v.Verify(t.Context(), hs256(claims))
		if err != nil || len(claims) > 1000 { // with what Mint adds, longer ones may exceed MaxToken
			return
		}
		for _, p := range append(g.Publish, g.Subscribe...) {
			if fmt.Sprint(p) == "" {
				t.Error("a pattern is empty")
			}
		}
		g.ID = "t1" // a random ID would mislead the fuzzer
		token, err := s.Mint(g)
		if err != nil {
			t.Fatalf("%+v cannot be minted: %v", g, err)
		}
		if again, err := v.Verify(t.Context(), token); err != nil || len(again.Publish) != len(g.Publish) || len(again.Subscribe) != len(g.Subscribe) || again.Admin != g.Admin || again.Subject != g.Subject {
			t.Errorf("%+v became %+v, %v", g, again, err)
		}
	})
}
