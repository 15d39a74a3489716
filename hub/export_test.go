package hub

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
)

func (h *Hub) shardCensus() fanout.Census {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return h.fanout.Census(ctx)
}

// Wanted returns the number of entries in the index of interest.
func (h *Hub) Wanted() int { return h.shardCensus().Indexed }

// Stalled returns how many streams have full sockets.
func (h *Hub) Stalled() int { return h.shardCensus().Behind["stalled"] }

// Adopted returns the number of streams that belong to shards.
func (h *Hub) Adopted() (n int) {
	for _, open := range h.shardCensus().Open {
		n += open
	}
	return n
}

// Settled returns the sequence number up to which all shards have delivered.
func (h *Hub) Settled() uint64 { return h.fanout.Settled() }

// Passes returns the number of passes that the shards have made.
func (h *Hub) Passes() uint64 { return h.shardCensus().Passes }

// Want opens a stream for a topic and a pattern, with a socket that discards all bytes.
func (h *Hub) Want(topic, pattern string) {
	c := &client{hub: h}
	if err := h.limits.enter(c.http1, c.from, &c.grant); err != nil {
		panic(err)
	}
	stream, err := h.fanout.Open(context.Background(), &fanout.Subscription{
		Selector: eventlog.Select([]string{topic}, eventlog.MustPattern(pattern)), Encoding: plainEncoding, Client: c,
	})
	if err != nil {
		panic(err)
	}
	stream.Serve(discard{})
}

// discard is a socket that discards all bytes.
type discard struct{}

func (discard) Write([]byte) error { return nil }
func (discard) Abort()             {}
func (discard) Close()             {}

// AwaitSettled waits until all shards have delivered up to a position.
func (h *Hub) AwaitSettled(at eventlog.Position) {
	for tries := 0; h.fanout.Settled() < at.Seq; tries++ {
		if tries%100 == 99 {
			time.Sleep(100 * time.Microsecond) // in a bubble, time passes only while all goroutines wait
		} else {
			runtime.Gosched()
		}
	}
}

// Closed returns the number of streams that have ended for a reason.
func (h *Hub) Closed(why string) uint64 {
	for reason, n := range h.fanout.Counts().Closed {
		if reason.String() == why {
			return n
		}
	}
	return 0
}

// Revoke adds a revocation; Revoked reports whether a grant is revoked.
func (h *Hub) Revoke(one access.Revocation) error {
	_, err := h.revocations.add(one)
	return err
}

func (h *Hub) Revoked(g access.Grant) bool {
	_, yes := h.revocations.Revoked(g)
	return yes
}

// Revocations returns the revocations in force.
func (h *Hub) Revocations() []access.Revocation { return h.revocations.All() }

// KeepRevocations writes a snapshot of the revocations if one is due.
func (h *Hub) KeepRevocations() error {
	h.awaitTail()
	if !h.revocations.snapshotDue() {
		return nil
	}
	err := h.revocations.snapshot()
	h.awaitTail()
	return err
}

func (h *Hub) awaitTail() {
	for h.fanout.Counts().Seen.Seq < h.log.Head().Seq {
		runtime.Gosched()
	}
}

// Routes returns the methods of each path of the native dialect and of the hub.
func Routes() map[string][]string {
	all := map[string][]string{}
	for _, r := range routesOf(nil) {
		if r.audience != hubs { // what hubs ask each other is not part of the interface
			all[r.Path] = slices.Clone(r.Methods)
		}
	}
	return all
}
