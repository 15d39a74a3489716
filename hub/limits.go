package hub

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/internal/wire"
)

// limits applies the limits on streams and on the rate of publishing. New streams over a limit are refused; open streams are never
// evicted.
type limits struct {
	most, mostHTTP1, perAddress, perToken int // streams; 0: no limit

	addressRate *buckets[address]
	tokenRate   *buckets[holder]

	mu        sync.Mutex // guards the following
	open      int
	http1     int             // of open
	addresses map[address]int // streams of each network
	tokens    map[holder]int  // streams of each subject or token
}

func newLimits(o *Options) *limits {
	return &limits{
		most: o.MaxConnections, mostHTTP1: o.MaxHTTP1Streams, perAddress: o.MaxPerAddress, perToken: o.MaxPerToken,
		addressRate: newBuckets[address](o.PublishPerAddress), tokenRate: newBuckets[holder](o.PublishPerToken),
		addresses: make(map[address]int), tokens: make(map[holder]int),
	}
}

func (o *Options) checkLimits() error {
	if o.MaxBodyMemory > 0 && o.MaxBodyMemory < 2*largestBody*int64(orElse(o.MaxEvent, defaultMaxEvent)) {
		return fmt.Errorf("hub: MaxBodyMemory is %d, and must be at least %d times MaxEvent", o.MaxBodyMemory, 2*largestBody)
	}
	for _, r := range []Rate{o.PublishPerAddress, o.PublishPerToken} {
		if r.PerSecond < 0 || r.Burst < 0 || math.IsNaN(r.PerSecond) || math.IsInf(r.PerSecond, 0) || r.PerSecond == 0 && r.Burst > 0 {
			return fmt.Errorf("hub: the rate %+v is invalid: PerSecond must be positive and finite, or 0 with Burst 0, and Burst must not be negative", r)
		}
	}
	return nil
}

// holder identifies the holder of a token for limits: its subject; without a subject, the token's ID; without an ID, the token itself. The
// zero holder stands for requests without a token.
type holder struct {
	subject, token string
	credential     uint64
}

func holderOf(g *access.Grant) holder {
	switch {
	case g.Subject != "":
		return holder{subject: g.Subject}
	case g.ID != "":
		return holder{token: g.ID}
	}
	return holder{credential: g.Credential}
}

// limit is a limit in metrics.
type limit int

const (
	limitConnections limit = iota
	limitAddress
	limitToken
	limitAddressRate
	limitTokenRate
	limitBodies
	limitAddressBodies
	limitTokenBodies
	limitMembers
	limitAddressMembers
	limitTokenMembers
	limitCount
)

func (l limit) String() string {
	return [limitCount]string{
		"connections", "connections_per_address", "connections_per_token", "publish_per_address", "publish_per_token",
		"body_memory", "body_memory_per_address", "body_memory_per_token", "members", "members_per_address", "members_per_token",
	}[l]
}

// limitError is the cause of a problem: a limit was reached.
type limitError struct{ limit limit }

func (e *limitError) Error() string { return "the limit is reached: " + e.limit.String() }

// retryAfter is the Retry-After of refusals whose end the hub cannot predict.
const retryAfter = 5 * time.Second

