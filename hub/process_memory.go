package hub

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Most of a hub's memory belongs to streams that receive nothing at the moment. By default Go lets as much garbage accumulate as there is
// live memory, so each stream would cost twice. Less room for garbage means more collections. So the room follows the rate
// of allocation.

const (
	lookEvery = time.Second
	leastRoom = 8 << 20 // bytes of garbage that are never too many

	restMade = 1 << 20 // bytes a second that a hub makes at most when it has come to rest

	standardPercent = 100 // Go's own
	fewPercent      = 3   // less is not worth stopping everybody
)

// boundGarbage keeps the room for garbage as small as the rate of allocation allows, until ctx ends.
func boundGarbage(ctx context.Context) {
	set, before := standardPercent, uint64(0)
	values := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	for tick := time.Tick(lookEvery); ; {
		select {
		case <-ctx.Done():
			debug.SetGCPercent(standardPercent)
			return
		case <-tick:
		}
		metrics.Read(values)
		live, made := values[0].Value.Uint64(), values[1].Value.Uint64()
		if percent := garbagePercent(live, made-before); percent > set+fewPercent || percent < set-fewPercent {
			debug.SetGCPercent(percent)
			set = percent
		}
		if inUse, free := values[2].Value.Uint64(), values[3].Value.Uint64(); atRest(made-before, inUse+free-min(live, inUse)) {
			debug.FreeOSMemory()
		}
		before = made
	}
}

// garbagePercent returns what GOGC should be when so much is in use, and so much was made since the last look: room for what is made until
// the next, between a sixteenth of what is in use and all of it.
func garbagePercent(live, made uint64) int {
	return int(min(100*max(made, live/16, leastRoom)/max(live, 1), standardPercent))
}

// atRest reports whether a hub has come to rest, and still has much that it needed on the way there, as after thousands have connected at
// once: garbage, and what is free but Go's. By itself Go would collect the next time there is as much again, and keep a tenth of what is in use.
func atRest(made, left uint64) bool { return made < restMade && left > leastRoom }
