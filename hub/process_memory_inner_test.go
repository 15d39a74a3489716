package hub

import "testing"

func TestGOGCFollowsTheRateOfAllocation(t *testing.T) {
	const mega = 1 << 20
	for name, test := range map[string]struct {
		live, made uint64
		want       int
	}{
		"before the first collection":  {0, 1 * mega, 100},
		"little is in use":             {4 * mega, 0, 100},
		"much is in use, idle":         {400 * mega, 0, 6},
		"much is in use, a little new": {400 * mega, 80 * mega, 20},
		"much is in use, much new":     {400 * mega, 300 * mega, 75},
		"under load":                   {400 * mega, 2000 * mega, 100},
	} {
		if got := garbagePercent(test.live, test.made); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// TestIdleProcessReturnsMemory: after a surge of connections, the process returns memory while the hub is idle, and not while it works.
func TestIdleProcessReturnsMemory(t *testing.T) {
	const kilo, mega = 1 << 10, 1 << 20
	for name, test := range map[string]struct {
		made, left uint64
		want       bool
	}{
		"after a storm":     {100 * kilo, 30 * mega, true},
		"in a storm":        {50 * mega, 30 * mega, false},
		"nothing to return": {100 * kilo, 2 * mega, false},
	} {
		if got := atRest(test.made, test.left); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
