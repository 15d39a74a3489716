package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/presence"
	"github.com/tidings-sse/tidings/internal/wire"
)

// Options are the settings of a hub. Nil and the zero value mean the defaults.
type Options struct {
	// Authorize returns the permissions of the sender of a request. It is called once for each request. The hub answers an error with
	// 401, and a [*Problem] with its status. EventSource gives up after a refusal, unless the Problem has RetryAfter, for example
	// because a database is down. Nil: every request is allowed
	Authorize func(*http.Request) (access.Grant, error)

	// Explain says what Authorize decides about a token, and why; [access.Policy.Explain] does for [Tokens]. It serves /api/v1/explain.
	// Nil: there is no such path
	Explain func(ctx context.Context, token string) access.Explanation

	// AllowOrigins are the origins, such as https://example.com, whose pages may use the hub, besides its own. "*" allows every origin,
	// without cookies.
	AllowOrigins []string

	// Local restricts the hub to requests from this machine: sent to localhost, 127.0.0.1 or [::1], in HTTP/1.1 or later, without a field
	// that proxies add. It protects hubs without Authorize from pages whose host name resolves to this machine (DNS rebinding). It cannot
	// detect a proxy that adds no field: a hub that others can reach needs Authorize.
	Local bool

	// AdminElsewhere removes the routes for administrators from ServeHTTP, for hubs that serve [Hub.Admin] on another listener.
	// AdminLocal is Local for that listener.
	AdminElsewhere bool
	AdminLocal     bool

	// AdminPages allows the listener of [Hub.Admin] to serve pages, such as a console, next to that handler: the handler then accepts requests
	// of pages of its own origin. The host must be localhost or an IP address, because a host name could be that of a foreign page that
	// resolves to this listener (DNS rebinding).
	AdminPages bool

	// TrustedProxies are the networks of proxies whose X-Forwarded-For or Forwarded names the client. If there are any, the hub also trusts
	// every client on a Unix socket as a proxy.
	TrustedProxies []netip.Prefix

	// Metrics returns the handler of /metrics (see package hub/metrics). The hub calls it when it opens. Nil: there is no /metrics
	Metrics func(*Hub) http.Handler

	// Certificates returns the state of the certificates of the server that the hub runs in, for /readyz, statistics and metrics. It must
	// not block. Nil: there are none
	Certificates func() []Certificate

	// Revocations are the revoked grants. The hub adds those from /api/v1/revoke and from its log. Give an [access.Policy] the same set, so
	// that its refusals name the revocation. Nil: a new set without leeway, for grants that this process issues
	Revocations *access.Revocations

	// MaxConnections limits the open streams of subscribers and publishers together. MaxPerAddress limits them per IP address, or /64
	// network of IPv6; MaxPerToken per subject, or per token without one. New streams over a limit are refused; open streams are never
	// evicted. 0: no limit
	MaxConnections int
	MaxPerAddress  int
	MaxPerToken    int

	// MaxHTTP1Streams limits the open streams over HTTP/1.1 besides, each of which has a connection, and so a file, of its own. Over HTTP/2
	// many streams share one. 0: no limit
	MaxHTTP1Streams int

	// MaxMembers limits the members of all topics together (see docs/presence.md): the subjects whose streams asked to be seen, once for each
	// of their topics. New streams that would add members over the limit are refused. One subject, or one address without Authorize, gets a
	// hundredth of them, at least 100. 0: 1,000,000
	MaxMembers int

	// PublishPerAddress and PublishPerToken limit the rate of publishing. The zero Rate: no limit
	PublishPerAddress Rate
	PublishPerToken   Rate

	// MaxBodyMemory limits the memory, in bytes, of all bodies that are being published: data that has arrived and is not stored yet, and
	// decoders. The first 16 KiB of each body are not counted. One address, or one token, may take half of it. A body over a limit is
	// refused with 503 or 429. 0: 128 MiB; otherwise at least 6 times MaxEvent
	MaxBodyMemory int64

	// BodyTimeout is how long the body of a single event may take to arrive. 0: 1 minute
	BodyTimeout time.Duration

	// MaxEvent is the size of the largest event, in bytes of its data. 0: 1 MiB; at most 16 MiB
	MaxEvent int

	// MaxTopics is how many topics and patterns a subscription may have. The form of a QUERY may have 4 KiB for each of them, and at least
	// 4 MiB. 0: 1,000
	MaxTopics int

	// IgnoreParams are parameters that libraries and proxies add, and that the hub ignores in every request, as it does _, _t and _ts.
	// Other unknown parameters are refused. A parameter that the hub knows cannot be ignored.
	IgnoreParams []string

	// Window is how many bytes of the newest events stay in memory, shared by all subscribers. Subscribers that are further behind read
	// the log. 0: 64 MiB
	Window int64

	// Heartbeat is the longest silence on a stream. After it the hub sends a comment, or a checkpoint if the log has moved on. 0: 25 s
	Heartbeat time.Duration

	// HeartbeatMin is the shortest interval that a subscriber may ask for with the parameter heartbeat. It is at most
	// Heartbeat. 0: 5 s
	HeartbeatMin time.Duration

	// MaxAge limits the life of a stream. It ends after 80 to 100 % of that time, with a checkpoint and a time to reconnect at, and its
	// client continues from there. Proxies may keep connections whose browsers have disconnected; MaxAge ends those. 0: no limit
	MaxAge time.Duration

	// WriteTimeout is how long a subscriber may accept no bytes before it is disconnected. 0: 10 s
	WriteTimeout time.Duration

	// Gather is how long an event may wait for others, so that they leave together: each subscriber then costs one write for all of them. It saves
	// CPU time when a topic has hundreds of events per second, and delays deliveries by that much. At most a second. 0: not at all
	Gather time.Duration

	// Compress are the topics whose polls and streams are compressed for clients that accept gzip. A subscription is compressed if one pattern
	// covers all of its topics. The subscribers of the same topics share one compressor. Only topics whose publishers may know each other's data
	// belong in one pattern: someone who publishes to a topic, and sees how many bytes its subscribers get, can guess what other events of the
	// same stream contain. Nil: nothing is compressed
	Compress []eventlog.Pattern

	// MaxLag and MaxLagTime limit how far a live subscriber may fall behind: in bytes of all events published since, and in time. Beyond a
	// limit the subscriber is disconnected, and gets everything that it missed when it reconnects. With SkipSlow it continues at the newest
	// event instead, after a gap with the reason lag. 0: no limit
	MaxLag     int64
	MaxLagTime time.Duration
	SkipSlow   bool

	// OnStream is called when a stream begins. The function that it returns, unless nil, is called in a goroutine of its own when the stream
	// has ended. On Linux that is long after ServeHTTP has returned, because the hub takes connections over. All values that the function
	// refers to stay in memory as long as the stream: a request takes some kilobytes.
	OnStream func(*http.Request) func(StreamEnd)

	// Dialects are HTTP interfaces besides the native one. No two dialects may have a route with the same path.
	Dialects []Dialect

	// Cluster is for hubs whose log is an [eventlog.Shared]. Nil: the hub exchanges no messages with other hubs
	Cluster *ClusterOptions

	// Logger gets the errors that no caller or client gets. Nil: slog.Default
	Logger *slog.Logger
}