// enter counts a new stream until exit, or returns a problem if a limit is reached. http1 says that the stream has a connection of its own.
func (l *limits) enter(http1 bool, from address, g *access.Grant) error {
	network, who := from.network(), holderOf(g)
	l.mu.Lock()
	defer l.mu.Unlock()
	var p *Problem
	switch {
	case l.most > 0 && l.open >= l.most:
		p = NewProblem(http.StatusServiceUnavailable, wire.ProblemFull, "the hub has %d streams open, which is its limit; try again later", l.most)
		p.Err = &limitError{limitConnections}
	case l.mostHTTP1 > 0 && http1 && l.http1 >= l.mostHTTP1:
		p = NewProblem(http.StatusServiceUnavailable, wire.ProblemFull, "the hub has %d streams over HTTP/1.1 open, which is its limit; try again later, or use HTTP/2", l.mostHTTP1)
		p.Err = &limitError{limitConnections}
	case l.perAddress > 0 && from.known() && l.addresses[network] >= l.perAddress:
		p = NewProblem(http.StatusTooManyRequests, wire.ProblemTooManyStreams, "your address has %d streams open, which is its limit; close one, or share one between pages", l.perAddress)
		p.Err = &limitError{limitAddress}
	case l.perToken > 0 && who != (holder{}) && l.tokens[who] >= l.perToken:
		p = NewProblem(http.StatusTooManyRequests, wire.ProblemTooManyStreams, "the holder of this token has %d streams open, which is the limit; close one, or share one between pages", l.perToken)
		p.Err = &limitError{limitToken}
	default:
		l.open++
		if http1 {
			l.http1++
		}
		count(l.perAddress > 0 && from.known(), l.addresses, network)
		count(l.perToken > 0 && who != (holder{}), l.tokens, who)
		return nil
	}
	p.RetryAfter = retryAfter
	return p
}

func count[K comparable](counts bool, in map[K]int, k K) {
	if counts {
		in[k]++
	}
}

// exit stops counting a stream.
func (l *limits) exit(http1 bool, from address, g *access.Grant) {
	network, who := from.network(), holderOf(g)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if http1 {
		l.http1--
	}
	discount(from.known(), l.addresses, network)
	discount(who != (holder{}), l.tokens, who)
}

func discount[K comparable](counts bool, in map[K]int, k K) {
	switch n := in[k]; {
	case !counts:
	case n > 1:
		in[k] = n - 1
	default:
		delete(in, k)
	}
}

// publish counts up to n events that a publisher may publish now, but none if they are fewer than least. If that is not all, the problem says
// when to continue.
func (l *limits) publish(from address, g *access.Grant, n, least int) (taken int, p *Problem) {
	if least > 1 {
		if p := l.tooMany(from, g, least); p != nil {
			return 0, p
		}
	}
	if taken = n; l.addressRate == nil && l.tokenRate == nil {
		return taken, nil
	}
	now := time.Now()
	if from.known() {
		var wait time.Duration
		if taken, wait = l.addressRate.take(from.network(), n, least, now); taken < n {
			p = tooFast(limitAddressRate, "from your address", l.addressRate.rate, wait)
		}
	}
	if who := holderOf(g); who != (holder{}) {
		may, wait := l.tokenRate.take(who, taken, least, now)
		if may < taken {
			p = tooFast(limitTokenRate, "with this token", l.tokenRate.rate, wait)
			if from.known() {
				l.addressRate.giveBack(from.network(), taken-may)
			}
			taken = may
		}
	}
	return taken, p
}

// giveBack uncounts n events that were not stored.
func (l *limits) giveBack(from address, g *access.Grant, n int) {
	if from.known() {
		l.addressRate.giveBack(from.network(), n)
	}
	if who := holderOf(g); who != (holder{}) {
		l.tokenRate.giveBack(who, n)
	}
}

// tooMany returns a problem if n events can never be published at once.
func (l *limits) tooMany(from address, g *access.Grant, n int) *Problem {
	reached, whose, most := limitAddressRate, "from your address", l.addressRate.most()
	if !from.known() || n <= most {
		reached, whose, most = limitTokenRate, "with this token", l.tokenRate.most()
		if holderOf(g) == (holder{}) || n <= most {
			return nil
		}
	}
	p := NewProblem(http.StatusRequestEntityTooLarge, wire.ProblemTooLarge,
		"the request has %d events to be stored together, and the limit %s is %d at once; send fewer at once", n, whose, most)
	p.Err = &limitError{reached}
	return p
}

func tooFast(reached limit, whose string, r Rate, wait time.Duration) *Problem {
	p := NewProblem(http.StatusTooManyRequests, wire.ProblemTooFast,
		"the limit is %g events a second %s, and %d at once; continue in %v", r.PerSecond, whose, r.Burst, wait.Round(time.Millisecond))
	p.RetryAfter = cmp.Or(wait, time.Millisecond)
	p.Err = &limitError{reached}
	return p
}
