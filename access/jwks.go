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

// JWKS is a set of keys that somebody else publishes and changes: a JSON Web Key Set (RFC 7517). It is fetched when the first token needs
// it, and kept.
//
// A token whose key is not known has the document fetched, for it may be a new key; such tokens wait for it. But whatever tokens come,
// it is not fetched more often than every 10 seconds, and one at a time; meanwhile refusals of unknown keys are temporary. A document that is older than 15 minutes is fetched again while
// tokens are checked with what there is, so that a key that was taken out of it is soon not accepted any more. If it cannot be fetched the
// keys stay good for a day; after that they are forgotten, and refusals are temporary.
type JWKS struct {
	fetch      func(context.Context) ([]byte, error)
	algorithms []string
	logger     *slog.Logger

	ctx     context.Context // of all fetches; ended by Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex    // guards the following
	set     []Key         // as of the last fetch that went well
	at      time.Time     // when that began
	asked   time.Time     // when the last fetch began
	failure error         // of the last fetch
	busy    chan struct{} // closed at the end of the fetch under way; nil: there is none
}

const (
	jwksPause   = 10 * time.Second
	jwksAge     = 15 * time.Minute
	jwksKept    = 24 * time.Hour
	jwksTimeout = 10 * time.Second // for one fetch
)

// JWKSOptions are those of [NewJWKS]. Nil and the zero value mean the defaults.
type JWKSOptions struct {
	// Algorithms are all that are accepted. Empty: for each key the one that the document says, or the usual one of its kind, see
	// [ParseKey]. Those of secrets, HS256 and so on, never are.
	Algorithms []string

	Logger *slog.Logger // of documents that could not be fetched, and keys that are not used; nil: slog.Default
}

// NewJWKS returns the keys in a document that fetch returns. Fetch obeys its context, which has 10 seconds, and needs to return no more
// than 1 MiB. The caller closes the JWKS. The error is an algorithm that cannot be.
func NewJWKS(fetch func(context.Context) ([]byte, error), o *JWKSOptions) (*JWKS, error) {
	if o == nil {
		o = &JWKSOptions{}
	}
	for _, alg := range o.Algorithms {
		if method := methods[alg]; method == nil || isSecret(alg) {
			return nil, fmt.Errorf("access: a JWKS has no keys for the algorithm %q; %s are those with public keys", alg, strings.Join(publicAlgorithms(), ", "))
		}
	}
	j := &JWKS{fetch: fetch, algorithms: o.Algorithms, logger: o.Logger}
	if j.logger == nil {
		j.logger = slog.Default()
	}
	j.ctx, j.cancel = context.WithCancel(context.Background())
	return j, nil
}

// Close ends a fetch that is under way and waits for its end. Tokens are refused after that, unless their key is already there.
func (j *JWKS) Close() {
	j.mu.Lock() // so that no fetch begins after it
	j.cancel()
	j.mu.Unlock()
	j.running.Wait()
}

// Refresh fetches the document, if that was not done in the last 10 seconds, and returns why that has failed. It need not be called; a hub
// does when it starts, so that its operator learns of a wrong address before its users do.
func (j *JWKS) Refresh(ctx context.Context) error {
	if _, err := j.wait(ctx); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failure
}

// find returns the keys that a token could be signed with. The error is a *Refusal.
func (j *JWKS) find(ctx context.Context, t *parts) ([]Key, error) {
	keys, at := j.current()
	if fit := named(keys, t.kid); len(fit) > 0 {
		if time.Since(at) > jwksAge {
			j.begin()
		}
		return t.few(fit)
	}
	asked, err := j.wait(ctx)
	if err != nil {
		return nil, refuse(Unavailable, noKeys, "the JWKS could not be waited for: %v", err)
	}
	keys, at = j.current()
	if fit := named(keys, t.kid); len(fit) > 0 {
		return t.few(fit)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failure != nil { // the key may be in the document that could not be fetched
		return nil, refuse(Unavailable, noKeys, "its key %.100q is not known, and the JWKS cannot be fetched: %v", t.kid, j.failure)
	}
	if !asked { // the key may be newer than the document, of which a client shall not despair
		return nil, refuse(Unavailable, noKeys, "its key %.100q is none of the %d in the JWKS, which was fetched just now; it is fetched again in a moment", t.kid, len(keys))
	}
	return nil, refuse(UnknownKey, notOurs, "its key %.100q is none of the %d in the JWKS, as of %v ago", t.kid, len(keys), time.Since(at).Round(time.Second))
}

// current returns the keys there are, and of when they are.
func (j *JWKS) current() ([]Key, time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if time.Since(j.at) > jwksKept {
		return nil, j.at
	}
	return j.set, j.at
}

// named returns the keys of that name. A token that names no key may be of any, and a key without a name may have signed any token.
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

// maxTries is how many keys are tried on one token, so that a token costs little, also one that was made to cost much.
const maxTries = 8

// few leaves out the keys of other algorithms, unless that leaves none, and the refusal has to say what there is.
func (t *parts) few(keys []Key) ([]Key, error) {
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
		return nil, refuse(UnknownKey, notOurs, "it names no key (kid), and %d in the JWKS are of its algorithm; %d would be tried", len(fit), maxTries)
	}
	return fit, nil
}

// wait waits for the fetch that is under way, or begun now. If the last one began a moment ago it returns at once, and that nobody was asked.
func (j *JWKS) wait(ctx context.Context) (asked bool, err error) {
	busy := j.begin()
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

// begin begins a fetch if there is none and the last one was not begun just now. It returns what is closed at its end.
func (j *JWKS) begin() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.busy != nil:
		return j.busy
	case j.ctx.Err() != nil:
		j.failure = errors.New("it was closed")
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

// refresh fetches the document. The token that asks for it may be given up while others wait for the same document.
func (j *JWKS) refresh(busy chan struct{}) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(j.ctx, jwksTimeout)
	defer cancel()
	doc, err := j.fetch(ctx)
	var keys []Key
	var left []error
	if err == nil {
		keys, left, err = parseJWKS(doc, j.algorithms)
	}
	j.tell(err, left)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failure = err; err == nil {
		j.set, j.at = keys, began
	}
	j.busy = nil
	close(busy)
}

// tell logs what is wrong, which nobody else hears of as long as the keys that are there are good enough.
func (j *JWKS) tell(err error, left []error) {
	if err != nil {
		j.logger.Error("the keys for tokens could not be fetched; those that are there are kept for a day", "error", err)
	}
	for _, l := range left {
		j.logger.Warn(l.Error())
	}
}