// StreamEnd is how a stream ended.
type StreamEnd struct {
	Bytes  int64  // sent after the header
	Reason string // gone, complete, drained, slow, expired, revoked, failed, closed or aged
}

// Check returns the error that [New] would return for the options. Nil options are valid.
func (o *Options) Check() error {
	_, err := o.withDefaults()
	return err
}

// longestTime is the longest time of an option. Sums of times and dates stay in range.
const longestTime = 10 * 365 * 24 * time.Hour

// checkNumbers returns an error if a size or a time is out of range.
func (o *Options) checkNumbers() error {
	for _, n := range []struct {
		name        string
		value, most int64
	}{
		{"MaxEvent", int64(o.MaxEvent), eventlog.MaxData},
		{"MaxTopics", int64(o.MaxTopics), math.MaxInt32},
		{"MaxConnections", int64(o.MaxConnections), math.MaxInt64},
		{"MaxHTTP1Streams", int64(o.MaxHTTP1Streams), math.MaxInt64},
		{"MaxPerAddress", int64(o.MaxPerAddress), math.MaxInt64},
		{"MaxPerToken", int64(o.MaxPerToken), math.MaxInt64},
		{"MaxMembers", int64(o.MaxMembers), math.MaxInt32},
		{"MaxBodyMemory", o.MaxBodyMemory, math.MaxInt64},
		{"Window", o.Window, math.MaxInt64},
		{"MaxLag", o.MaxLag, math.MaxInt64},
	} {
		if n.value < 0 || n.value > n.most {
			return fmt.Errorf("hub: %s is %d; it must be 0 to %d", n.name, n.value, n.most)
		}
	}
	for _, t := range []struct {
		name  string
		value time.Duration
	}{
		{"BodyTimeout", o.BodyTimeout},
		{"Heartbeat", o.Heartbeat},
		{"HeartbeatMin", o.HeartbeatMin},
		{"MaxAge", o.MaxAge},
		{"WriteTimeout", o.WriteTimeout},
		{"MaxLagTime", o.MaxLagTime},
	} {
		if t.value < 0 || t.value > longestTime {
			return fmt.Errorf("hub: %s is %v; it must be 0 to %v", t.name, t.value, longestTime)
		}
	}
	if o.Gather < 0 || o.Gather > time.Second {
		return fmt.Errorf("hub: Gather is %v; it must be 0 to %v", o.Gather, time.Second)
	}
	return nil
}

