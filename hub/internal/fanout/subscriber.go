package fanout

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// subscriber is the state of a stream that both kinds of delivery share. It is part of a direct or of a runner. It has no queue.
type subscriber struct {
	shard  *shard
	group  *group
	client Client
	via    delivery

	id    int64        // when it was opened, in µs since 1970; no two of a Fanout have the same
	bytes atomic.Int64 // sent, without the header; a live direct subscriber adds those that its group counts: see sentBytes

	due       int64 // tick at which the wheel looks at it; 0: never
	wrote     int64 // tick of its last write; see delivery.lastWrite
	warn, end int64 // ticks at which its client is warned, and its stream ends; 0: never

	dueAt int32 // index in the wheel's slot
	place int32 // index in the list of its group

	stage     stage
	failOnGap bool
	ages      bool // end comes from Options.MaxAge rather than from the client
	dismissed bool // an administrator has closed it
}

// sentBytes returns the bytes sent after the header. The shard calls it, or the last user of a subscriber that has ended.
func (sub *subscriber) sentBytes() int64 {
	n := sub.bytes.Load()
	if sub.isDirect() && sub.stage == live {
		n += sub.group.bytes
	}
	return max(n, 0)
}

// isDirect reports whether the shard sends the bytes of the subscriber.
func (sub *subscriber) isDirect() bool {
	_, isRunner := sub.via.(*runner)
	return !isRunner
}

// delivery sends the bytes of a subscriber. Its types are direct, sealed, lane and runner. Only the subscriber's shard calls it.
type delivery interface {
	// start begins to send. It is called after the shard and the group have counted the subscriber.
	start()

	// send sends a control message to a live subscriber.
	send(c chunk)

	// heartbeat sends a heartbeat to a subscriber that is live, or whose cursor moves.
	heartbeat()

	// leave ends the stream gracefully, with a last control message if the client can take one.
	leave(why Reason)

	// abort ends the stream without another byte.
	abort(why Reason)

	// ready is called when the socket has bytes to read, or can take more.
	ready(readable, writable bool)

	// lastWrite returns the tick of the last write that the subscriber accepted.
	lastWrite() int64

	// lag returns the number of log records by which the subscriber is behind its shard. While a replayer owns the subscriber, this is
	// the lag at the moment when the replayer got it.
	lag() uint64

	// release removes the subscriber from its group and the poller, after the stream has ended.
	release(why Reason)
}

var (
	_ delivery = (*direct)(nil)
	_ delivery = (*runner)(nil)
)

// stage is a stage in the life of a subscriber. A runner is live from start to close; its cursor shows whether it is behind.
type stage uint8

const (
	fresh    stage = iota
	catching       // a replayer owns it
	stalled        // its socket is full
	ahead          // its cursor has read records in the log that the window does not have yet
	live
	closed
)

func (s stage) String() string {
	return [...]string{"new", "catching up", "stalled", "ahead", "live", "closed"}[s]
}

// Reason is why a stream ended.
type Reason uint8

const (
	open      Reason = iota
	Gone             // the client has disconnected
	Complete         // all topics have ended, and everything was sent
	Drained          // the hub stops
	Slow             // the client accepted no bytes for too long, or is too far behind
	Expired          // the permission of the client has ended
	Revoked          // the permission of the client was revoked
	Failed           // the log cannot be read
	Dismissed        // an administrator has closed it
	Aged             // it has reached Options.MaxAge
	reasons
)

func (r Reason) String() string {
	return [reasons]string{"open", "gone", "complete", "drained", "slow", "expired", "revoked", "failed", "closed", "aged"}[r]
}

// jitter returns a random duration between two others.
func jitter(least, most time.Duration) time.Duration { return least + rand.N(most-least) }

// The delay after which a client should reconnect. Each stream gets its own, so that clients do not all reconnect at once even after the
// hub crashes.
const (
	shortestReconnect = 2 * time.Second
	longestReconnect  = 5 * time.Second
)

// leaving returns the last control message of a stream whose client may reconnect: the position that it has reached, and the delay
// before it reconnects.
func (g *group) leaving(at eventlog.Position) chunk {
	return g.control(Control{Kind: ControlLeaving, At: at, Retry: jitter(shortestReconnect/2, longestReconnect)})
}

// control returns a control message in the encoding of the group. It may have no bytes.
func (g *group) control(c Control) chunk {
	c.Now = time.Now()
	return chunk{text: string(g.encoding.Control(nil, c)), at: c.At.Seq, control: true}
}
