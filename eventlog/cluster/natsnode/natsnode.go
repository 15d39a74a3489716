// Package natsnode makes hubs a JetStream cluster: each hub runs a NATS server inside its process, and the servers of all hubs are the
// cluster. Nothing else has to be installed. Package natslog uses such a server as it uses any other.
//
//	node, err := natsnode.Open(ctx, &natsnode.Options{Peers: []string{"a:4248", "b:4248", "c:4248"}, Secret: secret, Dir: dir})
//	order, err := natslog.Open(ctx, node.URL(), &natslog.Options{Replicas: node.Replicas(), Connect: node.Connect()})
//
// # Names and peers
//
// All hubs have the same list of peers. The first election needs all of that list, and later ones a majority, so the list must have one address
// for each hub. Hubs know each other from the list alone.
//
// A server keeps its name in the file cluster.json. It votes under this name. A server that has forgotten its votes could vote twice, so a
// hub whose directory is lost gets a new name and is a new peer. The operator removes the old name with [Node.Remove].
//
// # Security
//
// Servers talk over TLS 1.3 and verify each other. By default, all keys come from one secret that the hubs share: a hub with another secret
// is no peer. The server takes clients on the loopback interface only, and only those that know a random password.
//
// # Durability
//
// A message is acknowledged when a majority of its replicas has written it to disk.
package natsnode

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Options are the settings of a node. Peers, Secret and Dir are required; a node that is its own only peer needs no Secret.
type Options struct {
	// Peers are the addresses at which the hubs reach each other, host:port, this one included. The port is 4248 if there is none.
	// tidings-{0..2}.tidings stands for three hosts. The list is the same on all hubs, in any order.
	Peers []string

	// Self is this hub's own entry in Peers. If it is empty, it is the entry with the name or an address of this machine.
	Self string

	// Listen is the address on which this hub accepts other hubs, if that is not its entry in Peers. By default, an entry with a name
	// listens on all interfaces, because names of containers change their address.
	Listen string

	// Name is the first part of a new server's name. It is the host of Self by default.
	Name string

	// Secret is the common secret of all hubs of the cluster, at least 32 bytes.
	Secret []byte

	// TLS replaces the certificates that are made from Secret. It must have a certificate for clients and servers, RootCAs and ClientCAs.
	TLS *tls.Config

	// Dir is where the node keeps its data: cluster.json and the directory jetstream. No other process may use it meanwhile.
	Dir string

	// Store limits the storage of JetStream, in bytes. It must be more than the stream reserves. Zero means 8 GiB.
	Store int64

	// Stream is the stream of the order, "tidings" by default.
	Stream string

	// Waiting is called while Open waits for other hubs, with the reason, such as "waiting for b:4248: the first start of a cluster needs
	// all 3 hubs". Nil: it is only logged.
	Waiting func(reason string)

	Logger *slog.Logger // nil logs nothing

	probeTime time.Duration // for the answers of all peers; tests set it, because a busy machine needs longer
}

func (o *Options) withDefaults() Options {
	if o == nil {
		o = new(Options)
	}
	c := *o
	c.Store = cmp.Or(c.Store, 8<<30)
	c.Stream = cmp.Or(c.Stream, "tidings")
	c.probeTime = cmp.Or(c.probeTime, probeTime)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// MaxMessage is the size, in bytes, of the largest message for a node. NATS accepts larger ones, but advises against them.
const MaxMessage = 7 << 20

const (
	maxPayload  = 8 << 20
	maxReplicas = 3
	checkTime   = 20 * time.Millisecond // between looks at a server that starts or stops
	diagnose    = time.Second           // until a node that starts looks which peers do not answer; then after twice the time,
	diagnoseMax = 10 * time.Second      // up to this
	healthTime  = time.Second           // between looks at a running server
	closeTime   = 3 * time.Second       // for another node to take over the leadership
)

// Node is a NATS server in this process, with JetStream. Its methods are safe for concurrent use.
type Node struct {
	o      Options
	name   string
	self   string
	peers  []string // all, self included
	server *server.Server
	system *nats.Conn // as the administrator of the cluster
	keys   keys

	stop   context.CancelFunc // ends watch
	watch  sync.WaitGroup
	broken chan struct{} // closed when the node has failed
	closed sync.Once

	lost   atomic.Pointer[outage]  // nil: no majority is lost, as far as this node knows
	stored atomic.Pointer[storage] // nil: this node has not heard of it

	mu      sync.Mutex        // guards the following fields
	err     error             // why it has failed
	yielded time.Duration     // the time that StepDown has taken
	names   map[string]string // of the servers that this node has heard of, by ID: members, and peers that answered
}

// Open starts a node and waits until it is a member of the cluster: a leader is elected, and this node has everything that the leader has.
// The first start of a cluster needs all peers, later ones a majority. If ctx ends before that, the error says which peers do not answer, and why.
func Open(ctx context.Context, options *Options) (_ *Node, err error) {
	o := options.withDefaults()
	defer func() {
		if err != nil {
			err = fmt.Errorf("natsnode: %w", err)
		}
	}()
	n := &Node{o: o, broken: make(chan struct{}), names: map[string]string{}}
	if n.peers, n.self, err = o.findPeers(ctx); err != nil {
		return nil, err
	}
	if n.keys, err = o.makeKeys(n.peers); err != nil {
		return nil, err
	}
	id, err := o.loadIdentity(n.self, len(n.peers))
	if err != nil {
		return nil, err
	}
	n.name = id.Name
	n.learn(append(id.Members, n.name)...)
	o.warnOfName(n.name)
	rejoins := o.hasData()
	if rejoins {
		answers := n.probeAll(ctx)
		if err := cmp.Or(n.checkTwin(answers), n.checkMembers(answers, &id)); err != nil {
			return nil, err
		}
	}
	if err = n.start(ctx); err != nil {
		if n.system != nil {
			n.system.Close()
		}
		if n.server != nil {
			n.server.Shutdown()
			n.server.WaitForShutdown()
		}
		return nil, err
	}
	watching, stop := context.WithCancel(context.Background())
	n.stop = stop
	n.watch.Go(func() { n.watchHealth(watching) })
	if len(n.peers) > 1 {
		n.watch.Go(func() {
			n.examine(watching, rejoins)
			n.keepMembers(watching, &id)
		})
	}
	return n, nil
}

// fail records why the node has failed.
func (n *Node) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err == nil {
		n.err = err
		close(n.broken)
	}
}

