package access_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/access"
)

// jwk returns the public half of a key as a JSON Web Key, with more members given as name and value.
func jwk(key any, more ...string) map[string]any {
	b64 := func(b []byte) string { return base64url(string(b)) }
	j := make(map[string]any)
	switch k := key.(type) {
	case *rsa.PrivateKey:
		j = map[string]any{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
	case *ecdsa.PrivateKey:
		point := must(k.PublicKey.Bytes())[1:]
		j = map[string]any{"kty": "EC", "crv": k.Params().Name, "x": b64(point[:len(point)/2]), "y": b64(point[len(point)/2:])}
	case ed25519.PrivateKey:
		j = map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(k.Public().(ed25519.PublicKey))}
	case []byte:
		j = map[string]any{"kty": "oct", "k": b64(k)}
	}
	for i := 0; i < len(more); i += 2 {
		j[more[i]] = more[i+1]
	}
	return j
}

func document(keys ...map[string]any) []byte {
	return must(json.Marshal(map[string]any{"keys": keys}))
}

// endpoint serves a key document and counts the fetches.
type endpoint struct {
	mu      sync.Mutex
	doc     []byte
	err     error
	fetches int
	slow    time.Duration
}

func (e *endpoint) fetch(ctx context.Context) ([]byte, error) {
	e.mu.Lock()
	e.fetches++
	doc, err, slow := e.doc, e.err, e.slow
	e.mu.Unlock()
	select {
	case <-time.After(slow):
		return doc, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e *endpoint) set(doc []byte, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doc, e.err = doc, err
}

func (e *endpoint) fetched(t *testing.T, want int) {
	t.Helper()
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fetches != want {
		t.Errorf("the document was fetched %d times, want %d", e.fetches, want)
	}
}

// verifier returns a verifier that uses the endpoint's keys, and its log.
func (e *endpoint) verifier(t *testing.T, algorithms ...string) (*access.Verifier, *bytes.Buffer) {
	t.Helper()
	log := new(bytes.Buffer)
	j, err := access.NewJWKS(e.fetch, &access.JWKSOptions{Algorithms: algorithms, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return &access.Verifier{JWKS: j}, log
}

func named(alg, kid string) string {
	return forge(alg, fmt.Sprintf(`{"alg":%q,"kid":%q}`, alg, kid), `{`+grants+`}`)
}

func accepts(t *testing.T, v *access.Verifier, token string) {
	t.Helper()
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
}

func refuses(t *testing.T, v *access.Verifier, token string, reason access.Reason, says string) {
	t.Helper()
	_, err := v.Verify(t.Context(), token)
	wantRefusal(t, err, reason, says, token)
}

func TestJWKSMayHaveKeysOfEveryType(t *testing.T) {
	e := &endpoint{doc: document(
		jwk(rsaKey(), "kid", "r", "use", "sig"), jwk(rsaKey(), "kid", "p", "alg", "PS256"), jwk(p256Key(), "kid", "2"), jwk(p384Key(), "kid", "3", "alg", "ES384"),
		jwk(p521Key(), "kid", "5"), jwk(ed25519Key(), "kid", "e"),
	)}
	v, log := e.verifier(t)
	for kid, alg := range map[string]string{"r": "RS256", "p": "PS256", "2": "ES256", "3": "ES384", "5": "ES512", "e": "EdDSA"} {
		accepts(t, v, named(alg, kid))
		accepts(t, v, forge(alg, `{"alg":"`+alg+`"}`, `{`+grants+`}`)) // no kid: all keys for the algorithm are tried
	}
	refuses(t, v, named("RS512", "r"), access.WrongAlgorithm, `"RS512", and the keys are pinned to RS256`)
	refuses(t, v, named("RS256", "p"), access.WrongAlgorithm, "pinned to PS256")
	refuses(t, v, named("HS256", "r"), access.WrongAlgorithm, "HS256")
	refuses(t, v, named("ES256", "e"), access.WrongAlgorithm, "pinned to Ed25519, EdDSA")
	if e.fetches != 1 || log.Len() > 0 {
		t.Errorf("%d fetches; logged: %s", e.fetches, log)
	}
}

func TestNullMemberOfAJWKCountsAsMissing(t *testing.T) {
	key := jwk(p256Key(), "kid", "2")
	key["alg"], key["use"], key["key_ops"], key["x5c"] = nil, nil, nil, nil
	v, _ := (&endpoint{doc: document(key)}).verifier(t)
	accepts(t, v, named("ES256", "2"))
}

func TestJWKSKeysArePinnedToConfiguredAlgorithms(t *testing.T) {
	e := &endpoint{doc: document(jwk(rsaKey(), "kid", "r"), jwk(p256Key(), "kid", "2"), jwk(rsaKey(), "kid", "p", "alg", "PS512"))}
	v, log := e.verifier(t, "RS512", "ES256")
	accepts(t, v, named("RS512", "r"))
	accepts(t, v, named("ES256", "2"))
	refuses(t, v, named("RS256", "r"), access.WrongAlgorithm, "pinned to RS512")
	if !strings.Contains(log.String(), "key 3") {
		t.Errorf("the unused key is not logged: %s", log)
	}
	for _, alg := range []string{"HS256", "none", "rs256"} {
		if _, err := access.NewJWKS(e.fetch, &access.JWKSOptions{Algorithms: []string{alg}}); err == nil {
			t.Errorf("%s is accepted for a JWKS", alg)
		}
	}
}

func TestUnsafeJWKSKeysAreSkippedAndLogged(t *testing.T) {
	off := jwk(p256Key(), "kid", "bad")
	off["y"] = off["x"]
	long := jwk(ed25519Key(), "kid", "bad")
	long["x"] = base64url(strings.Repeat("x", 33))
	weak := jwk(rsaKey(), "kid", "bad")
	weak["n"] = base64url("\x80" + strings.Repeat("\x01", 127))
	even := jwk(rsaKey(), "kid", "bad", "e", "Ag")
	for says, bad := range map[string]map[string]any{
		"none of RSA, EC and OKP":        jwk([]byte(secret), "kid", "bad", "alg", "HS256"),
		"it is a private key":            jwk(rsaKey(), "kid", "bad", "d", "AQAB"),
		"1024 bits":                      weak,
		"its exponent, 2,":               even,
		"not on":                         off,
		"its x has 33 bytes":             long,
		"it has no n":                    {"kty": "RSA", "kid": "bad"},
		"its n: illegal base64":          {"kty": "RSA", "kid": "bad", "n": "!", "e": "AQAB"},
		"P-256, P-384 and P-521":         jwk(p256Key(), "kid", "bad", "crv", "secp256k1"),
		"is not Ed25519":                 jwk(ed25519Key(), "kid", "bad", "crv", "X25519"),
		"its algorithm is \\\"HS256\\\"": jwk(rsaKey(), "kid", "bad", "alg", "HS256"),
	} {
		e := &endpoint{doc: document(bad, jwk(p384Key(), "kid", "good"))}
		v, log := e.verifier(t)
		accepts(t, v, named("ES384", "good"))
		refuses(t, v, forgeWith("HS256", []byte(secret), `{"alg":"HS256","kid":"bad"}`, `{`+grants+`}`), access.Unavailable, `its key "bad" is not among the 1 of the JWKS`)
		if got := log.String(); !strings.Contains(got, says) || !strings.Contains(got, "key 1 (kid") || strings.Contains(got, base64url(secret)) {
			t.Errorf("want %s, logged: %s", says, got)
		}
	}
}

func TestJWKSKeysForOtherUsesAreIgnored(t *testing.T) {
	wrap := jwk(p256Key(), "kid", "wrap")
	wrap["key_ops"] = []string{"wrapKey"}
	e := &endpoint{doc: document(jwk(rsaKey(), "kid", "enc", "use", "enc"), wrap, jwk(p384Key(), "kid", "good"))}
	v, log := e.verifier(t)
	accepts(t, v, named("ES384", "good"))
	refuses(t, v, named("RS256", "enc"), access.Unavailable, "not among the 1")
	if log.Len() > 0 {
		t.Errorf("logged: %s", log)
	}
}

func TestBadKeyDocumentIsATemporaryRefusal(t *testing.T) {
	many := make([]map[string]any, 65)
	for i := range many {
		many[i] = jwk(ed25519Key(), "kid", fmt.Sprint(i))
	}
	for says, doc := range map[string][]byte{
		"is not a JWKS":                   []byte("<html>"),
		"keys is not an array of objects": []byte(`{"keys":"RSA"}`),
		"appears twice in one object":     []byte(`{"keys":[{"kty":"OKP","kid":"a","kid":"b"}]}`),
		"no key that can check tokens":    []byte(`{"Keys":[]}`),
		"65 keys; the limit is 64":        document(many...),
		"bytes; the limit is 1048576":     bytes.Repeat([]byte(" "), 1<<20+1),
	} {
		e := &endpoint{doc: doc}
		v, log := e.verifier(t)
		token := named("RS256", "r")
		_, err := v.Verify(t.Context(), token)
		wantRefusal(t, err, access.Unavailable, says, token)
		if r, ok := errors.AsType[*access.Refusal](err); !ok || !r.Temporary() {
			t.Errorf("%s: the refusal is not temporary", says)
		}
		if !strings.Contains(log.String(), says) {
			t.Errorf("%s: it is not logged", says)
		}
	}
}

func TestNewKeyIsAcceptedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{doc: document(jwk(p256Key(), "kid", "old")), slow: time.Second}
		v, _ := e.verifier(t)
		accepts(t, v, named("ES256", "old"))
		e.set(document(jwk(p256Key(), "kid", "old"), jwk(p384Key(), "kid", "new")), nil)
		time.Sleep(time.Minute)
		accepts(t, v, named("ES384", "new"))
		accepts(t, v, named("ES256", "old"))
		e.fetched(t, 2)
	})
}

