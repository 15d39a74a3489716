package hub

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// startOf parses where a subscription begins. It refuses no position: a browser whose reconnection is refused never tries again. [Start]
// defines which position counts.
func startOf(p *params, header http.Header, now time.Time) (b Start, err error) {
	b.Positions = appendPositions(nil, header.Values(wire.HeaderLastEventID))
	for _, name := range wire.PositionParams() {
		b.Positions = appendPositions(b.Positions, p.all(name))
	}
	since, hasSince, err1 := p.one(wire.ParamSince)
	last, hasLast, err2 := p.one(wire.ParamLast)
	switch {
	case err1 != nil:
		return b, err1
	case err2 != nil:
		return b, err2
	case hasSince && hasLast:
		return b, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "since and last exclude each other; send one of them")
	case hasSince:
		b.Seek, err = parseSince(since, now)
	case hasLast:
		b.Seek, err = parseLast(last)
	}
	return b, err
}

// appendPositions appends the positions in lines, which may be lists: a proxy may join header lines with commas (RFC 9110, section 5.3).
func appendPositions(positions, lines []string) []string {
	for _, line := range lines {
		for text := range strings.SplitSeq(line, ",") {
			if text = strings.TrimSpace(text); text != "" {
				positions = append(positions, strings.Clone(text))
			}
		}
	}
	return positions
}

func parseSince(text string, now time.Time) (*eventlog.Start, error) {
	if text == wire.SinceEarliest {
		return &eventlog.Start{}, nil // the zero Start is the earliest event
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return &eventlog.Start{Since: t}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return &eventlog.Start{Since: now.AddDate(0, 0, -int(n))}, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return &eventlog.Start{Since: now.Add(-d)}, nil
	}
	return nil, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest,
		"since=%.60s is invalid; send a duration such as 10m, 36h or 7d, a time such as 2026-11-22T10:00:00Z (with a + escaped as %%2B), or earliest", text)
}

func parseLast(text string) (*eventlog.Start, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > eventlog.MaxLast {
		return nil, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest,
			"last=%.60s is invalid; it must be a number of events from 0 to %d", text, eventlog.MaxLast)
	}
	if n == 0 {
		return nil, nil // begin now: Start{Last: 0} would mean all events
	}
	return &eventlog.Start{Last: n}, nil
}
