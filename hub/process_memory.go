package hub

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Most memory of a hub belongs to idle streams. By default Go lets garbage grow as large as the live heap, which doubles the memory of each
// stream. A smaller GOGC means more collections, but an idle process needs few. So GOGC follows the rate of allocation.

const (
	tuneInterval = time.Second
	leastGarbage = 8 << 20 // bytes of garbage that are always allowed

	idleRate = 1 << 20 // bytes a second that an idle hub allocates at most

	standardPercent = 100 // the default of GOGC
	leastChange     = 3   // a smaller change is not worth stopping all goroutines
)

// limitGarbage keeps GOGC as low as the rate of allocation allows, until ctx ends.
func limitGarbage(ctx context.Context) {
	set, before := standardPercent, uint64(0)
	values := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	for tick := time.Tick(tuneInterval); ; {
		select {
		case <-ctx.Done():
			debug.SetGCPercent(standardPercent)
			return
		case <-tick:
		}
		metrics.Read(values)
		live, made := values[0].Value.Uint64(), values[1].Value.Uint64()
		if percent := garbagePercent(live, made-before); percent > set+leastChange || percent < set-leastChange {
			debug.SetGCPercent(percent)
			set = percent
		}
		if inUse, free := values[2].Value.Uint64(), values[3].Value.Uint64(); atRest(made-before, inUse+free-min(live, inUse)) {
			debug.FreeOSMemory()
		}
		before = made
	}
}

// garbagePercent returns GOGC for a live heap and the bytes allocated in the last interval. The garbage of one interval fits, but at least a
// sixteenth of the live heap and at most all of it.
func garbagePercent(live, made uint64) int {
	return int(min(100*max(made, live/16, leastGarbage)/max(live, 1), standardPercent))
}

// atRest reports whether the hub is idle and holds much memory that it does not need, for example after thousands of clients have connected
// at once. made is the bytes allocated in the last interval; left is garbage and free memory that Go has not returned. Go itself would
// collect only after as much again was allocated, and keep a tenth of the memory in use.
func atRest(made, left uint64) bool { return made < idleRate && left > leastGarbage }