// TestNewKeyIsNotRefusedForGood: any token with an unknown key triggers a fetch. If the issuer adds a key right after that, tokens with it
// cannot be checked for ten seconds. Their refusal must be temporary, or EventSource would give up.
func TestNewKeyIsNotRefusedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{doc: document(jwk(p256Key(), "kid", "old"))}
		v, _ := e.verifier(t)
		refuses(t, v, named("ES256", "nobody's"), access.UnknownKey, `its key "nobody's"`)
		e.set(document(jwk(p256Key(), "kid", "old"), jwk(p384Key(), "kid", "new")), nil)
		refuses(t, v, named("ES384", "new"), access.Unavailable, `its key "new" is not among the 1 of the JWKS`)
		time.Sleep(10 * time.Second)
		accepts(t, v, named("ES384", "new"))
		e.fetched(t, 2)
	})
}

func TestRemovedKeyIsSoonRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{doc: document(jwk(p256Key(), "kid", "stolen"), jwk(p384Key(), "kid", "good")), slow: time.Second}
		v, _ := e.verifier(t)
		accepts(t, v, named("ES256", "stolen"))
		e.set(document(jwk(p384Key(), "kid", "good")), nil)
		time.Sleep(15*time.Minute + time.Second)
		accepts(t, v, named("ES384", "good")) // a token with a known key does not wait for the fetch
		time.Sleep(2 * time.Second)
		refuses(t, v, named("ES256", "stolen"), access.Unavailable, `its key "stolen" is not among the 1 of the JWKS`)
		e.fetched(t, 2)
	})
}

