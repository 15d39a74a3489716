package hub

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
)

// Stats are the statistics of a hub, with the same numbers as its metrics. Counters start at 0 when the hub starts.
type Stats struct {
	Began   time.Time `json:"began"`
	Ready   bool      `json:"ready"`
	Unready string    `json:"unready,omitempty"` // the reason, if the hub is not ready

	Streams struct {
		Open   []StreamCount     `json:"open"`
		Behind map[string]int    `json:"behind"` // streams that are not live, by stage
		MaxLag uint64            `json:"max_lag"`
		Opened uint64            `json:"opened"`
		Closed map[string]uint64 `json:"closed"` // by reason
		Moved  uint64            `json:"moved"`  // streams of slow consumers that skipped to the newest event after a gap
	} `json:"streams"`

	Events struct {
		Stored         uint64 `json:"stored"`
		Duplicates     uint64 `json:"duplicates"`
		Delivered      uint64 `json:"delivered"`
		DeliveredBytes uint64 `json:"delivered_bytes"`
	} `json:"events"`

	Latency Latency `json:"-"` // from the log to the sockets, once for all subscribers that get the same bytes together

	Log struct {
		Generation string `json:"generation"`
		First      uint64 `json:"first"`
		Head       uint64 `json:"head"`
		Events     int64  `json:"events"`
		Bytes      int64  `json:"bytes"`
		Unseen     uint64 `json:"unseen"` // events that the hub has not read yet

		Durability eventlog.Durability `json:"durability,omitempty"` // "" if the log does not say
		Keep       int64               `json:"keep,omitempty"`       // the limit of all events together, in bytes; 0: none
		Free       int64               `json:"free,omitempty"`       // free bytes on its disk; 0: unknown, or it is on none

		DeadTopics     int64 `json:"dead_topics"` // topics without events, of which the log keeps a record to detect gaps
		DeadTopicBytes int64 `json:"dead_topic_bytes"`
	} `json:"log"`

	Cluster *ClusterCount `json:"cluster,omitempty"` // nil: the log is not shared with other hubs

	Presence PresenceTotals `json:"presence"`

	Window struct {
		Events int   `json:"events"`
		Bytes  int64 `json:"bytes"`
	} `json:"window"`

	Bodies struct {
		Bytes int64 `json:"bytes"` // memory reserved for request bodies
		Most  int64 `json:"most"`  // the limit, MaxBodyMemory
	} `json:"bodies"`

	Refused struct {
		Requests map[string]uint64 `json:"requests"` // by problem
		Tokens   map[string]uint64 `json:"tokens"`   // by reason
		Limits   map[string]uint64 `json:"limits"`   // by limit
	} `json:"refused"`

	Revocations int `json:"revocations"`

	Certificates []Certificate `json:"certificates,omitempty"` // of the server, see Options.Certificates
}

// ClusterCount is the state of the log that a hub shares with others.
type ClusterCount struct {
	Hubs       int    `json:"hubs"`        // heard of in the last 10 seconds, with this one
	Lag        uint64 `json:"lag"`         // messages of the shared log that are not in this hub's log yet
	ContactAge int64  `json:"contact_age"` // milliseconds since the last contact with the shared log
}

// PresenceTotals are the numbers of presence. Events are those that tell watchers who is present.
type PresenceTotals struct {
	Topics    int    `json:"topics"`    // with members, streams that ask to be seen, or watchers
	Members   int    `json:"members"`   // of all topics; a subject counts once for each
	Changes   uint64 `json:"changes"`   // events about changes, each counted once for all watchers of its topic
	Delivered uint64 `json:"delivered"` // events, counted for each watcher
}

// Latency is a histogram of durations.
type Latency struct {
	Buckets map[float64]uint64 // cumulative counts, by upper limit in seconds
	Count   uint64
	Sum     time.Duration
}

// StreamCount is the number of open streams with the same delivery and form.
type StreamCount struct {
	Kind  string `json:"kind"` // direct: a shard writes to the socket; goroutine: a goroutine does
	Form  string `json:"form"` // sse, envelope, ndjson, or the key of another dialect's encoding
	Count int    `json:"count"`
}

// statsTimeout limits how long shards may take to report or close their streams.
const statsTimeout = 5 * time.Second

