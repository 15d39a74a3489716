package access_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

func TestMintedTokenVerifiesToTheSameGrant(t *testing.T) {
	for _, alg := range allAlgorithms {
		t.Run(alg, func(t *testing.T) {
			s, err := access.ParseSigner(privatePEM(privateKey(alg)), alg)
			if err != nil {
				t.Fatal(err)
			}
			s.Issuer, s.Audience = "me", "you"
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				want := access.Grant{
					Subject: "alice \"A\" <a@example>", ID: "t1", IssuedAt: now, Expires: now.Add(time.Hour), Admin: true,
					Publish:   []eventlog.Matcher{eventlog.MustPattern("chat/ä")},
					Subscribe: []eventlog.Matcher{eventlog.MustPattern("**"), eventlog.MustPattern("$hub")},
				}
				token, err := s.Mint(want)
				if err != nil {
					t.Fatal(err)
				}
				v := &access.Verifier{Keys: []access.Key{s.Key()}, Issuer: "me", Audience: "you"}
				got, err := v.Verify(t.Context(), token)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, byText, anyCredential); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestMintedTokenCanBeRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := must(access.ParseSigner([]byte(secret), ""))
		v := &access.Verifier{Keys: []access.Key{s.Key()}}
		a := must(v.Verify(t.Context(), must(s.Mint(access.Grant{}))))
		b := must(v.Verify(t.Context(), must(s.Mint(access.Grant{}))))
		if len(a.ID) < 20 || a.ID == b.ID || !a.IssuedAt.Equal(time.Now()) || !a.Expires.IsZero() {
			t.Errorf("%+v and %+v", a, b)
		}
	})
}

func TestSignerReadsTheFormatsOfOpenSSL(t *testing.T) {
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	ec := block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(p384Key())))
	for _, text := range []string{
		block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), ec, block("EC PARAMETERS", []byte{6, 5, 43, 129, 4, 0, 34}) + ec,
		string(privatePEM(ed25519Key())),
	} {
		s, err := access.ParseSigner([]byte(text), "")
		if err != nil {
			t.Error(err)
			continue
		}
		accepts(t, &access.Verifier{Keys: []access.Key{s.Key()}}, must(s.Mint(access.Grant{})))
	}
	for says, text := range map[string]string{
		"this is a public key":       string(publicPEM(rsaKey())),
		"without a password":         block("ENCRYPTED PRIVATE KEY", []byte("x")),
		"reading the private key":    block("PRIVATE KEY", []byte("x")),
		"weak secret: it has 5 byte": "short",
		"2 complete PEM blocks":      ec + ec,
		"use RSA, Ed25519, P-":       block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(must(ecdh.X25519().GenerateKey(rand.Reader))))),
	} {
		if _, err := access.ParseSigner([]byte(text), ""); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestMintRefusesATokenThatHubsWouldRefuse, so that the error reaches the issuer and not the client.
func TestMintRefusesATokenThatHubsWouldRefuse(t *testing.T) {
	s := must(access.ParseSigner([]byte(secret), ""))
	patterns := make([]eventlog.Matcher, 1001)
	for i := range patterns {
		patterns[i] = eventlog.MustPattern("abcdefghij")
	}
	for says, g := range map[string]access.Grant{
		"1001 patterns":        {Subscribe: patterns},
		"hubs accept 8192":     {Subscribe: patterns[:900]},
		"sub has 256 bytes":    {Subject: strings.Repeat("x", 256)},
		"it is empty":          {Publish: []eventlog.Matcher{eventlog.Pattern{}}},
		"exp is -62135596799,": {Expires: time.Time{}.Add(time.Second)},
	} {
		if token, err := s.Mint(g); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %.40q, %v", says, token, err)
		}
	}
	token := must(s.Mint(access.Grant{Expires: time.Unix(0, 0)}))
	refuses(t, &access.Verifier{Keys: []access.Key{s.Key()}}, token, access.Expired, "1970")
}
