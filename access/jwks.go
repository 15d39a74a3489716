package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// JWKS is a JSON Web Key Set (RFC 7517): a document of public keys that an issuer publishes and changes. The JWKS fetches the
// document when the first token needs it.
//
// A token with an unknown key ID waits for the document to be fetched again, because the key may be new. The document is fetched at
// most once in 10 seconds; until then such tokens get a temporary refusal. A document older than 15 minutes is fetched again in the
// background, so that removed keys are soon refused. If it cannot be fetched, its keys stay valid for a day. After that they are
// dropped, and refusals are temporary.
type JWKS struct {
	fetch      func(context.Context) ([]byte, error)
	algorithms []string
	logger     *slog.Logger

	ctx     context.Context // of all fetches; canceled by Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex    // guards the following fields
	set     []Key         // from the last successful fetch
	at      time.Time     // when that fetch started
	asked   time.Time     // when the last fetch started
	failure error         // of the last fetch
	busy    chan struct{} // closed when the running fetch ends; nil: none is running
}

const (
	jwksPause   = 10 * time.Second // between the starts of two fetches
	jwksAge     = 15 * time.Minute // after which the document is fetched again
	jwksKept    = 24 * time.Hour   // for which keys stay valid without a successful fetch
	jwksTimeout = 10 * time.Second // of one fetch
)

// JWKSOptions are the options of [NewJWKS]. Nil and the zero value mean the defaults.
type JWKSOptions struct {
	// Algorithms lists the accepted algorithms. Empty: for each key the algorithm that the document names, or the usual one of
	// its type, see [ParseKey]. Algorithms with a secret, such as HS256, are never accepted.
	Algorithms []string

	// Logger receives failed fetches and keys that are not used. Nil: slog.Default.
	Logger *slog.Logger
}

// NewJWKS returns a key set that is read from the document that fetch returns. The context of fetch ends after 10 seconds; fetch may
// refuse documents larger than 1 MiB. The caller closes the JWKS. NewJWKS fails on an algorithm that cannot have a public key.
func NewJWKS(fetch func(context.Context) ([]byte, error), o *JWKSOptions) (*JWKS, error) {
	if o == nil {
		o = &JWKSOptions{}
	}
	for _, alg := range o.Algorithms {
		if method := methods[alg]; method == nil || isSecret(alg) {
			return nil, fmt.Errorf("access: a JWKS cannot have keys for the algorithm %q; use one of %s", alg, strings.Join(publicAlgorithms(), ", "))
		}
	}
	j := &JWKS{fetch: fetch, algorithms: o.Algorithms, logger: o.Logger}
	if j.logger == nil {
		j.logger = slog.Default()
	}
	j.ctx, j.cancel = context.WithCancel(context.Background())
	return j, nil
}

// Close cancels a running fetch and waits for its end. After Close only tokens with known keys are accepted.
func (j *JWKS) Close() {
	j.mu.Lock() // no fetch starts after the cancel
	j.cancel()
	j.mu.Unlock()
	j.running.Wait()
}

// Refresh fetches the document, unless the last fetch started within 10 seconds, and returns the error of the last fetch. Calling it
// is optional: a hub does so when it starts, so that its operator learns of a wrong URL before the users do.
func (j *JWKS) Refresh(ctx context.Context) error {
	if _, err := j.wait(ctx); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failure
}

// find returns the keys that may have signed a token. The error is a *Refusal.
func (j *JWKS) find(ctx context.Context, t *parts) ([]Key, error) {
	keys, at := j.current()
	if fit := named(keys, t.kid); len(fit) > 0 {
		if time.Since(at) > jwksAge {
			j.startFetch()
		}
		return t.limitKeys(fit)
	}
	asked, err := j.wait(ctx)
	if err != nil {
		return nil, refuse(Unavailable, noKeys, "waiting for the JWKS: %v", err)
	}
	keys, at = j.current()
	if fit := named(keys, t.kid); len(fit) > 0 {
		return t.limitKeys(fit)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failure != nil { // the document that could not be fetched may have the key
		return nil, refuse(Unavailable, noKeys, "its key %.100q is unknown, and the JWKS cannot be fetched: %v", t.kid, j.failure)
	}
	if !asked { // the key may be newer than the document
		return nil, refuse(Unavailable, noKeys, "its key %.100q is not among the %d of the JWKS, which was fetched just now; it is fetched again in a moment", t.kid, len(keys))
	}
	return nil, refuse(UnknownKey, notOurs, "its key %.100q is not among the %d of the JWKS, fetched %v ago", t.kid, len(keys), time.Since(at).Round(time.Second))
}

// current returns the keys that are still valid, and when they were fetched.
func (j *JWKS) current() ([]Key, time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if time.Since(j.at) > jwksKept {
		return nil, j.at
	}
	return j.set, j.at
}

// named returns the keys with an ID, and the keys without one, which may have signed any token. For a token without an ID it returns
// all keys.
func named(keys []Key, kid string) []Key {
	if kid == "" {
		return keys
	}
	var fit []Key
	for _, k := range keys {
		if k.id == kid || k.id == "" {
			fit = append(fit, k)
		}
	}
	return fit
}

// maxTries is how many keys are tried on one token. It bounds the cost of a token made to be expensive.
const maxTries = 8

// limitKeys returns the keys for the token's algorithm, at most maxTries. If there are none it returns all keys, for the refusal to
// list their algorithms.
func (t *parts) limitKeys(keys []Key) ([]Key, error) {
	var fit []Key
	for _, k := range keys {
		if slices.Contains(k.algs, t.alg) {
			fit = append(fit, k)
		}
	}
	switch {
	case len(fit) == 0:
		return keys, nil
	case len(fit) > maxTries:
		return nil, refuse(UnknownKey, notOurs, "it has no key ID (kid), and the JWKS has %d keys for its algorithm; at most %d are tried", len(fit), maxTries)
	}
	return fit, nil
}

// wait waits for the running fetch, or starts one. If the last one started less than jwksPause ago, it returns false at once.
func (j *JWKS) wait(ctx context.Context) (asked bool, err error) {
	busy := j.startFetch()
	if busy == nil {
		return false, nil
	}
	select {
	case <-busy:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// startFetch starts a fetch, unless one is running or the last one started less than jwksPause ago. It returns a channel that is
// closed when the running fetch ends, or nil.
func (j *JWKS) startFetch() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.busy != nil:
		return j.busy
	case j.ctx.Err() != nil:
		j.failure = errors.New("the JWKS was closed")
		return nil
	case !j.asked.IsZero() && time.Since(j.asked) < jwksPause:
		return nil
	}
	j.asked = time.Now()
	busy := make(chan struct{})
	j.busy = busy
	j.running.Go(func() { j.refresh(busy) })
	return busy
}

// refresh fetches the document. It does not use the context of the token that started it, because other tokens wait for it too.
func (j *JWKS) refresh(busy chan struct{}) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(j.ctx, jwksTimeout)
	defer cancel()
	doc, err := j.fetch(ctx)
	var keys []Key
	var skipped []error
	if err == nil {
		keys, skipped, err = parseJWKS(doc, j.algorithms)
	}
	j.log(err, skipped)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failure = err; err == nil {
		j.set, j.at = keys, began
	}
	j.busy = nil
	close(busy)
}

// log reports a failed fetch and skipped keys. As long as older keys are valid, clients notice neither.
func (j *JWKS) log(err error, skipped []error) {
	if err != nil {
		j.logger.Error("cannot fetch the keys for tokens; keys fetched before stay valid for a day", "error", err)
	}
	for _, s := range skipped {
		j.logger.Warn(s.Error())
	}
}
