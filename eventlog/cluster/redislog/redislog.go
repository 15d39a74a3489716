package redislog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Options say where the shared log is. Zero values are defaults.
type Options struct {
	// URL is the address of Redis:
	//
	//	redis://[user[:password]@]host[:port][/database]       one server; port 6379, database 0
	//	redis://…@host[:port],host[:port]…/0?sentinel=NAME      Sentinels that watch the master NAME; port 26379
	//	redis://…@host[:port],host[:port]…?cluster=true         nodes of a Redis Cluster
	//
	// With rediss:// all connections use TLS. User and password are those of the servers, not of the Sentinels.
	URL string

	Username, Password                 string // replace those in URL
	SentinelUsername, SentinelPassword string // for the Sentinels themselves; most have none

	// TLS says whom to trust, and with which certificate the hub presents itself. Nil: the authorities of this machine, if URL begins with
	// rediss://. If it is not nil, connections use TLS whatever URL says.
	TLS *tls.Config

	// Prefix begins the names of all keys: "tidings" is the default, for keys such as {tidings}:log. Hubs with the same prefix on the
	// same Redis are one cluster. Up to 64 characters A-Z, a-z, 0-9, ".", "_" and "-".
	Prefix string

	// KeepBytes limits the messages that Redis keeps in its memory, in bytes: 128 MiB by default, 16 MiB at least. A hub that is further
	// behind needs a snapshot from another hub. If hubs differ, each append uses the value of its own hub.
	KeepBytes int64

	// WaitReplicas is how many replicas must have received a message, in memory, before Publish returns nil and before Follow passes it
	// on. Zero, the default, waits for none. It makes the loss of acknowledged messages at a failover less likely and does not exclude it:
	// Redis may promote another replica, and a replica may lose what it has not synced. While fewer replicas answer, no message is
	// acknowledged and none is passed on. All hubs of a cluster should have the same number.
	WaitReplicas int
}

const (
	defaultKeep = 128 << 20
	minKeep     = 16 << 20

	// maxMessage is the largest message: an event of 16 MiB, the most that a log takes, with its fields.
	maxMessage = 16<<20 + 64<<10

	timeout     = 3 * time.Second // for one command; a server that takes longer counts as unreachable
	waitTimeout = time.Second     // for WAIT; less than timeout
	block       = time.Second     // for XREAD
)

// Order is a shared log in Redis. It implements [cluster.Order].
type Order struct {
	client   redis.UniversalClient
	where    string // address, without a password
	prefix   string
	database int
	keys     []string // log, meta, and the two sets of identifiers
	keep     int64
	wait     int

	known   atomic.Value // string: the identity that Bounds returned last
	checked atomic.Value // string: the identity under which Check passed last
	passed  atomic.Value // link: the message that Follow passed on last
	largest atomic.Int64 // MaxMessage, as Check found it

	ctx         context.Context // ends with Close
	close       context.CancelFunc
	closeClient func() error // once
	mu          sync.Mutex   // guards adding to calls: none begins after Close
	calls       sync.WaitGroup
}

var _ cluster.Order = (*Order)(nil)

var prefixes = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// New returns the shared log at a Redis. It does not connect; [Order.Check] does.
func New(o *Options) (*Order, error) {
	to, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	prefix, keep := o.Prefix, o.KeepBytes
	if prefix == "" {
		prefix = "tidings"
	}
	if keep == 0 {
		keep = defaultKeep
	}
	switch {
	case !prefixes.MatchString(prefix):
		return nil, fmt.Errorf("redislog: %q cannot begin the names of keys: use up to 64 characters A-Z, a-z, 0-9, ., _ and -", prefix)
	case keep < minKeep:
		return nil, fmt.Errorf("redislog: Redis must keep at least %d bytes of the log, not %d", minKeep, keep)
	case o.WaitReplicas < 0:
		return nil, fmt.Errorf("redislog: a message cannot wait for %d replicas", o.WaitReplicas)
	}
	if o.Username != "" {
		to.Username = o.Username
	}
	if o.Password != "" {
		to.Password = o.Password
	}
	to.SentinelUsername, to.SentinelPassword = o.SentinelUsername, o.SentinelPassword
	if o.TLS != nil {
		to.TLSConfig = o.TLS
	}
	to.MaxRetries = -1 // the cluster repeats a message itself, because it must know that an outcome was open
	to.ContextTimeoutEnabled = true
	to.DialTimeout, to.ReadTimeout, to.WriteTimeout = timeout, timeout, timeout
	to.DialerRetries = 1
	to.ClientName = "tidings"
	to.DisableIdentity = true
	to.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}

	tag := "{" + prefix + "}:"
	order := &Order{
		client:   redis.NewUniversalClient(to),
		where:    describe(to),
		prefix:   prefix,
		database: to.DB,
		keys:     []string{tag + "log", tag + "meta", tag + "ids:0", tag + "ids:1"},
		keep:     keep,
		wait:     o.WaitReplicas,
	}
	order.largest.Store(maxMessage)
	order.ctx, order.close = context.WithCancel(context.Background())
	order.closeClient = sync.OnceValue(order.client.Close)
	return order, nil
}

// String returns the address of Redis as a URL without its password.
func (o *Order) String() string { return o.where }

// errClosed is the error of calls after Close.
var errClosed = errors.New("redislog: the shared log is closed")

// Close implements [cluster.Order].
func (o *Order) Close() error {
	o.mu.Lock()
	o.close()
	o.mu.Unlock()
	err := o.closeClient() // ends the reads that are waiting
	o.calls.Wait()
	return err
}

// begin counts a call, or returns an error after Close. The call ends with o.calls.Done.
func (o *Order) begin() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ctx.Err() != nil {
		return errClosed
	}
	o.calls.Add(1)
	return nil
}

// do calls f with the client of the master and returns the error of f, or that of ctx as soon as ctx ends. The client library observes
// deadlines but no cancellation, so f may still run for a while, at most until Close.
func do[T any](ctx context.Context, o *Order, f func(ctx context.Context, node *redis.Client) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if err := o.begin(); err != nil {
		return none, err
	}
	done := make(chan result, 1)
	go func() {
		defer o.calls.Done()
		var r result
		var node *redis.Client
		if node, r.err = o.node(ctx); r.err == nil {
			r.value, r.err = f(ctx, node)
		} else {
			r.err = o.explain(r.err)
		}
		if c, ok := o.client.(*redis.ClusterClient); ok && r.err != nil {
			c.ReloadState(context.WithoutCancel(ctx)) // the keys may be on another node now
		}
		done <- r
	}()
	select {
	case r := <-done:
		return r.value, o.cause(ctx, r.err)
	case <-ctx.Done():
		return none, ctx.Err()
	case <-o.ctx.Done():
		return none, errClosed
	}
}

// cause returns the reason for an error: the end of ctx, Close, or the error itself.
func (o *Order) cause(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
		// The deadline of ctx is also that of the connection, which may notice it first.
		if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
			<-ctx.Done()
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case o.ctx.Err() != nil:
		return errClosed
	}
	return err
}

// node returns the client of the server that has the keys.
func (o *Order) node(ctx context.Context) (*redis.Client, error) {
	switch c := o.client.(type) {
	case *redis.Client:
		return c, nil
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, o.keys[0])
	default:
		return nil, fmt.Errorf("redislog: a client of type %T is not known", c)
	}
}
