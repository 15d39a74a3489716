package natsnode

import (
	"context"
	"net/netip"
	"testing"
)

// Leads reports whether this node leads the shared log.
func (n *Node) Leads() bool { return n.server.JetStreamIsStreamLeader(account, n.o.Stream) }

// HasStream reports whether this node has a copy of the shared log.
func (n *Node) HasStream() bool { return n.server.JetStreamIsStreamAssigned(account, n.o.Stream) }

// Disable stops JetStream, as a full disk does.
func (n *Node) Disable() error { return n.server.DisableJetStream() }

// FindPeers returns the addresses of all hubs, and this one's.
func (o *Options) FindPeers(ctx context.Context) ([]string, string, error) { return o.findPeers(ctx) }

// Resolve replaces DNS for a test.
func Resolve(t *testing.T, f func(context.Context, string) ([]netip.Addr, error)) {
	old := lookup
	lookup = f
	t.Cleanup(func() { lookup = old })
}
