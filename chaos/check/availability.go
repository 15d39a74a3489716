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
	Name           string        `json:"name"`
	Count          int           `json:"count"`
	PublishMedian  time.Duration `json:"publishMedian"` // in nanoseconds, like the others
	PublishWorst   time.Duration `json:"publishWorst"`
	DeliveryMedian time.Duration `json:"deliveryMedian"`
	DeliveryWorst  time.Duration `json:"deliveryWorst"`
}

const aftermath = 10 * time.Second

func (c *checker) availability() []FaultTimes {
	by := map[string][][2]time.Duration{}
	faults := slices.DeleteFunc(slices.Clone(c.faults), func(f history.Line) bool { return f.End == 0 }) // the line at the beginning of a fault with losses
	for i, f := range faults {
		end := f.End + aftermath.Microseconds()
		if i+1 < len(faults) {
			end = min(end, faults[i+1].At)
		}
		if c.stopped > f.At {
			end = min(end, c.stopped)
		}
		by[f.Name] = append(by[f.Name], [2]time.Duration{longest(c.acks, f.At, end), longest(c.deliveries, f.At, end)})
	}
	var all []FaultTimes
	for name, times := range by {
		var publish, delivery []time.Duration
		for _, t := range times {
			publish, delivery = append(publish, t[0]), append(delivery, t[1])
		}
		slices.Sort(publish)
		slices.Sort(delivery)
		middle, last := len(times)/2, len(times)-1
		all = append(all, FaultTimes{name, len(times), publish[middle], publish[last], delivery[middle], delivery[last]})
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