func (n *Node) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// watchHealth notices that JetStream has stopped, or that a majority of the peers is lost. JetStream stops when its disk is full or broken, and
// does not recover. It also helps nodes that do not catch up.
func (n *Node) watchHealth(ctx context.Context) {
	check := time.NewTicker(healthTime)
	defer check.Stop()
	behind, c := stragglers{}, contact{}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-check.C:
			if !n.server.JetStreamEnabled() {
				n.fail(errDisabled)
				return
			}
			n.helpStragglers(behind, now)
			if len(n.peers) > 1 {
				n.checkContact(ctx, &c)
			}
		}
	}
}

var errDisabled = errors.New("natsnode: JetStream has stopped, because its disk is full or has failed: the log says more. Make room or replace the disk, then start this hub again")

// Broken is closed when the node has failed until the process is started again. Ready says why.
func (n *Node) Broken() <-chan struct{} { return n.broken }

// Ready returns nil if this node is a member of a cluster with a leader, and its copy of the stream is current.
func (n *Node) Ready() error {
	if err := n.failure(); err != nil {
		return err
	}
	if lost := n.lost.Load(); lost != nil {
		return fmt.Errorf("natsnode: %w", lost)
	}
	switch {
	case !n.server.JetStreamIsCurrent():
		return errNoLeader
	case n.server.JetStreamIsStreamAssigned(account, n.o.Stream) && !n.server.JetStreamIsStreamCurrent(account, n.o.Stream):
		return errors.New("natsnode: this hub is still copying the shared log, or has no contact with its leader")
	}
	return nil
}

// Await waits until the node takes part in every decision: it has all messages of the leaders, and follows them. It returns early if the node
// has failed or ctx ends. A node that restarts is a member before that, but the cluster should lose no other node until then.
func (n *Node) Await(ctx context.Context) error {
	check := time.NewTicker(checkTime)
	defer check.Stop()
	for {
		health := n.server.Healthz(nil)
		if health.Error == "" {
			return nil
		}
		select {
		case <-n.broken:
			return n.failure()
		case <-ctx.Done():
			return fmt.Errorf("natsnode: this hub is still copying the shared log, or has no contact with its leader: %s: %w", health.Error, ctx.Err())
		case <-check.C:
		}
	}
}

// Name returns the name of the server in the cluster, such as hub-a-x7k2.
func (n *Node) Name() string { return n.name }

// Hubs returns how many hubs the cluster has.
func (n *Node) Hubs() int { return len(n.peers) }

// Replicas returns how many nodes should store each message: all of up to three.
func (n *Node) Replicas() int { return min(len(n.peers), maxReplicas) }

// URL and Connect say how natslog reaches this node without a network.
func (n *Node) URL() string { return nats.DefaultURL }

// Connect returns the options of the connection; see URL.
func (n *Node) Connect() []nats.Option {
	return []nats.Option{nats.InProcessServer(n.server), nats.UserInfo(clientUser, n.keys.client)}
}

// Close stops the node. Before that it hands its leadership to another node, so that publishers notice nothing; together with earlier calls of
// StepDown this takes up to 3 s. Close all connections to the node before.
func (n *Node) Close() error {
	n.closed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), n.handOverTime())
		defer cancel()
		if err := n.StepDown(ctx); err != nil {
			n.o.Logger.Warn("this hub stops as the leader of the shared log: nothing can be published until another is elected", "error", err.Error())
		}
		n.stop()
		n.watch.Wait()
		n.system.Close()
		n.server.Shutdown()
		n.server.WaitForShutdown()
	})
	return nil
}
