package load

import (
	"maps"
	"time"
)

// Report is the result of a run. Times are in milliseconds. Rates cover the measurement only; faults are counted from
// the first to the last event of the run.
type Report struct {
	Seconds     float64          `json:"seconds"`
	Interrupted bool             `json:"interrupted,omitempty"` // the run ended early; events on their way do not count as lost
	Subscribers Subscribers      `json:"subscribers"`
	Published   Published        `json:"published"`
	Delivered   Delivered        `json:"delivered"`
	Latency     Times            `json:"latency_ms"`
	Histogram   []Bar            `json:"histogram,omitempty"`
	Back        *Back            `json:"came_back,omitempty"`
	Slow        *Delivered       `json:"slow,omitempty"`
	Hub         *Hub             `json:"hub,omitempty"`
	Errors      map[string]int64 `json:"errors,omitempty"`
}

// Subscribers describes how the subscribers connected.
type Subscribers struct {
	Asked     int     `json:"asked"`
	Connected int     `json:"connected"`
	PerSecond float64 `json:"connects_per_second"`
	Times     Times   `json:"connect_ms"`
}

// Published describes the published events.
type Published struct {
	Requests  int64   `json:"requests"`
	Events    int64   `json:"events"`
	PerSecond float64 `json:"events_per_second"`
	Asked     float64 `json:"asked_per_second,omitempty"` // the rate of the options; none: as fast as possible
	Refused   int64   `json:"refused"`
	Answers   Times   `json:"answer_ms"`

	behind bool // the rate was missed by more than a twentieth
}

// Delivered describes the received events.
type Delivered struct {
	Events     int64   `json:"events"`
	PerSecond  float64 `json:"events_per_second"`
	Lost       int64   `json:"lost"`
	Duplicates int64   `json:"duplicates"`
	OutOfOrder int64   `json:"out_of_order"`
	Misrouted  int64   `json:"misrouted"`
	Other      int64   `json:"other"` // not of this run: control events, history
}

// Times are percentiles, in milliseconds.
type Times struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// Bar counts latencies of at most UpTo milliseconds that exceed the UpTo of the previous bar.
type Bar struct {
	UpTo  float64 `json:"up_to_ms"`
	Count int64   `json:"count"`
}

// Back describes how returning subscribers caught up with the events that they had missed.
type Back struct {
	Clients int     `json:"clients"`
	Live    int     `json:"live"`    // subscribers that have received all missed events
	Seconds float64 `json:"seconds"` // from the first connect to the last subscriber that caught up
	Times   Times   `json:"live_ms"` // how long each subscriber needed
	Delivered
}

// Hub describes the CPU time and memory of the hub.
type Hub struct {
	CPUSeconds    float64  `json:"cpu_seconds"`
	CPUPercent    float64  `json:"cpu_percent"` // of a core
	PerDelivery   float64  `json:"cpu_us_per_delivery"`
	Empty         int64    `json:"rss_bytes_empty"`
	Idle          int64    `json:"rss_bytes_connected"`
	End           int64    `json:"rss_bytes_end"`
	PerSubscriber *float64 `json:"rss_bytes_per_subscriber"` // nil: not measurable, because a hub that was in use before did not grow
}

// Faulty reports whether events were lost, duplicated, reordered or misrouted, or a returning subscriber did not catch
// up. Of an interrupted run no returning subscriber has to have caught up.
func (r *Report) Faulty() bool {
	faulty := r.Delivered.faulty()
	if r.Back != nil {
		faulty = faulty || r.Back.faulty() || r.Back.Live < r.Back.Clients && !r.Interrupted
	}
	return faulty || r.Slow != nil && r.Slow.faulty()
}

func (d *Delivered) faulty() bool { return d.Lost+d.Duplicates+d.OutOfOrder+d.Misrouted > 0 }

