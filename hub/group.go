package hub

import (
	"context"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// group is all subscribers of a shard that want the same in the same form, with the same heartbeat. Those of them that are live are at the same place, so
// that what comes next is put together once for all of them.
type group struct {
	wanted
	form     form
	beat     beat
	wants    string // what is wanted, as a key
	selector eventlog.Selector

	members int           // all, in whatever state
	live    []member      // those whose bytes the shard sends
	waiting []*subscriber // those that have a goroutine of their own, which is woken

	sent   uint64   // number of the newest event that everybody in live has
	wrote  int64    // tick of the shard's wheel when it left
	bytes  int64    // that were sent to each of those in live, since there is a group
	events []*event // what the pass under way has for the group
	pass   uint64   // the pass that events belong to

	unended atomic.Int32 // which of the names had not ended when somebody asked last; shards, replayers and runners ask
}

// member is a live subscriber, with what is needed to send to it at hand.
type member struct {
	fd  int32
	sub *subscriber
}

func newGroup(w wanted, f form) *group {
	return &group{wanted: w, form: f, wants: w.key(), selector: w.selector()}
}

// groupKey tells groups apart.
type groupKey struct {
	wants string
	form  form
	beat  beat
}

// beat is how often heartbeats come that are checkpoints, in milliseconds, at most the hub's own interval. 0 means comments, at that interval.
// It stands in the group, so that it costs a subscriber no memory.
type beat uint32

// longestBeat is the longest interval, far beyond what a proxy waits.
const longestBeat = 24 * time.Hour

func beatOf(d time.Duration) beat { return beat(max(min(d, longestBeat).Milliseconds(), 1)) }

func (g *group) key() groupKey { return groupKey{g.wants, g.form, g.beat} }

// key is the same for those who want the same, in whatever order they say so. A topic can have any byte in it, so each is said with
// its length.
func (w *wanted) key() string {
	names := slices.Sorted(slices.Values(w.names))
	patterns := make([]string, len(w.patterns))
	for i, p := range w.patterns {
		patterns[i] = p.String()
	}
	slices.Sort(patterns)
	key := []byte(strconv.Itoa(len(names)))
	for _, text := range append(names, patterns...) {
		key = strconv.AppendInt(append(key, ' '), int64(len(text)), 10)
		key = append(append(key, ':'), text...)
	}
	return string(key)
}

// addLive and addWaiting enter a subscriber, removeFrom takes it out of where it is.
func (g *group) addLive(s *subscriber) {
	s.place = len(g.live)
	g.live = append(g.live, member{s.fd, s})
	s.bytes -= g.bytes
}

func (g *group) addWaiting(s *subscriber) {
	s.place = len(g.waiting)
	g.waiting = append(g.waiting, s)
}

func (g *group) removeLive(s *subscriber) {
	s.bytes += g.bytes
	last := len(g.live) - 1
	g.live[s.place] = g.live[last]
	g.live[s.place].sub.place = s.place
	g.live[last] = member{}
	g.live = g.live[:last]
}

func (g *group) removeWaiting(s *subscriber) {
	last := len(g.waiting) - 1
	g.waiting[s.place] = g.waiting[last]
	g.waiting[s.place].place = s.place
	g.waiting[last] = nil
	g.waiting = g.waiting[:last]
}

// firstEnd returns the number of the first record after a position that ends a topic of those who are followed by name, 0 if there is
// none. It may have to ask the log for each name, as reading on does: that is in a replayer's turn, and not again before somebody who was
// moved on has fallen behind by all of his bound.
func (g *group) firstEnd(ctx context.Context, h *Hub, after uint64) (first uint64, err error) {
	for _, name := range g.names {
		end, err := h.end(ctx, name, math.MaxUint64)
		if err != nil {
			return 0, err
		}
		if end > after && (first == 0 || end < first) {
			first = end
		}
	}
	return first, nil
}

// ended reports whether all topics have ended, and whoever is at a position has seen it: nothing can ever come. The log has to be asked
// for an end, and there may be a thousand names that end one after the other. So the name that had not ended the last time is asked
// first, and of the others those behind it: each end costs about one question, whoever asks. Names do not begin again, but for those
// whose end was trimmed: that costs questions, and changes no answer.
func (g *group) ended(ctx context.Context, h *Hub, at eventlog.Position) (bool, error) {
	if len(g.patterns) > 0 {
		return false, nil
	}
	first := int(g.unended.Load())
	for i := range g.names {
		i = (first + i) % len(g.names)
		end, err := h.end(ctx, g.names[i], at.Seq)
		if err != nil || end == 0 || end > at.Seq {
			g.unended.Store(int32(i))
			return false, err
		}
	}
	return true, nil
}
