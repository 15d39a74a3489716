package hub

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/peers"
	"github.com/tidings-sse/tidings/internal/wire"
)

// ClusterOptions are the settings of a hub whose log is an [eventlog.Shared]: it is one of several hubs with the same events.
type ClusterOptions struct {
	// Name is the name of the hub, unique in the cluster.
	Name string

	// URL is the address at which the other hubs reach this one, such as http://10.0.0.1:8080. Empty: other hubs send it no requests
	URL string

	// Key is a secret of all hubs of the cluster, of at least 32 bytes. It signs requests between hubs. Empty: hubs send no requests to each
	// other
	Key []byte

	// Version is the version of the program, for administrators.
	Version string

	// Hubs returns how many hubs the cluster should have, 0 if that is not known. Nil: not known
	Hubs func() int

	// Waiting says what the hub waits for that is not open yet, or has no contact with the shared log, such as "waiting for c:4248: the first start of a
	// cluster needs all 3 hubs". /readyz has it. Empty: not known. Nil: like empty
	Waiting func() string

	// Margin says how many more hubs the cluster can lose, such as "2 of 3 hubs that store the shared log are left; if one more goes, nothing can be
	// published". The hub logs it when another hub goes or comes back. gone are the names of the hubs that are gone. Empty: not known. Nil: like empty
	Margin func(gone []string) string

	// Tokens identifies how the hub checks tokens. Hubs with different values warn of each other. It must not reveal a key, because administrators
	// read it. Empty: not compared
	Tokens string

	// Details returns the status of the shared log for administrators, as a value that encodes to JSON. Nil: no status
	Details func(context.Context) any

	// Administrators call these functions. Configure changes the settings that all hubs share. Remove removes a hub from the cluster for
	// good. Reset replaces a lost shared log by the log of this hub. Nil: the shared log does not have the operation
	Configure func(ctx context.Context, settings []byte) error
	Remove    func(ctx context.Context, name string) error
	Reset     func(ctx context.Context) error

	// Snapshot writes a copy of the log for a new hub. Nil: the hub has no snapshots
	Snapshot func(context.Context, io.Writer) error
}

// check returns an error if the options are invalid.
func (o *ClusterOptions) check() error {
	if o == nil {
		return nil
	}
	if o.Name == "" || len(o.Name) > 255 {
		return fmt.Errorf("hub: Cluster.Name is %.300q; it must have 1 to 255 bytes", o.Name)
	}
	if u, err := url.Parse(o.URL); o.URL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "") {
		return fmt.Errorf("hub: Cluster.URL is %.300q; it must be the scheme, host and port of a hub, such as http://10.0.0.1:8080", o.URL)
	}
	if n := len(o.Key); n != 0 && n < 32 {
		return fmt.Errorf("hub: Cluster.Key has %d bytes; it must have at least 32", n)
	}
	return nil
}

// cluster is a hub's view of the others. A nil cluster has no others.
type cluster struct {
	hub       *Hub
	opts      *ClusterOptions
	log       eventlog.Shared
	instance  string
	began     time.Time // when it began to listen to the others
	others    peers.Table
	client    peers.Client
	seen      peers.Seen
	copying   sync.Mutex // held while a snapshot is written: one at a time
	malformed peers.Malformed
	twin      atomic.Pointer[string] // instance of another process with the name of this hub, as logged last
	strangers strangers              // hubs that check tokens differently
	greet     chan struct{}          // has a value after a new hub announced itself, or a hub asked for announcements: this hub then announces itself at once
	stop      func()                 // ends Listen
}

// inCluster reports whether the hub exchanges messages with others.
func (h *Hub) inCluster() bool {
	_, shared := h.log.(eventlog.Shared)
	return shared && h.opts.Cluster != nil
}

// joinCluster begins to listen and to announce, if the log is shared.
func (h *Hub) joinCluster() error {
	log, ok := h.log.(eventlog.Shared)
	if h.opts.Cluster == nil || !ok {
		return nil
	}
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails
	c := &cluster{hub: h, opts: h.opts.Cluster, log: log, instance: hex.EncodeToString(random), began: time.Now(), greet: make(chan struct{}, 1), client: peers.Client{Key: h.opts.Cluster.Key}}
	stop, err := log.Listen(c.receive)
	if err != nil {
		return fmt.Errorf("hub: listening to the other hubs: %w", err)
	}
	c.stop = stop
	h.cluster = c
	h.background.Go(func() {
		pprof.Do(h.ctx, pprof.Labels("goroutine", "hub cluster"), c.announce)
	})
	h.background.Go(func() {
		pprof.Do(h.ctx, pprof.Labels("goroutine", "hub cluster watch"), c.watch)
	})
	h.background.Go(func() {
		pprof.Do(h.ctx, pprof.Labels("goroutine", "hub cluster presence"), c.sharePresence)
	})
	return nil
}

