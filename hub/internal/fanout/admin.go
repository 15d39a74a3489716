package fanout

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Info describes a stream to administrators.
type Info struct {
	ID       int64 // µs since 1970 when it was opened; no two streams have the same
	Client   Client
	Selector *eventlog.Selector
	Encoding Encoding
	Direct   bool   // the shard sends its bytes; otherwise a goroutine of the pool does
	Stage    string // live, catching up, stalled, ahead or new
	Lag      uint64 // number of log records by which it is behind, as far as the shard knows
	Bytes    int64  // sent after the header
}

// Opened returns when the stream was opened.
func (i *Info) Opened() time.Time { return time.UnixMicro(i.ID).UTC() }

func (sub *subscriber) info() Info {
	return Info{
		ID: sub.id, Client: sub.client, Selector: &sub.group.selector, Encoding: sub.group.encoding, Direct: sub.isDirect(), Stage: sub.stage.String(),
		Lag: sub.via.lag(), Bytes: sub.sentBytes(),
	}
}

// List returns the oldest streams that match and whose ID is above after. Shards that do not answer before ctx ends are missing. match is
// called by several goroutines.
func (f *Fanout) List(ctx context.Context, match func(*Info) bool, after int64, limit int) []Info {
	return oldest(slices.Concat(ask(ctx, f.shards, func(s *shard) (all []Info) {
		s.each(func(sub *subscriber) {
			if sub.id <= after {
				return
			}
			if info := sub.info(); match(&info) {
				all = append(all, info)
			}
		})
		return oldest(all, limit)
	})...), limit)
}

func oldest(all []Info, limit int) []Info {
	slices.SortFunc(all, func(a, b Info) int { return cmp.Compare(a.ID, b.ID) })
	return all[:min(len(all), limit)]
}

// Dismiss ends the streams that match, as Shutdown does, and returns their number. If a shard does not answer before ctx ends, it closes its
// streams later, and Dismiss does not count them.
func (f *Fanout) Dismiss(ctx context.Context, match func(*Info) bool) (n int) {
	for _, closed := range ask(ctx, f.shards, func(s *shard) (n int) {
		s.each(func(sub *subscriber) {
			if sub.dismissed {
				return
			}
			if info := sub.info(); match(&info) {
				sub.dismissed = true
				n++
				sub.via.leave(Dismissed)
			}
		})
		return n
	}) {
		n += closed
	}
	return n
}

// EndRevoked ends the streams whose clients were revoked. Each shard checks its subscribers once for all revocations up to that moment.
func (f *Fanout) EndRevoked() {
	for _, s := range f.shards {
		if s.sweeping.Swap(true) {
			continue
		}
		s.post(func() {
			s.sweeping.Store(false)
			s.each(func(sub *subscriber) {
				if sub.client.Revoked() {
					sub.via.leave(Revoked)
				}
			})
		})
	}
}

// Census counts the streams of all shards at one moment.
type Census struct {
	Open   map[Kind]int
	Behind map[string]int // streams that are not live, by stage
	MaxLag uint64

	Indexed int    // groups, and topics and matchers in the index of interest
	Passes  uint64 // passes with new events since the start
}

// Kind is the way in which a stream is delivered.
type Kind struct {
	Direct   bool
	Encoding string // key
}

// Census counts the streams of all shards. Shards that do not answer before ctx ends are missing.
func (f *Fanout) Census(ctx context.Context) Census {
	all := Census{Open: make(map[Kind]int), Behind: make(map[string]int)}
	for _, stage := range []stage{catching, stalled, ahead} {
		all.Behind[stage.String()] = 0
	}
	for _, one := range ask(ctx, f.shards, (*shard).census) {
		all.Indexed += one.Indexed
		all.Passes += one.Passes
		for kind, n := range one.Open {
			all.Open[kind] += n
		}
		for stage := range all.Behind {
			all.Behind[stage] += one.Behind[stage]
		}
		all.MaxLag = max(all.MaxLag, one.MaxLag)
	}
	return all
}

// census counts the streams of a shard. It looks at single subscribers only if some are behind.
func (s *shard) census() Census {
	all := Census{
		Open: make(map[Kind]int), Behind: make(map[string]int), Indexed: len(s.groups) + s.interest.size(), Passes: s.pass,
	}
	behind := false
	for _, g := range s.groups {
		all.Open[Kind{true, g.encoding.Key()}] += g.members - len(g.runners)
		all.Open[Kind{false, g.encoding.Key()}] += len(g.runners)
		behind = behind || g.members > len(g.live)
	}
	if behind {
		s.each(func(sub *subscriber) {
			all.Behind[sub.stage.String()]++
			all.MaxLag = max(all.MaxLag, sub.via.lag())
		})
	}
	return all
}

// ask runs a function in the goroutine of each shard, and returns the results that come before ctx ends.
func ask[T any](ctx context.Context, shards []*shard, question func(*shard) T) (answers []T) {
	all := make(chan T, len(shards))
	asked := 0
	for _, s := range shards {
		if s.post(func() { all <- question(s) }) {
			asked++
		}
	}
	for range asked {
		select {
		case answer := <-all:
			answers = append(answers, answer)
		case <-ctx.Done():
			return answers
		}
	}
	return answers
}