// TestUnknownKeysDoNotFloodTheEndpoint: anyone can send tokens with unknown keys.
func TestUnknownKeysDoNotFloodTheEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{doc: document(jwk(p256Key(), "kid", "good")), slow: time.Second}
		v, _ := e.verifier(t)
		token := named("ES256", "nobody's")
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { refuses(t, v, token, access.UnknownKey, `its key "nobody's"`) })
		}
		all.Wait()
		e.fetched(t, 1)
		for range 60 { // a minute
			if _, err := v.Verify(t.Context(), token); err == nil {
				t.Error("the token is accepted")
			}
			time.Sleep(time.Second)
		}
		if e.fetches > 7 {
			t.Errorf("%d fetches in a minute", e.fetches)
		}
	})
}

func TestKeysStayValidWhileTheEndpointIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{doc: document(jwk(p256Key(), "kid", "good"))}
		v, log := e.verifier(t)
		accepts(t, v, named("ES256", "good"))
		e.set(nil, errors.New("the endpoint is down"))
		time.Sleep(23 * time.Hour)
		accepts(t, v, named("ES256", "good"))
		synctest.Wait()
		if !strings.Contains(log.String(), "the endpoint is down") {
			t.Errorf("the failure is not logged: %s", log)
		}
		refuses(t, v, named("ES256", "new"), access.Unavailable, `its key "new" is unknown, and the JWKS cannot be fetched: the endpoint is down`)
		time.Sleep(time.Hour + time.Second)
		refuses(t, v, named("ES256", "good"), access.Unavailable, "the endpoint is down")
		e.set(document(jwk(p256Key(), "kid", "good")), nil)
		time.Sleep(11 * time.Second)
		accepts(t, v, named("ES256", "good"))
	})
}

