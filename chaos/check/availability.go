package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/chaos/history"
)

// FaultTimes is rule K for the faults of one name: the longest times without an acknowledged request and without a delivery, from the fault
// until ten seconds after it was healed, until the next fault, or until publishers stop.
type FaultTimes struct {
	Name     string `json:"name"`
	Publish  Times  `json:"publish"`
	Delivery Times  `json:"delivery"`
}

// Times are sorted durations, in nanoseconds, one for each fault.
type Times []time.Duration

// Median returns the middle one.
func (t Times) Median() time.Duration { return t[len(t)/2] }

// Worst returns the longest one.
func (t Times) Worst() time.Duration { return t[len(t)-1] }

const aftermath = 10 * time.Second

func (c *checker) availability() []FaultTimes {
	by := map[string]*FaultTimes{}
	faults := slices.DeleteFunc(slices.Clone(c.faults), func(f history.Line) bool { return f.End == 0 }) // the line at the beginning of a fault with losses
	for i, f := range faults {
		end := f.End + aftermath.Microseconds()
		if i+1 < len(faults) {
			end = min(end, faults[i+1].At)
		}
		if c.stopped > f.At {
			end = min(end, c.stopped)
		}
		merge(by, FaultTimes{f.Name, Times{longest(c.acks, f.At, end)}, Times{longest(c.deliveries, f.At, end)}})
	}
	return sorted(by)
}

// merge adds times to those of the same fault.
func merge(by map[string]*FaultTimes, f FaultTimes) {
	all := by[f.Name]
	if all == nil {
		all = &FaultTimes{Name: f.Name}
		by[f.Name] = all
	}
	all.Publish, all.Delivery = append(all.Publish, f.Publish...), append(all.Delivery, f.Delivery...)
}

// sorted returns the times by the names of their faults.
func sorted(by map[string]*FaultTimes) (all []FaultTimes) {
	for _, f := range by {
		slices.Sort(f.Publish)
		slices.Sort(f.Delivery)
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b FaultTimes) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// longest returns the longest part of a time in which there is no moment.
func longest(moments []int64, from, to int64) time.Duration {
	var most int64
	i, _ := slices.BinarySearch(moments, from)
	for ; i < len(moments) && moments[i] < to; i++ {
		most = max(most, moments[i]-from)
		from = moments[i]
	}
	return time.Duration(max(most, to-from)) * time.Microsecond
}
