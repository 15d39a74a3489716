package hub

import (
	"net/http"
	"sync"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/internal/wire"
)

// defaultBodyMemory is the default of [Options.MaxBodyMemory].
const defaultBodyMemory = 128 << 20

// largestBody is the memory that one body may need, as a multiple of [Options.MaxEvent]: base64 in a growing buffer, and its decoded
// form. The budget has space for two such bodies, so that one publisher, who gets half of it, can publish the largest event.
const largestBody = 3

// bodyMemory is the memory budget of all request bodies. It limits data that waits for the network or the disk: bytes count from their
// arrival until they are stored.
//
// The first bytes of each body (see uncounted) do not count. The number of connections limits them, like the connections' buffers. So
// small events are accepted even when large ones have used up the budget.
type bodyMemory struct {
	most  int64 // bytes of all bodies
	share int64 // bytes of one address or one token

	mu        sync.Mutex // guards the following, and rent.held and closed
	taken     int64
	addresses map[address]int64 // bytes of each network
	tokens    map[holder]int64  // bytes of each subject or token
}

func newBodyMemory(most int64) *bodyMemory {
	return &bodyMemory{most: most, share: most / 2, addresses: make(map[address]int64), tokens: make(map[holder]int64)}
}

// inUse returns how many bytes of the budget are reserved.
func (m *bodyMemory) inUse() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.taken
}

// rent is the reserved memory of one body. It is safe for concurrent use.
type rent struct {
	memory *bodyMemory
	from   address
	grant  *access.Grant
	held   int64 // including the bytes that do not count
	closed bool  // the request is over
}

// counted returns how many of the bytes that a body holds count.
func counted(held int64) int64 { return max(held-uncounted, 0) }

// take reserves memory, or returns a problem if a limit is reached or the request is over.
func (r *rent) take(n int64) error {
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.closed {
		return NewProblem(http.StatusInternalServerError, wire.ProblemInternal, "the request is over and can reserve no memory")
	}
	more := counted(r.held+n) - counted(r.held)
	if more <= 0 {
		r.held += n
		return nil
	}
	network, who := r.from.network(), holderOf(r.grant)
	var p *Problem
	switch {
	case counted(r.held+n) > m.share:
		return NewProblem(http.StatusRequestEntityTooLarge, wire.ProblemTooLarge,
			"the body takes more than the %d bytes of memory that one publisher may use; send less at once, or ask the hub's operator to raise the limit", m.share)
	case r.from.known() && m.addresses[network]+more > m.share:
		p = NewProblem(http.StatusTooManyRequests, wire.ProblemTooManyBodies, "the bodies from your address take more than %d bytes of memory; send fewer at once", m.share)
		p.Err = &limitError{limitAddressBodies}
	case who != (holder{}) && m.tokens[who]+more > m.share:
		p = NewProblem(http.StatusTooManyRequests, wire.ProblemTooManyBodies, "the bodies with this token take more than %d bytes of memory; send fewer at once", m.share)
		p.Err = &limitError{limitTokenBodies}
	case m.taken+more > m.most:
		p = NewProblem(http.StatusServiceUnavailable, wire.ProblemFull, "all %d bytes of memory for bodies are in use; try again later", m.most)
		p.Err = &limitError{limitBodies}
	default:
		r.add(network, who, more)
		r.held += n
		return nil
	}
	p.RetryAfter = retryAfter
	return p
}

// giveBack releases reserved memory.
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

// end releases all memory of the body. No other goroutine uses the rent then.
func (r *rent) end() { r.giveBack(r.held) }

// close releases all memory, and makes take fail from then on: nothing would release what it reserves.
func (r *rent) close() {
	r.memory.mu.Lock()
	r.closed = true
	r.memory.mu.Unlock()
	r.end()
}

// add counts n more bytes, or fewer if n is negative.
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