func (o *Options) withDefaults() (Options, error) {
	var d Options
	if o != nil {
		d = *o
	}
	if err := d.checkNumbers(); err != nil {
		return d, err
	}
	if err := d.checkLimits(); err != nil {
		return d, err
	}
	if err := checkIgnored(d.IgnoreParams); err != nil {
		return d, err
	}
	for _, origin := range d.AllowOrigins {
		if err := CheckOrigin(origin); err != nil {
			return d, fmt.Errorf("hub: AllowOrigins: %w", err)
		}
	}
	if err := checkRoutes(d.Dialects); err != nil {
		return d, err
	}
	if err := d.Cluster.check(); err != nil {
		return d, err
	}
	d.BodyTimeout = orElse(d.BodyTimeout, time.Minute)
	if d.Revocations == nil {
		d.Revocations = access.NewRevocations(0, -1)
	}
	d.IgnoreParams = append(slices.Clone(cacheBusters), d.IgnoreParams...)
	d.MaxEvent = orElse(d.MaxEvent, defaultMaxEvent)
	d.MaxBodyMemory = orElse(d.MaxBodyMemory, defaultBodyMemory)
	d.MaxTopics = orElse(d.MaxTopics, 1000)
	d.MaxMembers = orElse(d.MaxMembers, presence.DefaultMaxMembers)
	d.Window = orElse(d.Window, 64<<20)
	d.Heartbeat = orElse(d.Heartbeat, 25*time.Second)
	if d.HeartbeatMin > d.Heartbeat { // checked before the default is set, which may be longer than Heartbeat
		return d, fmt.Errorf("hub: HeartbeatMin is %v; it is at most Heartbeat, %v: subscribers cannot ask for a longer interval", d.HeartbeatMin, d.Heartbeat)
	}
	d.HeartbeatMin = orElse(d.HeartbeatMin, 5*time.Second)
	d.WriteTimeout = orElse(d.WriteTimeout, 10*time.Second)
	if d.Authorize == nil {
		everything := access.Everything()
		d.Authorize = func(*http.Request) (access.Grant, error) { return everything, nil }
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return d, nil
}

const defaultMaxEvent = 1 << 20

// cacheBusters are parameters that libraries add to bypass caches. The hub always ignores them.
var cacheBusters = []string{"_", "_t", "_ts"}

// checkIgnored returns an error if a parameter cannot be ignored.
func checkIgnored(names []string) error {
	for _, name := range names {
		switch {
		case name == "":
			return errors.New("hub: the name of a parameter to be ignored is empty")
		case strings.Contains(name, ","):
			return fmt.Errorf("hub: %q has a comma, which names of parameters do not have; list each parameter separately", name)
		case slices.Contains(wire.Params(), name), name == wire.ParamAccessToken:
			return fmt.Errorf("hub: the parameter %q cannot be ignored, because the hub uses it", name)
		}
	}
	return nil
}

func orElse[T int | int64 | time.Duration](v, standard T) T {
	if v == 0 {
		return standard
	}
	return v
}
