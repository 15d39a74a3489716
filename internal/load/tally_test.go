package load

import (
	"slices"
	"testing"
	"time"
)

func TestTallyCountsEveryKindOfFault(t *testing.T) {
	for _, test := range []struct {
		name        string
		seen        []uint32
		late, again int
		lost        int64 // of ten events
		refused     []span
	}{
		{"all", []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, 0, 0, nil},
		{"none", nil, 0, 0, 10, nil},
		{"the first is missing", []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, 0, 1, nil},
		{"the last is missing", []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8}, 0, 0, 1, nil},
		{"some are missing", []uint32{0, 3, 4, 8, 9}, 0, 0, 5, nil},
		{"two have swapped places", []uint32{0, 2, 1, 3, 4, 5, 6, 7, 8, 9}, 1, 0, 0, nil},
		{"one comes last", []uint32{0, 1, 3, 4, 5, 6, 7, 8, 9, 2}, 1, 0, 0, nil},
		{"backwards", []uint32{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, 9, 0, 0, nil},
		{"one comes twice", []uint32{0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, 1, 0, nil},
		{"a late one comes twice", []uint32{0, 2, 1, 1, 3, 4, 5, 6, 7, 8, 9}, 1, 1, 0, nil},
		{"one was refused and did not arrive", []uint32{0, 1, 2, 3, 4, 6, 7, 8, 9}, 0, 0, 0, []span{{5, 6}}},
		{"some were refused, others are missing", []uint32{0, 1, 2, 9}, 0, 0, 4, []span{{3, 4}, {5, 6}}},
		{"one was refused but arrived", []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, 0, 0, []span{{5, 6}}},
	} {
		var got tally
		counts := make(map[verdict]int)
		for _, seq := range test.seen {
			counts[got.see(seq)]++
		}
		if lost := got.lost(10, test.refused); counts[late] != test.late || counts[again] != test.again || lost != test.lost {
			t.Errorf("%s: %d late, %d again, %d lost", test.name, counts[late], counts[again], lost)
		}
	}
}

func TestQuantilesAreAccurateToThreePercent(t *testing.T) {
	var h, o histogram
	for i := 1; i <= 100000; i++ {
		(*[]*histogram{&h, &o}[i%2]).add(time.Duration(i) * 10 * time.Microsecond)
	}
	h.merge(&o)
	for q, want := range map[float64]time.Duration{0: 10 * time.Microsecond, 0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second} {
		if got := h.quantile(q); got < want || got > want+want/32+time.Microsecond {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if h.n != 100000 || h.max != time.Second {
		t.Errorf("%d durations up to %v", h.n, h.max)
	}
}

func TestEveryDurationHasItsBucket(t *testing.T) {
	for us := time.Duration(1); us < 18*time.Hour; us += us/50 + 1 {
		i := bucketOf(uint64(us / time.Microsecond))
		if top := bucketTop(i); top < us.Truncate(time.Microsecond) || i > 0 && bucketTop(i-1) >= us.Truncate(time.Microsecond)+time.Microsecond {
			t.Fatalf("%v is in bucket %d, up to %v", us, i, top)
		}
	}
}

func TestBarsContainEveryDuration(t *testing.T) {
	var h histogram
	for _, ms := range []int{1, 1, 3, 40} {
		h.add(time.Duration(ms) * time.Millisecond)
	}
	var counts []int64
	for _, bar := range h.octaves() {
		counts = append(counts, bar.count)
	}
	if want := []int64{2, 0, 1, 0, 0, 0, 1}; !slices.Equal(counts, want) { // up to 1, 2, 4, 8, 16, 33, 66 ms
		t.Errorf("%v, want %v", counts, want)
	}
}
