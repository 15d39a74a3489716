// Package natslog is the order of a cluster in a NATS JetStream stream. It is only a client: the servers may be anywhere, also in the
// process of the hub (package natsnode).
//
// A message of the order is a message of the stream, on one subject. The stream's sequence is its number.
//
//	tidings.log.abc    hubs publish here; the stream stores it. abc is random
//	tidings.live       the stream's leader repeats each stored message here: the doorbell
//	tidings.broadcast  messages from hub to hub that are not stored
//
// A stream that is created anew has another subject, so a message that was sent to the stream before cannot be stored in it, however late
// it arrives. A stream that was made by hand may have the subject tidings.log.
//
// Following uses no consumer. A consumer lives on one server: the hub stalls for 15 s when that server dies. Instead, the hub listens to the
// doorbell, and fetches what it has missed by direct gets, which any replica answers. Both may be late or lose messages. So the follower
// checks the number of each message, and a missing message counts as dropped only if the leader says so.
//
// Only the leader answers [Order.Message] and [Order.Bounds], and only while a majority of replicas follows it. They prove that the hub is
// in contact with the order.
package natslog

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Options are the settings of an order. The zero value is usable.
type Options struct {
	// Stream is the name of the stream, and the first part of its subjects. It is "tidings" by default. Hubs with the same stream are one
	// cluster.
	Stream string

	// Replicas is how many servers store each message, from 1 to 5. An existing stream must have as many, unless Growing is set. Zero means 1
	// for a new stream and any number for an existing one.
	Replicas int

	// Growing says that the number of servers may change, such as that of hubs which are the servers themselves. Then an existing stream may have
	// another number of replicas. [Order.Grow] raises it.
	Growing bool

	// MaxAge and MaxBytes bound a new stream: older messages are dropped. Zero means 8 days and 2 GiB. A hub that was away for longer has
	// a gap. Existing streams keep their bounds.
	MaxAge   time.Duration
	MaxBytes int64

	// MaxMessage is the size, in bytes, of the largest message that will be published. Open fails if the servers accept only smaller ones.
	// Zero means no requirement.
	MaxMessage int

	// SyncAlways says that the servers write a message to disk before they acknowledge it. A client cannot see that, so [Order.Warnings] warns
	// if it is false.
	SyncAlways bool

	Credentials string      // file with a user's JWT and key; none by default
	TLS         *tls.Config // nil: TLS only if the address or the server asks for it, with the authorities of the system

	Name    string        // of this hub, for the monitoring of NATS; none by default
	Logger  *slog.Logger  // of connections that come and go; nil logs nothing
	Connect []nats.Option // further options of the connection, such as those of a server in this process
}

