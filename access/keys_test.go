package access_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/access"
)

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestKeyIsPinnedToTheUsualAlgorithmOfItsType(t *testing.T) {
	for _, test := range []struct {
		text string
		want string
	}{
		{secret, "HS256"},
		{secret + "\r\n", "HS256"},
		{"0123456789abcdeffedcba9876543210", "HS256"},
		{"a whole sentence of more than 32", "HS256"},
		{string(publicPEM(rsaKey())), "RS256"},
		{block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)), "RS256"},
		{"a comment\n" + string(publicPEM(p256Key())) + "another\n", "ES256"},
		{string(publicPEM(p384Key())), "ES384"},
		{string(publicPEM(p521Key())), "ES512"},
		{string(publicPEM(ed25519Key())), "EdDSA Ed25519"},
	} {
		key, err := access.ParseKey([]byte(test.text))
		if got := strings.Join(key.Algorithms(), " "); err != nil || got != test.want {
			t.Errorf("%.30q is pinned to %q, want %q, %v", test.text, got, test.want, err)
		}
	}
	key, err := access.ParseKey(publicPEM(rsaKey()), "PS256", "PS512")
	if got := key.Algorithms(); err != nil || !slices.Equal(got, []string{"PS256", "PS512"}) {
		t.Errorf("pinned to %v, %v", got, err)
	}
}

func TestLineEndIsNotPartOfASecret(t *testing.T) {
	key := must(access.ParseKey([]byte(secret + "\n")))
	if _, err := (&access.Verifier{Keys: []access.Key{key}}).Verify(t.Context(), hs256(`{`+grants+`}`)); err != nil {
		t.Error(err)
	}
}

// TestUnsafeKeyIsRefused: a public key in another form than PEM, used as a secret, would let every holder of the key sign tokens.
func TestUnsafeKeyIsRefused(t *testing.T) {
	n := new(big.Int).SetBit(big.NewInt(1), 1023, 1) // only its length matters
	small := must(x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: 65537}))
	p224 := must(x509.MarshalPKIXPublicKey(must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).Public()))
	spki := must(x509.MarshalPKIXPublicKey(crypto.Signer(rsaKey()).Public()))
	public := string(publicPEM(rsaKey()))
	for says, text := range map[string]string{
		"0 bytes, and needs at least 32":  "",
		"31 bytes, and needs at least 32": strings.Repeat("x", 31) + "\n",
		"1024 bits; it must have 2048":    block("PUBLIC KEY", small),
		"use RSA, Ed25519, P-256":         block("PUBLIC KEY", p224),
		"reading the public key: asn1":    block("PUBLIC KEY", []byte("x")),
		"this is a private key":           string(privatePEM(rsaKey())),
		"this is a certificate":           block("CERTIFICATE", []byte("x")),
		`PEM block is "DH PARAMETERS"`:    block("DH PARAMETERS", []byte("x")),
		"2 complete PEM blocks":           public + public,
		"0 complete PEM blocks":           strings.ReplaceAll(public, "\n", `\n`),
	} {
		if key, err := access.ParseKey([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, pinned to %v", says, err, key.Algorithms())
		}
	}
	for _, known := range []string{
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"a"}]}`, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA alice@example", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAy",
		string(spki), base64.StdEncoding.EncodeToString(spki),
		strings.Join(strings.Split(public, "\n")[1:8], "\n"), // PEM without its first and last line
	} {
		key, err := access.ParseKey([]byte(known))
		if err == nil || !strings.Contains(err.Error(), "this is a public key or a key set") {
			t.Errorf("%.40q: %v, pinned to %v", known, err, key.Algorithms())
		}
	}
}

func TestKeyIsPinnedOnlyToAlgorithmsThatFitIt(t *testing.T) {
	short := "0123456789abcdeffedcba9876543210"
	for _, test := range []struct{ text, alg, says string }{
		{secret, "RS256", "the key is a secret, which goes with HS256, HS384, HS512, not with RS256"},
		{string(publicPEM(rsaKey())), "HS256", "the key is an RSA key"},
		{string(publicPEM(p256Key())), "ES384", "the key is a P-256 key, which goes with ES256, not with ES384"},
		{string(publicPEM(ed25519Key())), "ES256", "the key is an Ed25519 key"},
		{secret, "none", `unknown algorithm "none"`},
		{secret, "hs256", `unknown algorithm "hs256"; a secret goes with HS256`},
		{short, "HS384", "weak secret: it has 32 bytes, and HS384 needs 48"},
		{short, "HS512", "weak secret: it has 32 bytes, and HS512 needs 64"},
	} {
		if _, err := access.ParseKey([]byte(test.text), test.alg); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.says, err)
		}
	}
}

// TestSecretMayBeginLikeAPublicKey: of the secrets in base64, one in 17 million begins with the first letters of an SSH key, and of those in
// bytes, one in 256 with a brace.
func TestSecretMayBeginLikeAPublicKey(t *testing.T) {
	for _, text := range []string{"ssh-dWZ0gQx7Jm2Tq9_LkVbYc4RpN8sHeKt1oUa3iWE", "ecdsa-sha2-0gQx7Jm2Tq9_LkVbYc4RpN8sHeKt1oUa3iWE", "{\xff3\x01gQx7Jm2Tq9_LkVbYc4RpN8sHeKt1o"} {
		if _, err := access.ParseKey([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestSecretThatCanBeGuessedIsRefused: files of zeros, placeholders, a repeated word.
func TestSecretThatCanBeGuessedIsRefused(t *testing.T) {
	sequence := make([]byte, 64)
	for i := range sequence {
		sequence[i] = byte(i)
	}
	for _, text := range []string{
		strings.Repeat("\x00", 32), strings.Repeat("\x00", 4096), strings.Repeat("\xff", 64), strings.Repeat("a", 32) + "\n", strings.Repeat("a", 31) + "b",
		strings.Repeat("x", 1000) + "yz", strings.Repeat("ab", 32), strings.Repeat("0123456789", 4), strings.Repeat("secret", 6), strings.Repeat("password", 4),
		strings.Repeat("changeme!", 5)[:40], strings.Repeat("correct horse battery", 2), "abcdefghijklmnopqrstuvwxyz0123456789", string(sequence),
		"0101010101010101010101010101010101110", "zyxwvutsrqponmlkjihgfedcba9876543210",
	} {
		_, err := access.ParseKey([]byte(text))
		if !errors.Is(err, access.ErrWeakSecret) || strings.Contains(err.Error(), "secretsecret") {
			t.Errorf("%.40q: %v", text, err)
		}
		if _, err := access.ParseSigner([]byte(text), ""); err == nil {
			t.Errorf("a signer accepts %.40q", text)
		}
	}
	for range 2000 {
		random := make([]byte, 32)
		_, _ = rand.Read(random) // never fails
		random[31] |= 0x80       // not a line end
		for _, text := range []string{string(random), base64.RawURLEncoding.EncodeToString(random), fmt.Sprintf("%x", random)} {
			if _, err := access.ParseKey([]byte(text)); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}