// report returns the report of a run whose publishers have ended.
func (r *run) report(m *measurement) *Report {
	seconds := (m.then.at - m.before.at).Seconds()
	end := r.snapshot()
	report := &Report{
		Seconds:     seconds,
		Interrupted: r.interrupted,
		Subscribers: r.connected(),
		Published: Published{
			Requests: end.sent.requests, Events: end.sent.events, Refused: end.sent.refused,
			PerSecond: float64(m.then.sent.events-m.before.sent.events) / seconds,
			Asked:     r.Rate, Answers: m.then.sent.acks.times(),
		},
		Delivered: r.delivered(live, m, &end),
		Latency:   end.latency.times(),
		Errors:    maps.Clone(r.errorCounts.counts),
	}
	report.Published.behind = r.isBehind(&report.Published, seconds)
	for _, bar := range end.latency.octaves() {
		report.Histogram = append(report.Histogram, Bar{ms(bar.upTo), bar.count})
	}
	if r.Missing > 0 {
		report.Back = r.back()
		report.Back.Delivered = r.delivered(returning, m, &end)
	}
	if r.Slow > 0 {
		report.Slow = new(r.delivered(slow, m, &end))
	}
	if len(r.PIDs) > 0 {
		report.Hub = r.hub(m)
	}
	return report
}

// delivered describes what the subscribers of a kind have received.
func (r *run) delivered(k kind, m *measurement, end *snapshot) Delivered {
	c := end.counts[k]
	d := Delivered{
		Events: c.events, Duplicates: c.again, OutOfOrder: c.late, Misrouted: c.misrouted, Other: c.other,
		PerSecond: float64(m.then.counts[k].events-m.before.counts[k].events) / (m.then.at - m.before.at).Seconds(),
	}
	for _, sub := range r.of(k) {
		sub.shard.lock()
		if sub.up > 0 {
			d.Lost += sub.lost()
		}
		sub.shard.unlock()
	}
	return d
}

// connected describes how the live and slow subscribers connected.
func (r *run) connected() Subscribers {
	s := Subscribers{Asked: r.Subscribers + r.Slow}
	var took histogram
	first, last := time.Duration(1<<62), time.Duration(0)
	for _, sub := range r.subscribers[:s.Asked] {
		sub.shard.lock()
		if sub.up > 0 {
			s.Connected++
			took.add(sub.up - sub.since)
			first, last = min(first, sub.since), max(last, sub.up)
		}
		sub.shard.unlock()
	}
	if last > first {
		s.PerSecond = float64(s.Connected) / (last - first).Seconds()
	}
	s.Times = took.times()
	return s
}

// back describes how the returning subscribers caught up.
func (r *run) back() *Back {
	b := &Back{Clients: r.Missing}
	var took histogram
	first, last := time.Duration(1<<62), time.Duration(0)
	for _, sub := range r.of(returning) {
		sub.shard.lock()
		if sub.done > 0 {
			b.Live++
			took.add(sub.done - sub.since)
			first, last = min(first, sub.since), max(last, sub.done)
		}
		sub.shard.unlock()
	}
	b.Seconds = max(0, last-first).Seconds()
	b.Times = took.times()
	return b
}

func (r *run) hub(m *measurement) *Hub {
	h := &Hub{CPUSeconds: (m.end.cpu - m.begin.cpu).Seconds(), Empty: m.empty.rss, Idle: m.idle.rss, End: m.end.rss}
	h.CPUPercent = 100 * h.CPUSeconds / (m.end.at - m.begin.at).Seconds()
	n := int64(0)
	for k := range m.then.counts {
		n += m.then.counts[k].events - m.before.counts[k].events
	}
	if n > 0 {
		h.PerDelivery = 1e6 * h.CPUSeconds / float64(n)
	}
	if connected := r.connected().Connected; connected > 0 {
		h.PerSubscriber = perSubscriber(h.Idle-h.Empty, connected)
	}
	return h
}

// perSubscriber returns the memory of one subscriber, nil if the memory of the hub did not grow.
func perSubscriber(growth int64, connected int) *float64 {
	if growth <= 0 {
		return nil
	}
	return new(float64(growth) / float64(connected))
}

// isBehind reports whether publishers missed their rate by more than a twentieth, and by more than a request of each: a short run may end
// between two of them.
func (r *run) isBehind(p *Published, seconds float64) bool {
	missing := (r.Rate - p.PerSecond) * seconds
	return missing > max(r.Rate*seconds/20, float64(r.Publishers*r.Batch))
}

func (h *histogram) times() Times {
	if h.n == 0 {
		return Times{}
	}
	return Times{
		Mean: ms(h.sum / time.Duration(h.n)), P50: ms(h.quantile(0.5)), P90: ms(h.quantile(0.9)), P99: ms(h.quantile(0.99)),
		P999: ms(h.quantile(0.999)), Max: ms(h.max.Truncate(time.Microsecond)),
	}
}

func ms(d time.Duration) float64 { return float64(d/time.Microsecond) / 1000 }
