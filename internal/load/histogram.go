package load

import (
	"math/bits"
	"time"
)

// histogram counts durations in microseconds. The width of a bucket is at most 1/32 of its durations, so quantiles are
// accurate to 3 % from microseconds to hours.
type histogram struct {
	buckets [1024]int64
	n       int64
	sum     time.Duration
	max     time.Duration
}

const bucketBits = 5 // bits of a number after its first one that select the bucket

func bucketOf(us uint64) int {
	if us < 2<<bucketBits {
		return int(us)
	}
	shift := bits.Len64(us) - bucketBits - 1
	return min(shift<<bucketBits+int(us>>shift), 1023)
}

// bucketTop returns the longest duration of a bucket.
func bucketTop(i int) time.Duration {
	us := int64(i)
	if i >= 2<<bucketBits {
		shift := i>>bucketBits - 1
		us = int64(i-shift<<bucketBits+1)<<shift - 1
	}
	return time.Duration(us) * time.Microsecond
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucketOf(uint64(d/time.Microsecond))]++
	h.n++
	h.sum += d
	h.max = max(h.max, d)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
	h.n += o.n
	h.sum += o.sum
	h.max = max(h.max, o.max)
}

// quantile returns the duration that a fraction q of all durations does not exceed, 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(q * float64(h.n))
	for i, n := range h.buckets {
		if rank -= n; rank < 0 {
			return min(bucketTop(i), h.max)
		}
	}
	return h.max
}

// octave is a bar of the histogram that people see. It counts the durations from half of upTo to upTo.
type octave struct {
	upTo  time.Duration
	count int64
}

// octaves returns the bars from the shortest to the longest duration, including empty ones between.
func (h *histogram) octaves() (bars []octave) {
	for i, n := range h.buckets {
		top := bucketTop(i)
		if k := len(bars); k == 0 || bits.Len64(uint64(top/time.Microsecond)) > bits.Len64(uint64(bars[k-1].upTo/time.Microsecond)) {
			if k > 0 || n > 0 {
				bars = append(bars, octave{})
			}
		}
		if k := len(bars); k > 0 {
			bars[k-1].upTo = top
			bars[k-1].count += n
		}
	}
	for len(bars) > 0 && bars[len(bars)-1].count == 0 {
		bars = bars[:len(bars)-1]
	}
	return bars
}
