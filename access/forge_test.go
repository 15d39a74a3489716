package access_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidings-sse/tidings/access"
)

// The tests build tokens from text, so that they can also build those that no honest issuer makes.

const secret = "a secret of forty bytes and a few more on top of that: it fits HS512"

var (
	rsaKey     = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256Key    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521Key    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
	ed25519Key = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

// privateKey returns the signing key for an algorithm.
func privateKey(alg string) any {
	switch alg {
	case "ES256":
		return p256Key()
	case "ES384":
		return p384Key()
	case "ES512":
		return p521Key()
	case "EdDSA", "Ed25519":
		return ed25519Key()
	}
	if strings.HasPrefix(alg, "HS") {
		return []byte(secret)
	}
	return rsaKey()
}

var allAlgorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func base64url(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// forge signs any header and claims with an algorithm.
func forge(alg, header, claims string) string {
	return forgeWith(alg, privateKey(alg), header, claims)
}

func forgeWith(alg string, key any, header, claims string) string {
	if alg == "Ed25519" {
		alg = "EdDSA"
	}
	signed := base64url(header) + "." + base64url(claims)
	return signed + "." + base64url(string(must(jwt.GetSigningMethod(alg).Sign(signed, key))))
}

// hs256 returns a well-formed token with the given claims.
func hs256(claims string) string { return forge("HS256", `{"alg":"HS256","typ":"JWT"}`, claims) }

const grants = `"tidings":{"subscribe":["news/**"]}`

// publicPEM returns the public half of a key as PEM; a secret stays as it is.
func publicPEM(key any) []byte {
	if s, ok := key.([]byte); ok {
		return s
	}
	der := must(x509.MarshalPKIXPublicKey(key.(crypto.Signer).Public()))
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func privatePEM(key any) []byte {
	if s, ok := key.([]byte); ok {
		return s
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}

func keyFor(alg string) access.Key { return must(access.ParseKey(publicPEM(privateKey(alg)), alg)) }

// wantRefusal checks that err is a refusal with the reason, that its detail contains says, and that it reveals nothing of the token.
func wantRefusal(t *testing.T, err error, reason access.Reason, says, token string) {
	t.Helper()
	r, ok := err.(*access.Refusal) //nolint:errorlint // the promise is a *Refusal, not an error that wraps one
	if !ok {
		t.Fatalf("the error is %v, a %T, want a *Refusal", err, err)
	}
	if r.Reason != reason || !strings.Contains(r.Detail, says) {
		t.Errorf("refused for %s: %s\nwant %s: …%s…", r.Reason, r.Detail, reason, says)
	}
	if r.Public == "" || strings.ContainsFunc(r.Public, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
		t.Errorf("the public text %q is not a valid error_description", r.Public)
	}
	if len(r.Detail) > 1500 {
		t.Errorf("the detail has %d bytes", len(r.Detail))
	}
	for _, part := range append(strings.Split(token, "."), secret) {
		if len(part) > 20 && strings.Contains(r.Detail+r.Public+r.Error(), part) {
			t.Errorf("the refusal reveals %q: %v", part, r)
		}
	}
}
