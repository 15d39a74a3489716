package hub

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/access"
)

// limits say who may come in. Who is in stays: it is always the newcomer who is refused.
type limits struct {
	most, perAddress, perToken int // streams; 0: no bound

	addressRate *buckets[address]
	tokenRate   *buckets[holder]

	mu        sync.Mutex // guards the following
	open      int
	addresses map[address]int // streams of each network,
	tokens    map[holder]int  // and of each subject or token
}

func newLimits(o *Options) *limits {
	return &limits{
		most: o.MaxConnections, perAddress: o.MaxPerAddress, perToken: o.MaxPerToken,
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
			return fmt.Errorf("hub: %+v is no rate; it has events per second, more than 0, and how many at once", r)
		}
	}
	return nil
}

// holder is whom limits count as one by token: the subject, or the token if it names none, by its ID if it has one. The zero holder is
// anybody.
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

// limit is one of the bounds, as metrics call it.
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
	limitCount
)

func (l limit) String() string {
	return [limitCount]string{
		"connections", "connections_per_address", "connections_per_token", "publish_per_address", "publish_per_token",
		"body_memory", "body_memory_per_address", "body_memory_per_token",
	}[l]
}

// limitError is a bound that was met.
type limitError struct{ limit limit }

func (e *limitError) Error() string { return "the limit is reached: " + e.limit.String() }

// comeBack is how soon somebody may try again for whom there was no room. Nobody knows when there is.
const comeBack = 5 * time.Second

// enter counts a stream in, until exit, or says why not.
func (l *limits) enter(from address, g *access.Grant) error {
	network, who := from.network(), holderOf(g)
	l.mu.Lock()
	defer l.mu.Unlock()
	var p *Problem
	switch {
	case l.most > 0 && l.open >= l.most:
		p = problem(http.StatusServiceUnavailable, problemFull, "the hub has all the streams that it takes, %d; come back later", l.most)
		p.Err = &limitError{limitConnections}
	case l.perAddress > 0 && from.known() && l.addresses[network] >= l.perAddress:
		p = problem(http.StatusTooManyRequests, problemTooManyStreams, "your address has %d streams open, and may have no more; close one, or share one between pages", l.perAddress)
		p.Err = &limitError{limitAddress}
	case l.perToken > 0 && who != (holder{}) && l.tokens[who] >= l.perToken:
		p = problem(http.StatusTooManyRequests, problemTooManyStreams, "whoever has this token has %d streams open, and may have no more; close one, or share one between pages", l.perToken)
		p.Err = &limitError{limitToken}
	default:
		l.open++
		count(l.perAddress > 0 && from.known(), l.addresses, network)
		count(l.perToken > 0 && who != (holder{}), l.tokens, who)
		return nil
	}
	p.RetryAfter = comeBack
	return p
}

func count[K comparable](counts bool, in map[K]int, k K) {
	if counts {
		in[k]++
	}
}

// exit counts a stream out.
func (l *limits) exit(from address, g *access.Grant) {
	network, who := from.network(), holderOf(g)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
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

// publish takes as many of n events as somebody may publish now. If that is not all, the problem says when there is more.
func (l *limits) publish(from address, g *access.Grant, n int) (taken int, p *Problem) {
	taken = n
	now := time.Now()
	if from.known() {
		var wait time.Duration
		if taken, wait = l.addressRate.take(from.network(), n, now); taken < n {
			p = tooFast(limitAddressRate, "from your address", l.addressRate.rate, wait)
		}
	}
	if who := holderOf(g); who != (holder{}) {
		may, wait := l.tokenRate.take(who, taken, now)
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

func tooFast(reached limit, whose string, r Rate, wait time.Duration) *Problem {
	p := problem(http.StatusTooManyRequests, problemTooFast,
		"%g events a second may be published %s, and %d at once; go on in %v", r.PerSecond, whose, r.Burst, wait.Round(time.Millisecond))
	p.RetryAfter = cmp.Or(wait, time.Millisecond)
	p.Err = &limitError{reached}
	return p
}
