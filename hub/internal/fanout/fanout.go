// Package fanout delivers the records of a log to subscribers.
//
// A hub opens one [Fanout] on its log, and a [Stream] for each subscriber that it has authorized. The package handles topics, positions
// and bytes. It does not handle HTTP, tokens or the form of an event: an [Encoding] makes the bytes, and a [Client] limits the life of
// its stream.
//
// # The path of an event
//
//	log ─▶ tail ─▶ window ─▶ shard, pass ─▶ interest ─▶ group ─▶ direct, sealed, lane, runner ─▶ socket
//	                 │          ▲                          │
//	                 │          │ join                     │ stall
//	start ─▶ stream ─┴─▶ replayer: cursor ◀────────────────┘
//
// Each step above is a file. The tail reads each new record once and puts it into the window. A shard is a goroutine, about one for each
// core, that owns its subscribers. It takes the new events from the window and finds the groups that want them. For each group it joins the
// bytes, and sends them to each member.
//
// Subscribers with the same selector and the same encoding form a group. Its live members are all at the same position, so that a member
// costs one send. A subscriber that is behind leaves the live members and gets a cursor, whatever the reason: a reconnection, a full
// socket, a request for history. Replayers advance cursors through the window, or through the log below it, until the shard can take the
// subscriber back. Subscribers have no queues, and slow consumers have no other path.
//
// A stream can also watch boards, which are states besides the log (board.go).
//
// While the log cannot be read, or has no contact with the shared log, the package ends its streams and refuses new ones (refuse.go).
//
// # Delivery
//
// Bytes leave in one of four ways, behind the interface delivery:
//   - direct: on Linux, a plain TCP or Unix socket that belongs to the shard. It has no goroutine and no buffer, and send does not block.
//   - sealed: the same over TLS. The shard calls crypto/tls, which writes one record to the socket at once.
//   - lane: the same for one of several streams that share a connection, as in HTTP/2. The shard flushes the connection after each pass.
//   - runner: any other connection. A goroutine from a pool drives the same cursor, with writes that block.
package fanout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Options are the settings of a [Fanout]. Every field is required, unless its comment gives the zero value a meaning.
type Options struct {
	// Window is the size of the newest events that stay in memory, in bytes.
	Window int64

	// Heartbeat is the longest silence on a connection. ShortestHeartbeat is the shortest interval of [Subscription.Heartbeat].
	Heartbeat         time.Duration
	ShortestHeartbeat time.Duration

	// WriteTimeout is how long a client may accept no bytes before its stream ends.
	WriteTimeout time.Duration

	// Gather is how long a shard waits after a new event, so that more events leave in the same pass. 0: not at all
	Gather time.Duration

	// MaxAge is the longest life of a stream. 0: no limit
	MaxAge time.Duration

	// MaxLag (bytes of events) and MaxLagTime limit how far a live subscriber may fall behind. 0: no limit. Beyond a
	// limit its stream ends, or with SkipSlow continues at the newest event after a gap.
	MaxLag     int64
	MaxLagTime time.Duration
	SkipSlow   bool

	// OnRecords is called with all new records of the log, in order, before subscribers get them. It must not block.
	OnRecords func([]eventlog.Record)

	// OnSkip is called before the Fanout skips records of the log, of which OnRecords gets none: at a gap, and when the log was replaced by
	// a copy. They come after the position; the zero Position stands for all records. The log may still have some of them. After an error
	// the Fanout delivers nothing, and calls OnSkip again, as if the log could not be read.
	OnSkip func(ctx context.Context, after eventlog.Position) error

	Logger *slog.Logger

	Encodings []Encoding // whose keys no other encoding can have
}

// shortestWait returns the shortest time that determines the tick of a shard's wheel. Heartbeats that subscribers ask for may use ticks
// twice as long.
func (o *Options) shortestWait() time.Duration {
	shortest := min(o.Heartbeat, o.WriteTimeout, 2*o.ShortestHeartbeat)
	if o.MaxAge > 0 {
		shortest = min(shortest, o.MaxAge)
	}
	return shortest
}

// Errors of [Fanout.Open]. Other errors are those of the log and [*GapError].
var (
	ErrEnded      = errors.New("fanout: all topics have ended, and the subscriber has everything")
	ErrDraining   = errors.New("fanout: the streams are being closed")
	ErrUnreadable = errors.New("fanout: the log cannot be read")
	ErrIsolated   = errors.New("fanout: the log has no contact with the log that it shares with other hubs")
	ErrBehind     = errors.New("fanout: the log has not reached the position of the client yet")
)

// Fanout delivers the records of a log. It is safe for concurrent use.
type Fanout struct {
	log       eventlog.Log
	copies    func() uint64 // see [eventlog.Copier]
	copied    uint64        // copies when the Fanout was made
	opts      Options
	window    *window
	pages     *pages
	pieces    *pieces
	encodings encodings
	ends      ends
	shards    []*shard
	replayers *replayers
	trunks    trunks
	count     counters

	ctx        context.Context // canceled when the tail and the replayers must stop
	cancel     context.CancelFunc
	reading    sync.WaitGroup // the tail and the replayers
	stopShards context.CancelFunc
	running    sync.WaitGroup // shards

	unread   atomic.Bool // the last read of the tail failed
	refusing causes      // why new streams are refused

	draining chan struct{} // closed when streams begin to end
	lastRead chan struct{} // closed by the tail when it has read all records from before the drain, or has ended
	drain    sync.Once
	open     sync.WaitGroup // streams
	opening  sync.Mutex     // held to add to open, and to close draining
}