// Stats returns the statistics of the hub, with the same content as /api/v1/stats. Streams of shards that do not answer before ctx ends, or
// within 5 seconds, are not counted. Before [Hub.Open] it returns an error.
func (h *Hub) Stats(ctx context.Context) (*Stats, error) {
	if !h.opened.Load() {
		return nil, h.unopened()
	}
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	s := &Stats{Began: h.count.began.UTC()}
	if p := h.unready(ctx); p != nil {
		s.Unready = p.Detail
	}
	s.Ready = s.Unready == ""
	h.census(ctx, s)
	h.count.into(s)

	n := h.fanout.Counts()
	s.Streams.Opened, s.Streams.Moved, s.Streams.Closed = n.Opened, n.Moved, make(map[string]uint64)
	for reason, closed := range n.Closed {
		s.Streams.Closed[reason.String()] = closed
	}
	s.Events.Stored, s.Events.Delivered, s.Events.DeliveredBytes = n.Stored, n.Delivered, n.Bytes
	s.Latency = latencyOf(&n)
	s.Window.Events, s.Window.Bytes = n.WindowEvents, n.WindowBytes

	bounds := h.log.Bounds()
	s.Log.Generation, s.Log.Head, s.Log.First = bounds.Head.Gen, bounds.Head.Seq, bounds.First
	s.Log.Events, s.Log.Bytes = bounds.Events, bounds.Bytes
	s.Log.DeadTopics, s.Log.DeadTopicBytes = bounds.DeadTopics, bounds.DeadBytes
	if storer, ok := h.log.(eventlog.Storer); ok {
		storage := storer.Storage()
		s.Log.Durability, s.Log.Keep, s.Log.Free = storage.Durability, storage.Bytes, max(storage.Free, 0)
	}
	if n.Seen.Gen == bounds.Head.Gen && n.Seen.Seq < bounds.Head.Seq {
		s.Log.Unseen = bounds.Head.Seq - n.Seen.Seq
	}
	if h.cluster != nil {
		s.Cluster = h.cluster.count()
	}
	s.Bodies.Bytes, s.Bodies.Most = h.bodies.inUse(), h.bodies.most
	p := h.presence.Totals()
	s.Presence = PresenceTotals{p.Topics, p.Members, p.Told, n.Notices}
	s.Revocations = h.revocations.Len()
	s.Certificates = h.certificates()
	return s, nil
}

// latencyOf returns the histogram of delivery times. The last bucket of package fanout has no upper limit and is only part of Count.
func latencyOf(n *fanout.Counts) Latency {
	l := Latency{Buckets: make(map[float64]uint64), Sum: n.LatencySum}
	for i, count := range n.Latency {
		if l.Count += count; i < len(n.Latency)-1 {
			l.Buckets[(time.Millisecond << i).Seconds()] = l.Count
		}
	}
	return l
}

// into copies the counters into the statistics.
func (c *counters) into(s *Stats) {
	s.Events.Duplicates = c.duplicates.Load()
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

// kindName names a kind of delivery.
func kindName(direct bool) string {
	if direct {
		return "direct"
	}
	return "goroutine"
}

// census counts the open streams. Streams of a shard that does not answer in time are not counted. Forms of the native dialect are always
// listed, other forms only if they have a stream.
func (h *Hub) census(ctx context.Context, s *Stats) {
	census := h.fanout.Census(ctx)
	for _, direct := range []bool{true, false} {
		for _, form := range []*nativeEncoding{plainEncoding, envelopeEncoding, ndjsonEncoding} {
			kind := fanout.Kind{Direct: direct, Encoding: form.key}
			s.Streams.Open = append(s.Streams.Open, StreamCount{kindName(direct), form.key, census.Open[kind]})
			delete(census.Open, kind)
		}
	}
	others := len(s.Streams.Open)
	for kind, n := range census.Open {
		s.Streams.Open = append(s.Streams.Open, StreamCount{kindName(kind.Direct), kind.Encoding, n})
	}
	slices.SortFunc(s.Streams.Open[others:], func(a, b StreamCount) int { return cmp.Or(cmp.Compare(a.Form, b.Form), cmp.Compare(a.Kind, b.Kind)) })
	s.Streams.Behind, s.Streams.MaxLag = census.Behind, census.MaxLag
}

// serveStats answers with [Stats].
func serveStats(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	p, err := parseParams(h, r.URL.RawQuery)
	if err != nil {
		return err
	}
	all, err := h.wantsCluster(p)
	if err != nil {
		return err
	}
	if err := p.done(); err != nil {
		return err
	}
	if all {
		return h.statsOfAll(w, r)
	}
	s, err := h.Stats(r.Context())
	if err != nil {
		return err
	}
	return answerJSON(w, s)
}