func (o *Options) withDefaults() Options {
	if o == nil {
		o = new(Options)
	}
	c := *o
	c.Stream = cmp.Or(c.Stream, "tidings")
	c.MaxAge = cmp.Or(c.MaxAge, 8*24*time.Hour)
	c.MaxBytes = cmp.Or(c.MaxBytes, 2<<30)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (o *Options) check() error {
	if o.Stream == "" || strings.ContainsAny(o.Stream, " \t\r\n.*>/\\") || strings.HasPrefix(o.Stream, "$") {
		return fmt.Errorf("%q is not the name of a stream: it must not be empty, begin with $, or contain spaces, dots, slashes, * or >", o.Stream)
	}
	if o.Replicas < 0 || o.Replicas > 5 {
		return fmt.Errorf("a stream cannot have %d replicas: it has 1 to 5, of which an even number survives no more failures than one less", o.Replicas)
	}
	if o.Credentials != "" {
		f, err := os.Open(o.Credentials)
		if err != nil {
			return fmt.Errorf("the credentials for NATS cannot be read: %w", err)
		}
		return f.Close()
	}
	return nil
}

// Order is the order in a stream. It implements [cluster.Order].
type Order struct {
	nc   *nats.Conn
	o    Options
	log  string // how the subject of the messages begins
	live string // subject on which the stream repeats them
	last atomic.Pointer[made]
	term atomic.Pointer[term]
	talk string // subject of Broadcast
}

var _ cluster.Order = (*Order)(nil)

const (
	answerTime  = 3 * time.Second        // for one request to a server; elections take longer, and the caller repeats
	connectTime = 5 * time.Second        // for one attempt to connect
	retryTime   = 250 * time.Millisecond // between attempts to reconnect
	openRetry   = time.Second            // between attempts of Open
	pingTime    = 5 * time.Second        // a connection without an answer to two pings is broken
)

// Open connects to NATS. urls are addresses such as nats://a:4222, separated by commas; tls:// requires TLS, and user:password@ before a
// host gives the credentials. Open waits until a server takes the connection or ctx ends; it fails at once if a server refuses the
// credentials or the certificate is wrong. It does not check the stream; [Order.Create] and [Order.Bounds] do.
//
// The client reconnects after a broken connection, until Close is called.
func Open(ctx context.Context, urls string, options *Options) (*Order, error) {
	o := options.withDefaults()
	if err := errors.Join(o.check(), CheckAddresses(urls)); err != nil {
		return nil, fmt.Errorf("natslog: %w", err)
	}
	nc, err := o.connect(ctx, urls)
	if err != nil {
		return nil, fmt.Errorf("natslog: %w", err)
	}
	order := &Order{nc: nc, o: o, log: o.Stream + ".log", live: o.Stream + ".live", talk: o.Stream + ".broadcast"}
	order.begin()
	if _, err := nc.Subscribe("$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."+o.Stream, func(*nats.Msg) { order.begin() }); err != nil {
		nc.Close()
		return nil, order.plainly(err)
	}
	if largest := order.largest(); o.MaxMessage > largest {
		err := &SizeError{Server: nc.ConnectedUrlRedacted(), Takes: largest, Needs: o.MaxMessage}
		nc.Close()
		return nil, err
	}
	return order, nil
}

// SizeError says that a server does not take messages as large as are needed.
type SizeError struct {
	Server       string
	Takes, Needs int // bytes
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("natslog: the NATS server at %s takes messages of at most %d bytes, and this hub needs %d: raise max_payload in its configuration to %d, or make the largest event smaller",
		e.Server, e.Takes, e.Needs, e.Needs+overhead)
}

// connect retries errors that may pass, such as that of a server that is still starting.
func (o *Options) connect(ctx context.Context, urls string) (*nats.Conn, error) {
	for said := false; ; {
		nc, err := nats.Connect(urls, o.dial()...)
		if err == nil {
			return nc, nil
		}
		_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
		switch {
		case errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked):
			return nil, fmt.Errorf("NATS at %s refuses the user: %w; check the credentials", Redacted(urls), err)
		case certificate:
			return nil, fmt.Errorf("the certificate of NATS at %s cannot be verified: %w", Redacted(urls), err)
		case !errors.Is(err, nats.ErrNoServers) && !errors.Is(err, nats.ErrTimeout) && !isNetwork(err) && !isLate(err):
			return nil, fmt.Errorf("cannot connect to NATS at %s: %w", Redacted(urls), err)
		}
		if !said {
			said = true
			o.Logger.Warn("NATS is not reachable; trying again", "servers", Redacted(urls), "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot connect to NATS at %s: %w (%w)", Redacted(urls), err, ctx.Err())
		case <-time.After(openRetry):
		}
	}
}

// dial returns the options of the connection.
//
// The client buffers nothing while the connection is broken (ReconnectBufSize). Otherwise it could send a message after its publisher has
// given up. The client would also give up after two refusals of its user (IgnoreAuthErrorAbort), as happens while servers are reconfigured.
func (o *Options) dial() []nats.Option {
	logger := o.Logger
	options := []nats.Option{
		nats.Name("tidings " + o.Name),
		nats.Timeout(connectTime), nats.MaxReconnects(-1), nats.ReconnectWait(retryTime), nats.IgnoreAuthErrorAbort(), nats.ReconnectBufSize(-1),
		nats.PingInterval(pingTime), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				logger.Warn("the connection to NATS is broken", "error", err.Error())
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { logger.Info("connected to NATS again", "server", nc.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { logger.Debug("NATS", "error", err.Error()) }),
	}
	if o.Credentials != "" {
		options = append(options, nats.UserCredentials(o.Credentials))
	}
	if o.TLS != nil {
		options = append(options, nats.Secure(o.TLS))
	}
	return append(options, o.Connect...)
}

// term is the time of a leader of the stream. Its context ends when another one is elected: messages under way may be lost then, because the old
// leader took them, or took them after it had lost the leadership. A user without the right to hear of elections repeats them later.
type term struct {
	ctx context.Context
	end context.CancelFunc
}

// begin begins the term of another leader.
func (o *Order) begin() {
	t := new(term)
	t.ctx, t.end = context.WithCancel(context.Background())
	if old := o.term.Swap(t); old != nil {
		old.end()
	}
}

// Close closes the connection. Further calls do nothing.
func (o *Order) Close() error {
	o.nc.Close()
	return nil
}