// TestFetchContinuesAfterItsClientDisconnects: otherwise a client that keeps reconnecting could keep out all new keys.
func TestFetchContinuesAfterItsClientDisconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{doc: document(jwk(p256Key(), "kid", "good")), slow: 2 * time.Second}
		v, _ := e.verifier(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		token := named("ES256", "good")
		_, err := v.Verify(ctx, token)
		wantRefusal(t, err, access.Unavailable, "deadline exceeded", token)
		accepts(t, v, token)
		e.fetched(t, 1)
	})
}

func TestFetchTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{slow: time.Hour}
		v, _ := e.verifier(t)
		began := time.Now()
		refuses(t, v, named("ES256", "good"), access.Unavailable, "deadline exceeded")
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("given up after %v", took)
		}
	})
}

func TestRefreshReturnsTheErrorOfTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{err: errors.New("no such host")}
		v, _ := e.verifier(t)
		if err := v.JWKS.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "no such host") {
			t.Error(err)
		}
		e.set(document(jwk(p256Key())), nil)
		time.Sleep(10 * time.Second)
		if err := v.JWKS.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseCancelsAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{slow: time.Hour, doc: document(jwk(p256Key()))}
		v, _ := e.verifier(t)
		done := make(chan error)
		go func() { done <- v.JWKS.Refresh(t.Context()) }()
		synctest.Wait()
		v.JWKS.Close()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		refuses(t, v, named("ES256", "good"), access.Unavailable, "the JWKS was closed")
		e.fetched(t, 1)
	})
}

// TestTokenWithoutAKeyIDIsTriedOnFewKeys: such a token could be signed with any key of the document.
func TestTokenWithoutAKeyIDIsTriedOnFewKeys(t *testing.T) {
	keys := make([]map[string]any, 9)
	for i := range keys {
		keys[i] = jwk(p256Key(), "kid", fmt.Sprint(i))
	}
	v, _ := (&endpoint{doc: document(keys...)}).verifier(t)
	token := forge("ES256", `{"alg":"ES256"}`, `{`+grants+`}`)
	refuses(t, v, token, access.UnknownKey, "it has no key ID (kid), and the JWKS has 9 keys for its algorithm")
	accepts(t, v, named("ES256", "8"))
	v, _ = (&endpoint{doc: document(keys[:8]...)}).verifier(t)
	accepts(t, v, token)
}

func TestConfiguredKeysAreTriedBeforeTheJWKS(t *testing.T) {
	e := &endpoint{err: errors.New("down")}
	v, _ := e.verifier(t)
	v.Keys = []access.Key{keyFor("HS256")}
	accepts(t, v, hs256(`{`+grants+`}`))
	if e.fetches != 0 {
		t.Errorf("%d fetches", e.fetches)
	}
}