// New prepares a Fanout: it reads the newest records into the window. No record is delivered before [Fanout.Start]. The caller keeps the
// log, and closes it after [Fanout.Shutdown]. Nothing else may receive from the log's Watch channel.
func New(ctx context.Context, log eventlog.Log, o Options) (*Fanout, error) {
	f := &Fanout{
		log: log, opts: o, pages: newPages(log), pieces: newPieces(), window: newWindow(log.Head(), o.Window),
		draining: make(chan struct{}), lastRead: make(chan struct{}),
	}
	f.copies = copiesOf(log)
	f.copied = f.copies()
	f.ends = ends{log: log, window: f.window}
	f.replayers = newReplayers()
	for _, e := range o.Encodings {
		if err := f.encodings.check(e); err != nil {
			return nil, err
		}
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	if err := f.preload(ctx); err != nil {
		f.cancel()
		return nil, err
	}
	return f, nil
}

// Start begins delivery. It is called once.
func (f *Fanout) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	f.stopShards = cancel
	for i := range min(runtime.GOMAXPROCS(0), runtime.NumCPU()) {
		s := newShard(f)
		f.shards = append(f.shards, s)
		f.running.Go(func() { labelled(fmt.Sprint("hub shard ", i), func() { s.run(ctx) }) })
	}
	f.reading.Go(func() { labelled("hub tail", f.tail) })
	f.reading.Go(func() { labelled("hub contact", f.watchContact) })
	for range max(2, runtime.GOMAXPROCS(0)) {
		f.reading.Go(func() { labelled("hub replayer", func() { f.replayers.run(f.ctx) }) })
	}
}

// Shutdown ends all streams gracefully, in waves: each stream gets the events that are stored, then a delay after which to reconnect.
// Shutdown returns when all streams have ended. If ctx ends first, Shutdown aborts the remaining streams and returns the error of ctx.
func (f *Fanout) Shutdown(ctx context.Context) error {
	f.endStreams(ctx)
	done := make(chan struct{})
	go func() {
		f.open.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	// In this order: a replayer may use a socket that the shard is about to close.
	f.cancel()
	f.reading.Wait()
	f.stopShards()
	f.running.Wait()
	return err
}

// Draining returns a channel that is closed when streams begin to end: by Shutdown, or because the log was closed.
func (f *Fanout) Draining() <-chan struct{} { return f.draining }

// Settled returns the sequence number up to which all shards have sent events to live streams, and woken the other streams.
func (f *Fanout) Settled() uint64 {
	settled := f.shards[0].settled.Load()
	for _, s := range f.shards[1:] {
		settled = min(settled, s.settled.Load())
	}
	return settled
}

// endStreams refuses new streams and drains those that are open.
func (f *Fanout) endStreams(ctx context.Context) {
	f.drain.Do(func() {
		f.opening.Lock()
		close(f.draining)
		f.opening.Unlock()
		select {
		case <-f.lastRead:
		case <-ctx.Done():
		}
		for _, s := range f.shards {
			s.post(s.drain)
		}
	})
}

// enter counts a new stream, until f.open.Done.
func (f *Fanout) enter() error {
	f.opening.Lock()
	defer f.opening.Unlock()
	select {
	case <-f.draining:
		return ErrDraining
	default:
	}
	if err := f.refusing.err(); err != nil {
		return err
	}
	f.open.Add(1)
	return nil
}

// leave removes a subscriber from the counts and calls Closed of its client.
func (f *Fanout) leave(sub *subscriber, why Reason) {
	f.count.closed[why].Add(1)
	sub.shard.members.Add(-1)
	sub.client.Closed(End{sub.sentBytes(), why})
	f.open.Done()
}

// leastShard returns the shard with the fewest subscribers and counts one more.
func (f *Fanout) leastShard() *shard {
	s := slices.MinFunc(f.shards, func(a, b *shard) int { return cmp.Compare(a.members.Load(), b.members.Load()) })
	s.members.Add(1)
	return s
}

// Streams returns how many streams are open.
func (f *Fanout) Streams() (n int) {
	for _, s := range f.shards {
		n += int(s.members.Load())
	}
	return n
}

// stopsReading reports whether an error of the log means that streams end because the hub stops, or because the log was closed.
func (f *Fanout) stopsReading(err error) bool {
	return f.ctx.Err() != nil || errors.Is(err, eventlog.ErrClosed)
}

// logUnreadable logs the error with which a stream could not read the log.
func (f *Fanout) logUnreadable(ctx context.Context, at eventlog.Position, err error) {
	if ctx.Err() == nil && !errors.Is(err, eventlog.ErrClosed) {
		f.opts.Logger.Error("a stream ends, because its events cannot be read; the client comes back", "at", at.String(), "err", err.Error())
	}
}
