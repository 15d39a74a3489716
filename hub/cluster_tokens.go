package hub

import (
	"sync"

	"github.com/tidings-sse/tidings/hub/internal/peers"
)

// mostStrangers limits the table. With more, hubs may be logged again.
const mostStrangers = 1000

// strangers are the hubs that were logged because they check tokens differently. The zero value has none.
type strangers struct {
	mu     sync.Mutex // guards logged
	logged map[stranger]bool
}

// stranger is a process of a hub.
type stranger struct{ name, instance, tokens string }

// fresh reports whether a hub is not known to differ yet, and notes it.
func (s *strangers) fresh(hello *peers.Hub) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := stranger{hello.Name, hello.Instance, hello.Tokens}
	if s.logged[one] {
		return false
	}
	if s.logged == nil || len(s.logged) >= mostStrangers {
		s.logged = map[stranger]bool{}
	}
	s.logged[one] = true
	return true
}

// compareTokens warns of a hub that checks tokens differently: behind a load balancer, clients would be refused now and then. A hub that was restarted
// is compared again.
func (c *cluster) compareTokens(hello *peers.Hub) {
	if hello.Tokens == c.opts.Tokens || hello.Tokens == "" || c.opts.Tokens == "" || !c.strangers.fresh(hello) {
		return
	}
	c.hub.opts.Logger.Warn("another hub of the cluster checks tokens differently, so some tokens are valid only on one of the two: give all hubs the same keys, issuer, audience and public topics",
		"hub", hello.Name, "url", hello.URL)
}
