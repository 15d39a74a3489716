package hub

import (
	"context"
	"net/http"
	"time"
)

// Stats are how a hub does: what its metrics say, in one piece. Numbers that only rise are since it began.
type Stats struct {
	Began   time.Time `json:"began"`
	Ready   bool      `json:"ready"`
	Unready string    `json:"unready,omitempty"` // why not

	Streams struct {
		Open   []StreamCount     `json:"open"`
		Behind map[string]int    `json:"behind"` // those that are not live, by stage
		MaxLag uint64            `json:"max_lag"`
		Opened uint64            `json:"opened"`
		Closed map[string]uint64 `json:"closed"` // by reason
		Moved  uint64            `json:"moved"`  // slow ones that were moved on, and told of the gap
	} `json:"streams"`

	Events struct {
		Stored         uint64 `json:"stored"`
		Duplicates     uint64 `json:"duplicates"`
		Delivered      uint64 `json:"delivered"`
		DeliveredBytes uint64 `json:"delivered_bytes"`
	} `json:"events"`

	Log struct {
		Generation string `json:"generation"`
		First      uint64 `json:"first"`
		Head       uint64 `json:"head"`
		Events     int64  `json:"events"`
		Bytes      int64  `json:"bytes"`
		Unseen     uint64 `json:"unseen"` // events that the hub has not taken yet

		DeadTopics     int64 `json:"dead_topics"` // without events, that are remembered with what they have lost
		DeadTopicBytes int64 `json:"dead_topic_bytes"`
	} `json:"log"`

	Window struct {
		Events int   `json:"events"`
		Bytes  int64 `json:"bytes"`
	} `json:"window"`

	Bodies struct {
		Bytes int64 `json:"bytes"` // of memory that bodies take which are being published
		Most  int64 `json:"most"`
	} `json:"bodies"`

	Refused struct {
		Requests map[string]uint64 `json:"requests"` // by problem
		Tokens   map[string]uint64 `json:"tokens"`   // by reason
		Limits   map[string]uint64 `json:"limits"`   // by limit
	} `json:"refused"`

	Revocations int `json:"revocations"`
}

// StreamCount is how many streams of a kind are open.
type StreamCount struct {
	Kind  string `json:"kind"` // how bytes leave: direct, from the shard to the socket; or goroutine, by one for each
	Form  string `json:"form"` // sse, envelope or ndjson
	Count int    `json:"count"`
}

// statsTimeout is how long shards may take to say what they have.
const statsTimeout = 5 * time.Second

func (h *Hub) stats(ctx context.Context) *Stats {
	s := &Stats{Began: h.count.began.UTC()}
	if p := h.unready(ctx); p != nil {
		s.Unready = p.Detail
	}
	s.Ready = s.Unready == ""
	h.census(ctx, s)
	h.count.into(s)

	bounds, seen := h.log.Bounds(), h.window.head()
	s.Log.Generation, s.Log.Head, s.Log.First = bounds.Head.Gen, bounds.Head.Seq, bounds.First
	s.Log.Events, s.Log.Bytes = bounds.Events, bounds.Bytes
	s.Log.DeadTopics, s.Log.DeadTopicBytes = bounds.DeadTopics, bounds.DeadBytes
	if seen.Gen == bounds.Head.Gen && seen.Seq < bounds.Head.Seq {
		s.Log.Unseen = bounds.Head.Seq - seen.Seq
	}
	s.Window.Events, s.Window.Bytes = h.window.size()
	s.Bodies.Bytes, s.Bodies.Most = h.bodies.inUse(), h.bodies.most
	s.Revocations = h.revocations.Len()
	return s
}

// into copies the counters.
func (c *counters) into(s *Stats) {
	s.Streams.Opened, s.Streams.Moved = c.opened.Load(), c.skipped.Load()
	s.Streams.Closed = make(map[string]uint64)
	for r := gone; r < reasons; r++ {
		s.Streams.Closed[r.String()] = c.closed[r].Load()
	}
	s.Events.Stored, s.Events.Duplicates = c.taken.Load(), c.duplicates.Load()
	s.Events.Delivered, s.Events.DeliveredBytes = c.delivered.Load(), c.bytes.Load()
	s.Refused.Requests, s.Refused.Tokens, s.Refused.Limits = make(map[string]uint64), make(map[string]uint64), make(map[string]uint64)
	for name, n := range c.refused {
		s.Refused.Requests[name] = n.Load()
	}
	for reason, n := range c.tokens {
		s.Refused.Tokens[string(reason)] = n.Load()
	}
	for l := range limitCount {
		s.Refused.Limits[l.String()] = c.limits[l].Load()
	}
}

// tally is what one shard has.
type tally struct {
	open   [2][forms]int // direct or not
	behind [closed]int   // by stage
	lag    uint64
}

var (
	kindNames = [2]string{"direct", "goroutine"}
	formNames = [forms]string{"sse", "envelope", "ndjson"}
)

// census asks the shards for their streams. What one does not say in time is missing.
func (h *Hub) census(ctx context.Context, s *Stats) {
	var all tally
	for _, t := range ask(ctx, h.shards, (*shard).tally) {
		for kind := range t.open {
			for f := range t.open[kind] {
				all.open[kind][f] += t.open[kind][f]
			}
		}
		for stage := range t.behind {
			all.behind[stage] += t.behind[stage]
		}
		all.lag = max(all.lag, t.lag)
	}
	for kind := range all.open {
		for f := range all.open[kind] {
			s.Streams.Open = append(s.Streams.Open, StreamCount{kindNames[kind], formNames[f], all.open[kind][f]})
		}
	}
	s.Streams.Behind = make(map[string]int)
	for _, of := range []stage{catching, stalled, ahead} {
		s.Streams.Behind[of.String()] = all.behind[of]
	}
	s.Streams.MaxLag = all.lag
}

// tally counts what a shard has. It looks at single subscribers only if some are behind.
func (s *shard) tally() (t tally) {
	behind := false
	for _, g := range s.groups {
		t.open[0][g.form] += g.members - len(g.waiting)
		t.open[1][g.form] += len(g.waiting)
		behind = behind || g.members > len(g.live)
	}
	if behind {
		s.each(func(sub *subscriber) {
			t.behind[sub.stage]++
			t.lag = max(t.lag, s.lag(sub))
		})
	}
	return t
}

// each calls f with all subscribers of a shard that it has taken in.
func (s *shard) each(f func(*subscriber)) {
	s.poller.each(func(sub *subscriber) {
		if sub.runner == nil {
			f(sub)
		}
	})
	for _, g := range s.groups {
		for _, sub := range g.waiting {
			f(sub)
		}
	}
}

// lag returns by how many events of the log, whoever wants them, a subscriber is behind its shard, as far as that is known: of one that is
// being brought up to date, since it was handed over.
func (s *shard) lag(sub *subscriber) uint64 {
	at := sub.at
	switch {
	case sub.stage == current || sub.stage == ahead:
		return 0
	case sub.stage == stalled && sub.cursor != nil:
		at = sub.cursor.query.After
	case sub.runner != nil:
		if first := sub.runner.pending.Load(); first > 1 {
			at.Gen, at.Seq = s.at.Gen, first-2
		}
	}
	if at.Gen != s.at.Gen || at.Seq > s.at.Seq {
		return 0
	}
	return s.at.Seq - at.Seq
}

// ask asks shards for something in their goroutines, and returns what they say in time.
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

// serveStats answers with the statistics.
func serveStats(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := h.noParams(r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), statsTimeout)
	defer cancel()
	return answerJSON(w, h.stats(ctx))
}
