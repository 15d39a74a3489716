package access_test

import (
	"crypto"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidings-sse/tidings/access"
)

const usualClaims = `{"iss":"https://id.example","aud":"tidings","sub":"alice","jti":"3f1c9a52b7","iat":1767348000,"nbf":1767348000,"exp":99999999999,
	"tidings":{"publish":["chat/alice"],"subscribe":["news/**","chat/*","mail/alice/**"]}}`

// BenchmarkVerify answers: what does checking a token cost, once per connection? The yardstick in the same run is the bare signature
// check.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range allAlgorithms {
		token := forge(alg, fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, alg), usualClaims)
		v := &access.Verifier{Keys: []access.Key{keyFor(alg)}, Issuer: "https://id.example", Audience: "tidings"}
		b.Run(alg+"/verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(alg+"/bare", func(b *testing.B) {
			end := strings.LastIndexByte(token, '.')
			signature := must(base64.RawURLEncoding.DecodeString(token[end+1:]))
			method := jwt.GetSigningMethod(strings.Replace(alg, "Ed25519", "EdDSA", 1))
			public := privateKey(alg)
			if signer, ok := public.(crypto.Signer); ok {
				public = signer.Public()
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := method.Verify(token[:end], signature, public); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerifyLargest answers: what does the most expensive token cost? It has 1,000 patterns in 8 KiB.
func BenchmarkVerifyLargest(b *testing.B) {
	token := hs256(`{"tidings":{"subscribe":["` + strings.TrimSuffix(strings.Repeat(`ab","`, 1000), `","`) + `"]}}`)
	v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

// TestCheckingATokenAllocatesLittle: anyone can send tokens, so a bad one must be cheap to refuse.
func TestCheckingATokenAllocatesLittle(t *testing.T) {
	v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}}
	good := hs256(usualClaims)
	bad := good[:len(good)-4] + "AAAA"
	for _, test := range []struct {
		name, token string
		most        float64
	}{
		{"good", good, 120},
		{"bad signature", bad, 50},
		{"too long", strings.Repeat("a", 1<<20), 10},
	} {
		if n := testing.AllocsPerRun(100, func() { _, _ = v.Verify(t.Context(), test.token) }); n > test.most {
			t.Errorf("%s: %v allocations, the limit is %v", test.name, n, test.most)
		}
	}
}
