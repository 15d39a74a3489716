package fanout

import (
	"context"
	"math"

	"github.com/tidings-sse/tidings/eventlog"
)

// A topic has ended while its end holds, see [eventlog.Log.End]: no record can follow. A stream is complete when all topics of its selector
// are named, have ended, and the stream has sent all those ends, or has reported the gaps that contain them. An end holds longer than some
// logs keep its record.

// ends finds out whether topics have ended, from the window where possible, otherwise from the log.
type ends struct {
	log    eventlog.Log
	window *window
}

// of returns the sequence number of the record that ended a topic, 0 if the topic has not ended. The answer holds at some sequence number or
// later. Only an answer of "not ended" may come from the window: an end in it may have expired.
func (e *ends) of(ctx context.Context, name string, asOf uint64) (uint64, error) {
	if newest := e.window.newest(name); newest != nil && newest.Flags&eventlog.End == 0 && asOf <= e.window.head().Seq {
		return 0, nil
	}
	end, err := e.log.End(ctx, name)
	return end.Seq, err
}

// complete reports whether a stream of a group that is at a position is complete. A selector may have a thousand names that end one after the
// other. So complete first checks the name that had not ended at the last call, then the names after it: each end costs about one lookup. If
// an end expires and the topic begins again, complete needs more lookups and gives the same answer.
func (e *ends) complete(ctx context.Context, g *group, at eventlog.Position) (bool, error) {
	if len(g.selector.Matchers()) > 0 {
		return false, nil
	}
	names := g.selector.Names()
	first := int(g.unended.Load())
	for i := range names {
		i = (first + i) % len(names)
		end, err := e.of(ctx, names[i], at.Seq)
		if err != nil || end == 0 || end > at.Seq {
			g.unended.Store(int32(i))
			return false, err
		}
	}
	return true, nil
}

// firstAfter returns the sequence number of the first record after a position that ends a named topic of a group, 0 if there is none. It may
// read the log once for each name. It is called only when a slow subscriber skips events, which it can do again only after it has fallen
// behind by the whole limit.
func (e *ends) firstAfter(ctx context.Context, g *group, after uint64) (first uint64, err error) {
	for _, name := range g.selector.Names() {
		end, err := e.of(ctx, name, math.MaxUint64)
		if err != nil {
			return 0, err
		}
		if end > after && (first == 0 || end < first) {
			first = end
		}
	}
	return first, nil
}