// receive takes a message of another hub, or of this one.
func (c *cluster) receive(data []byte) {
	m, err := peers.Decode(data)
	if err != nil {
		if n := c.malformed.Add(time.Now()); n > 0 {
			c.hub.opts.Logger.Warn("a message of another hub is ignored", "err", err.Error(), "count", n)
		}
		return
	}
	if m.Presence != nil {
		c.receivePresence(m.Presence)
		return
	}
	if m.Hello != nil && m.Hello.Instance != c.instance {
		c.hub.presence.Heard(m.Hello.Name, m.Hello.Instance, m.Hello.Presence)
	}
	if m.Bye != nil {
		c.hub.presence.Bye(m.Bye.Instance)
	}
	if m.Hello != nil && m.Hello.Name == c.opts.Name {
		c.meetNamesake(m.Hello)
		return
	}
	if m.Hello != nil {
		c.compareTokens(m.Hello)
	}
	if c.others.Receive(&m, time.Now()) || m.Who {
		select {
		case c.greet <- struct{}{}:
		default: // an announcement is already due
		}
	}
	for _, one := range m.Revoked {
		if err := c.hub.revocations.Revoke(one); err != nil {
			c.hub.opts.Logger.Error("a revocation of another hub is not in force on this hub until it arrives with the log", "err", err.Error())
		}
	}
	if len(m.Revoked) > 0 {
		c.hub.revocations.enforce()
	}
}

// meetNamesake takes an announcement of this hub, or of another process with its name. The other process may be one before a restart that has
// not ended yet. Otherwise the names must differ: the other hubs see only one of the two.
func (c *cluster) meetNamesake(hello *peers.Hub) {
	if hello.Instance == c.instance {
		return
	}
	if was := c.twin.Swap(&hello.Instance); was == nil || *was != hello.Instance {
		c.hub.opts.Logger.Warn("another hub has the name of this one; give each hub of the cluster its own name", "name", c.opts.Name, "url", hello.URL)
	}
}

// greetingPause is the shortest time between two announcements. Otherwise hubs could answer each other's messages forever.
const greetingPause = 100 * time.Millisecond

// announce tells the other hubs of this one until ctx ends.
func (c *cluster) announce(ctx context.Context) {
	defer c.stop()
	tick := time.NewTicker(peers.Interval)
	defer tick.Stop()
	for {
		c.broadcast(ctx, &peers.Message{Hello: new(c.self(ctx))})
		select {
		case <-tick.C:
		case <-c.greet:
			select {
			case <-time.After(greetingPause):
			case <-ctx.Done():
			}
		case <-ctx.Done():
			leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			c.broadcast(leaving, &peers.Message{Bye: &peers.Hub{Name: c.opts.Name, Instance: c.instance}})
			return
		}
	}
}

// broadcast sends a message to the other hubs. If a message is lost, the next announcement repeats it, or its content arrives with the log.
func (c *cluster) broadcast(ctx context.Context, m *peers.Message) {
	if err := c.log.Broadcast(ctx, m.Encode()); err != nil && ctx.Err() == nil {
		c.hub.opts.Logger.Debug("a message to the other hubs was not sent", "err", err.Error())
	}
}

// revoked tells the other hubs of a revocation without waiting for the log. c may be nil.
func (c *cluster) revoked(one access.Revocation) {
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.broadcast(ctx, &peers.Message{Revoked: []access.Revocation{one}})
}

// self describes this hub.
func (c *cluster) self(ctx context.Context) peers.Hub {
	h, status, n := c.hub, c.log.Status(), c.hub.fanout.Counts()
	head := h.log.Head()
	me := peers.Hub{
		Name: c.opts.Name, Instance: c.instance, URL: c.opts.URL, Version: c.opts.Version, Generation: head.Gen, Head: head.Seq,
		Message: status.Message, Last: status.Last, Streams: h.fanout.Streams(), Stored: n.Stored, Delivered: n.Delivered,
		ContactAge: max(time.Since(status.Contact), 0).Milliseconds(), Presence: h.presence.Number(), Tokens: c.opts.Tokens,
	}
	if p := h.unready(ctx); p != nil {
		me.Unready = cmp.Or(h.waitsFor(), withoutAdvice(status.Trouble), p.Detail) // only administrators read it
	}
	me.Ready = me.Unready == ""
	return me
}

// count describes the shared log in numbers.
func (c *cluster) count() *ClusterCount {
	status := c.log.Status()
	return &ClusterCount{
		Hubs:       1 + len(c.others.Others(c.opts.Name, time.Now())),
		Lag:        max(status.Last, status.Message) - status.Message,
		ContactAge: max(time.Since(status.Contact), 0).Milliseconds(),
	}
}

// hubs returns all hubs that were heard of lately, this one first.
func (c *cluster) hubs(ctx context.Context) []peers.Hub {
	return append([]peers.Hub{c.self(ctx)}, c.others.Others(c.opts.Name, time.Now())...)
}

// checkHub returns an error unless a request is from another hub of the cluster.
func (h *Hub) checkHub(r *http.Request) error {
	switch {
	case h.cluster == nil:
		return h.noCluster()
	case len(h.cluster.opts.Key) == 0:
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "this hub has no cluster key, which requests between hubs need")
	}
	if err := h.cluster.seen.Verify(r, h.cluster.opts.Key, &peers.Hub{Name: h.cluster.opts.Name, Instance: h.cluster.instance}, time.Now()); err != nil {
		p := NewProblem(http.StatusUnauthorized, wire.ProblemUnauthorized, "this path is for the other hubs of the cluster; %s", err)
		p.Err = err
		return p
	}
	return nil
}

func (h *Hub) noCluster() *Problem {
	return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "this hub is not part of a cluster")
}
