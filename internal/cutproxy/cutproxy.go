// Package cutproxy is a TCP proxy for tests of clusters. Every connection between two nodes passes through it, so that a test can cut, delay
// and reset the network between them while they run.
//
// A [Network] has one link for each ordered pair of nodes: the address that the first node dials to reach the second. What a test does to a
// pair of nodes applies to the connections of both links, no matter which node has dialed.
//
// A cut is silent, as in a real network: connections stay open, bytes wait, and neither end gets a reset. One difference remains: the
// operating system accepts new connections on a link that is cut. They stay silent too.
package cutproxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Network connects nodes by links that can be cut. Its methods are safe for concurrent use. The zero value is not usable: call [New].
type Network struct {
	// Listen and Dial make the sockets of a node, for nodes that have networks of their own. Set them before the first Link. New sets a listener
	// on 127.0.0.1, and a plain dialer.
	Listen func(node string) (net.Listener, error)
	Dial   func(ctx context.Context, node, target string) (net.Conn, error)

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex // guards the following fields
	valves map[way]*valve
	links  []*link
}

// way is a direction between two nodes.
type way struct{ from, to string }

func (w way) back() way { return way{w.to, w.from} }

// New returns a network without links. The caller must call Close.
func New() *Network {
	ctx, stop := context.WithCancel(context.Background())
	return &Network{
		Listen: func(string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
		Dial: func(ctx context.Context, _, target string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", target)
		},
		ctx: ctx, stop: stop, valves: make(map[way]*valve),
	}
}

// Link returns the address that node from dials to reach node to, which listens on target. Nodes are any names.
func (n *Network) Link(from, to, target string) (address string, err error) {
	listener, err := n.Listen(from)
	if err != nil {
		return "", err
	}
	l := &link{network: n, way: way{from, to}, target: target, listener: listener, open: make(map[*pair]bool)}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx.Err() != nil {
		return "", errors.Join(net.ErrClosed, listener.Close())
	}
	n.links = append(n.links, l)
	n.wg.Go(l.accept)
	return listener.Addr().String(), nil
}

// Cut stops all bytes between a and b, in both directions.
func (n *Network) Cut(a, b string) {
	n.OneWay(a, b)
	n.OneWay(b, a)
}

// OneWay stops the bytes from one node to the other. Those of the other direction still pass.
func (n *Network) OneWay(from, to string) {
	n.valve(way{from, to}).set(func(v *valve) { v.shut = true })
}

// Pause stops all bytes to and from a node, as if the node were stopped or its cable unplugged. It applies to the links made so far.
func (n *Network) Pause(node string) {
	for _, l := range n.all() {
		if l.way.from == node || l.way.to == node {
			n.Cut(l.way.from, l.way.to)
		}
	}
}

// Delay makes all bytes between a and b arrive later by d, in both directions. Zero ends the delay.
func (n *Network) Delay(a, b string, d time.Duration) {
	for _, w := range []way{{a, b}, {b, a}} {
		n.valve(w).set(func(v *valve) { v.delay = d })
	}
}

// Reset breaks all connections between a and b: both ends get a reset. New connections are possible unless the network is cut.
func (n *Network) Reset(a, b string) {
	for _, l := range n.all() {
		if l.way == (way{a, b}) || l.way == (way{b, a}) {
			l.reset()
		}
	}
}

// Heal ends every cut and every delay. Bytes that waited arrive.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, v := range n.valves {
		v.set(func(v *valve) { v.shut, v.delay = false, 0 })
	}
}

// Close closes all links and connections, and waits until nothing runs any more.
func (n *Network) Close() error {
	n.stop()
	var errs []error
	for _, l := range n.all() {
		errs = append(errs, l.listener.Close())
		l.reset()
	}
	n.wg.Wait()
	return errors.Join(errs...)
}

func (n *Network) all() []*link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*link(nil), n.links...)
}

func (n *Network) valve(w way) *valve {
	n.mu.Lock()
	defer n.mu.Unlock()
	v, ok := n.valves[w]
	if !ok {
		v = &valve{changed: make(chan struct{})}
		n.valves[w] = v
	}
	return v
}
