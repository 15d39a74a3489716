package load

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// WriteText writes the report as text for people.
func (r *Report) WriteText(w io.Writer) error {
	t := &text{w: w}
	s := r.Subscribers
	if r.Interrupted {
		t.line("interrupted", "after %s s; events on their way do not count as lost", figure(r.Seconds))
	}
	t.line("subscribers", "%s of %s connected, %s/s; %s", count(int64(s.Connected)), count(int64(s.Asked)), figure(s.PerSecond), s.Times.text())
	if p := r.Published; p.Requests > 0 {
		t.line("published", "%s events in %s requests, %s/s; %s", count(p.Events), count(p.Requests), figure(p.PerSecond), p.Answers.text())
		if p.behind {
			t.line("", "%s of %s events/s asked for: the answers came too late, or this machine is too slow", figure(p.PerSecond), figure(p.Asked))
		}
		if p.Refused > 0 {
			t.line("", "%s events were refused", count(p.Refused))
		}
	}
	t.delivered("delivered", &r.Delivered)
	if b := r.Back; b != nil {
		t.line("came back", "%s of %s live again after %s s; each: %s", count(int64(b.Live)), count(int64(b.Clients)), figure(b.Seconds), b.Times.text())
		t.delivered("", &b.Delivered)
	}
	if r.Slow != nil {
		t.delivered("slow", r.Slow)
	}
	t.hub(r.Hub)
	if r.Latency.Max > 0 {
		t.line("latency", "%s", r.Latency.text())
		t.histogram(r.Histogram)
	}
	for _, e := range slices.Sorted(maps.Keys(r.Errors)) {
		t.line("error", "%s times: %s", count(r.Errors[e]), e)
	}
	return t.err
}

// text writes labelled lines and keeps the first error.
type text struct {
	w   io.Writer
	err error
}

func (t *text) line(name, format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
}

func (t *text) delivered(name string, d *Delivered) {
	t.line(name, "%s events, %s/s; %s lost, %s twice, %s out of order, %s misrouted", count(d.Events), figure(d.PerSecond),
		count(d.Lost), count(d.Duplicates), count(d.OutOfOrder), count(d.Misrouted))
}

func (t *text) hub(h *Hub) {
	if h == nil {
		return
	}
	t.line("hub", "%s %% of a core, %s µs a delivery; %s MB, %s", figure(h.CPUPercent), figure(h.PerDelivery),
		figure(float64(h.End)/1e6), h.perSubscriber())
}

// perSubscriber returns the memory of a subscriber as text.
func (h *Hub) perSubscriber() string {
	if h.PerSubscriber == nil {
		return "memory of a subscriber not measurable"
	}
	return figure(*h.PerSubscriber/1e3) + " KB a subscriber"
}

func (t *text) histogram(bars []Bar) {
	most, all := int64(1), int64(0)
	for _, b := range bars {
		most = max(most, b.Count)
		all += b.Count
	}
	const width = 40
	for _, b := range bars {
		length := int(math.Ceil(width * float64(b.Count) / float64(most)))
		t.line("", "%9s ms %-*s %s %%", "≤ "+figure(b.UpTo), width, strings.Repeat("█", length), figure(100*float64(b.Count)/float64(all)))
	}
}

func (t Times) text() string {
	return fmt.Sprintf("ms: p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", figure(t.P50), figure(t.P90), figure(t.P99), figure(t.P999), figure(t.Max))
}

// count formats a number with commas between groups of three digits.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// figure formats a number with three significant digits.
func figure(x float64) string {
	switch {
	case math.Abs(x) >= 100:
		return count(int64(math.Round(x)))
	case x == 0:
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(x))))
	return strconv.FormatFloat(x, 'f', min(digits, 4), 64)
}
