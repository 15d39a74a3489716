package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

const testSecret = "a secret of tests, which is 32 or more bytes long"

// mint returns a token that may publish and subscribe to everything.
func mint(t *testing.T, key, subject string) string {
	t.Helper()
	signer, err := access.ParseSigner([]byte(key), "")
	if err != nil {
		t.Fatal(err)
	}
	return mintWith(t, signer, subject)
}

func mintWith(t *testing.T, signer *access.Signer, subject string) string {
	t.Helper()
	all := []eventlog.Matcher{eventlog.MustPattern("**")}
	token, err := signer.Mint(access.Grant{Subject: subject, Publish: all, Subscribe: all, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// keyPair returns a P-256 key pair in PEM, and the public key as a JWK.
func keyPair(t *testing.T, id string) (private, public, jwk string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	jwk = fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":%q,"x":%q,"y":%q}`, id, b64(point[1:33]), b64(point[33:]))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})), jwk
}

func TestServeAcceptsTokensOfEveryKey(t *testing.T) {
	private, public, _ := keyPair(t, "")
	const another = "another secret of 32 or more bytes for tests"
	s := startServe(t, environ{"TIDINGS_KEY=" + testSecret}, "--key-file", writeFile(t, "key", another+"\n"), "--public-key", writeFile(t, "key.pem", public))
	s.out.await(t, "tidings token mint")
	for name, test := range map[string]struct {
		key  string
		want int
	}{
		"environment": {testSecret, http.StatusOK},
		"file":        {another, http.StatusOK},
		"public key":  {private, http.StatusOK},
		"no key":      {"a secret that nobody has given to the hub", http.StatusUnauthorized},
	} {
		answer, text := ask(t, clientOf(t, nil), http.MethodPost, s.url+"/events/news", "hello", "Authorization", "Bearer "+mint(t, test.key, "ann"))
		if answer.StatusCode != test.want {
			t.Errorf("%s: %s %s", name, answer.Status, text)
		}
	}
	if answer, text := ask(t, clientOf(t, nil), http.MethodPost, s.url+"/events/news", "hello"); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("no token: %s %s", answer.Status, text)
	}
}

func TestServeRefusesInvalidKeys(t *testing.T) {
	_, public, _ := keyPair(t, "")
	secret, pem := writeFile(t, "secret", testSecret), writeFile(t, "key.pem", public)
	for want, test := range map[string]struct {
		env  environ
		args []string
	}{
		"no such file":                                                {nil, []string{"--key-file", "nowhere"}},
		"short: weak secret: it has 5 bytes":                          {nil, []string{"--key-file", writeFile(t, "short", "short")}},
		"environment TIDINGS_KEY: weak secret":                        {environ{"TIDINGS_KEY=short"}, nil},
		"has a public key, not a secret\nhint: --public-key " + pem:   {nil, []string{"--key-file", pem}},
		"has a secret, not a public key\nhint: --key-file " + secret:  {nil, []string{"--public-key", secret}},
		"not with RS256":                                              {nil, []string{"--key-file", secret, "--jwt-alg", "RS256"}},
		"--jwt-alg":                                                   {nil, []string{"--key-file", secret, "--jwt-alg", "none"}},
		"--jwks-url with --jwt-alg":                                   {nil, []string{"--jwks-url", "https://id.example/keys", "--jwt-alg", "HS256"}},
		"--jwks-url: http://id.example/keys is not safe":              {nil, []string{"--jwks-url", "http://id.example/keys"}},
		"--jwks-url: the URL has no scheme: write https:// before it": {nil, []string{"--jwks-url", "id.example/keys"}},
		"no scheme: write https:// before":                            {nil, []string{"--jwks-url", "127.0.0.1:9000/keys"}},
		"has no scheme: write https://":                               {nil, []string{"--jwks-url", "localhost:9000/keys"}},
		"public keys need no password":                                {nil, []string{"--jwks-url", "https://me:secret@id.example/keys"}},
		"without a key every client may do everything":                {nil, []string{"--jwt-issuer", "https://id.example"}},
	} {
		code, out, complaint := sayIn(t, test.env, append([]string{"serve", "--memory", "--addr", "localhost:0"}, test.args...)...)
		if code == 0 || out != "" || !strings.Contains(complaint, want) || strings.Contains(complaint, "secret@") {
			t.Errorf("%q: exit code %d, output %q, %s\nwant %s", test.args, code, out, complaint, want)
		}
	}
}

func TestServeReadsTheTokenFromHeaderCookieAndQueryInThisOrder(t *testing.T) {
	ann, bob, eve := mint(t, testSecret, "ann"), mint(t, testSecret, "bob"), mint(t, "a secret that nobody has given to the hub", "eve")
	s := startServe(t, environ{"TIDINGS_KEY=" + testSecret}, "--token-cookie", "session", "--token-query")
	only := startServe(t, environ{"TIDINGS_KEY=" + testSecret})
	for _, test := range []struct {
		name                 string
		s                    *served
		field, cookie, query string
		status               int
		subject, detail      string
	}{
		{name: "header", s: s, field: "Bearer " + ann, status: 200, subject: "ann"},
		{name: "header, otherwise written", s: s, field: "bearer   " + ann, status: 200, subject: "ann"},
		{name: "cookie", s: s, cookie: ann, status: 200, subject: "ann"},
		{name: "query", s: s, query: ann, status: 200, subject: "ann"},
		{name: "header before cookie and query", s: s, field: "Bearer " + ann, cookie: bob, query: bob, status: 200, subject: "ann"},
		{name: "cookie before query", s: s, cookie: ann, query: bob, status: 200, subject: "ann"},
		{name: "a bad one is not passed over", s: s, field: "Bearer " + eve, cookie: ann, query: ann, status: 401, detail: "signed with a key"},
		{name: "the password of a proxy is", s: s, field: "Basic YTpi", cookie: ann, status: 200, subject: "ann"},
		{name: "a token alone", s: s, field: ann, status: 401, detail: "write the word Bearer"},
		{name: "a scheme alone", s: s, field: "Bearer ", status: 401, detail: "write the word Bearer"},
		{name: "none", s: s, status: 401},
		{name: "cookie, not enabled", s: only, cookie: ann, status: 401},
		{name: "query, not enabled", s: only, query: ann, status: 400, detail: "access_token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var header []string
			if test.field != "" {
				header = append(header, "Authorization", test.field)
			}
			if test.cookie != "" {
				header = append(header, "Cookie", "a=b; session="+test.cookie)
			}
			url := test.s.url + "/events?topic=" + strings.ReplaceAll(test.name, " ", "%20")
			if test.query != "" {
				url += "&access_token=" + test.query
			}
			header = append(header, requestID, strings.ReplaceAll(test.name, " ", "-"))
			answer, text := ask(t, clientOf(t, nil), http.MethodPost, url, "hello", header...)
			if answer.StatusCode != test.status || !strings.Contains(text, test.detail) {
				t.Errorf("%s %s, want %d %s", answer.Status, text, test.status, test.detail)
			}
			if answer.StatusCode == http.StatusOK {
				test.s.log.await(t, `msg=request id=`+answer.Header.Get(requestID)+` .*subject=`+test.subject+"\n")
			}
		})
	}
	for _, s := range []*served{s, only} {
		s.stop()
		for _, token := range []string{ann, bob, eve} {
			if text, _ := s.log.now(); strings.Contains(text, token) || strings.Contains(text, token[strings.LastIndex(token, "."):]) {
				t.Errorf("the log has a token:\n%s", text)
			}
		}
	}
}

func TestPublicTopicsNeedNoToken(t *testing.T) {
	s := startServe(t, environ{"TIDINGS_KEY=" + testSecret}, "--public", "news/**")
	for path, want := range map[string]int{"/events/news/a?poll=1": http.StatusOK, "/events/chat?poll=1": http.StatusUnauthorized} {
		if answer, text := ask(t, clientOf(t, nil), http.MethodGet, s.url+path, ""); answer.StatusCode != want {
			t.Errorf("%s: %s %s", path, answer.Status, text)
		}
	}
	if answer, text := ask(t, clientOf(t, nil), http.MethodPost, s.url+"/events/news/a", "x"); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("publishing: %s %s", answer.Status, text)
	}
}

