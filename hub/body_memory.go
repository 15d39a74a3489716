package hub

import (
	"net/http"
	"sync"

	"github.com/tidings-sse/tidings/access"
)

// defaultBodyMemory is the standard of [Options.MaxBodyMemory].
const defaultBodyMemory = 128 << 20

// largestBody is how many times [Options.MaxEvent] the memory of one body may be: as base64, in a buffer that grows, then decoded. The
// budget has room for two such bodies, so that one sender alone can always publish the largest event.
const largestBody = 3

// bodyMemory is the budget for the memory of all bodies that are on their way into the log. It bounds what waits for the network and
// for the disk: bytes are counted when they have come, and no more when they are stored.
//
// The first bytes of each body (trusted) are not counted: like the buffers of its connection, they are bounded by the number of
// connections. So small events come in also when large ones have taken all there is.
type bodyMemory struct {
	most  int64 // of all
	share int64 // of one address, and of one token

	mu        sync.Mutex // guards the following, and what each rent holds
	taken     int64
	addresses map[address]int64 // what each network has taken,
	tokens    map[holder]int64  // and each subject or token
}

func newBodyMemory(most int64) *bodyMemory {
	return &bodyMemory{most: most, share: most / 2, addresses: make(map[address]int64), tokens: make(map[holder]int64)}
}

// inUse returns how much is taken.
func (m *bodyMemory) inUse() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.taken
}

// rent is what one body has taken of the budget. It is safe for concurrent use.
type rent struct {
	memory *bodyMemory
	from   address
	grant  *access.Grant
	held   int64 // the trusted bytes included
}

// counted is how much of what a body holds counts.
func counted(held int64) int64 { return max(held-trusted, 0) }

// take takes memory, or says why there is none.
func (r *rent) take(n int64) error {
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	more := counted(r.held+n) - counted(r.held)
	if more <= 0 {
		r.held += n
		return nil
	}
	network, who := r.from.network(), holderOf(r.grant)
	var p *Problem
	switch {
	case counted(r.held+n) > m.share:
		return problem(http.StatusRequestEntityTooLarge, problemTooLarge,
			"the body takes more than the %d bytes of memory that one sender may have; send less at once, or let the hub's operator raise the limit", m.share)
	case r.from.known() && m.addresses[network]+more > m.share:
		p = problem(http.StatusTooManyRequests, problemTooManyBodies, "the bodies that your address is sending take more than %d bytes of memory; send fewer at once", m.share)
		p.Err = &limitError{limitAddressBodies}
	case who != (holder{}) && m.tokens[who]+more > m.share:
		p = problem(http.StatusTooManyRequests, problemTooManyBodies, "the bodies that are sent with this token take more than %d bytes of memory; send fewer at once", m.share)
		p.Err = &limitError{limitTokenBodies}
	case m.taken+more > m.most:
		p = problem(http.StatusServiceUnavailable, problemFull, "the bodies that the hub is taking in have all the memory that is for them, %d bytes; come back later", m.most)
		p.Err = &limitError{limitBodies}
	default:
		r.add(network, who, more)
		r.held += n
		return nil
	}
	p.RetryAfter = comeBack
	return p
}

// giveBack returns memory that was taken.
func (r *rent) giveBack(n int64) {
	if n == 0 {
		return
	}
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if less := counted(r.held) - counted(r.held-n); less > 0 {
		r.add(r.from.network(), holderOf(r.grant), -less)
	}
	r.held -= n
}

// end returns all that was taken. Nobody uses the rent meanwhile.
func (r *rent) end() { r.giveBack(r.held) }

// add counts memory that is taken, or given back.
func (r *rent) add(network address, who holder, n int64) {
	m := r.memory
	m.taken += n
	if r.from.known() {
		addTo(m.addresses, network, n)
	}
	if who != (holder{}) {
		addTo(m.tokens, who, n)
	}
}

func addTo[K comparable](in map[K]int64, k K, n int64) {
	if in[k] += n; in[k] == 0 {
		delete(in, k)
	}
}
