package hub_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// keyed is a hub that requires tokens, in the Authorization field or in a cookie named token. It records its log lines.
type keyed struct {
	*site
	signer *access.Signer
	logs   *logs
}

// secretKey is the key that signs the tokens of tests.
const secretKey = "a secret of the tests with 32 bytes or more"

func mustSigner(t testing.TB) *access.Signer {
	t.Helper()
	signer, err := access.ParseSigner([]byte(secretKey), "HS256")
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// policyOf returns an Authorize that accepts the tokens of a signer.
func policyOf(signer *access.Signer, public ...string) func(*http.Request) (access.Grant, error) {
	policy := &access.Policy{Verifier: &access.Verifier{Keys: []access.Key{signer.Key()}}, Public: patterns(public...)}
	return hub.Tokens(policy, hub.TokenCookie("token"))
}

func patterns(texts ...string) (all []eventlog.Matcher) {
	for _, text := range texts {
		all = append(all, eventlog.MustPattern(text))
	}
	return all
}

// serveKeyed serves a hub on a log, with options.
func serveKeyed(t *testing.T, log eventlog.Log, o hub.Options, how transport) *keyed {
	t.Helper()
	k := &keyed{signer: mustSigner(t), logs: &logs{}}
	if o.Authorize == nil {
		o.Authorize = policyOf(k.signer, "public/**")
	}
	o.Logger = slog.New(slog.NewTextHandler(k.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	k.site = serve(t, log, &o, how)
	return k
}

// token returns a signed token for a grant.
func (k *keyed) token(g access.Grant) string {
	k.Helper()
	token, err := k.signer.Mint(g)
	if err != nil {
		k.Fatal(err)
	}
	return token
}

// bearer returns a header with a token.
func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// all returns a grant of all permissions.
func all(subject string) access.Grant {
	g := access.Everything()
	g.Subject = subject
	return g
}

// logs are the lines that the hub has logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