func TestServeFetchesTheJWKS(t *testing.T) {
	private, _, jwk := keyPair(t, "one")
	var asked atomic.Int64
	published := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = fmt.Fprintf(w, `{"keys":[%s]}`, jwk) // a client that has gone is seen by the test
	}))
	defer published.Close()
	s := startServe(t, nil, "--jwks-url", published.URL)
	for range 3 {
		answer, text := ask(t, clientOf(t, nil), http.MethodPost, s.url+"/events/news", "x", "Authorization", "Bearer "+mint(t, private, "ann"))
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s %s", answer.Status, text)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times for three tokens", n)
	}
}

// TestServeLogsAFailedKeyFetchAtItsStart: a wrong URL was not reported before the first token arrived.
func TestServeLogsAFailedKeyFetchAtItsStart(t *testing.T) {
	published := httptest.NewServer(http.NotFoundHandler())
	defer published.Close()
	s := startServe(t, nil, "--jwks-url", published.URL+"/keys")
	s.log.await(t, `level=ERROR msg="cannot fetch the keys for tokens.*/keys answers 404`)
}

// After a redirect to plain HTTP, an attacker on the way could replace the keys. An endless document would fill the memory.
func TestUnsafeKeyDocumentsAreRefused(t *testing.T) {
	published := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/elsewhere":
			http.Redirect(w, r, "http://keys.invalid/", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		default:
			http.NotFound(w, r)
		}
	}))
	defer published.Close()
	for path, want := range map[string]string{
		"/elsewhere": "it redirects to http://keys.invalid/", "/round": "it redirects to", "/endless": "has more than 1048576 bytes", "/none": "answers 404",
	} {
		if _, err := fetchJWKS(published.URL + path)(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}
