package main

import "testing"

// TestGarbageHasTheRoomThatItNeeds, and no more.
func TestGarbageHasTheRoomThatItNeeds(t *testing.T) {
	const mega = 1 << 20
	for name, test := range map[string]struct {
		live, made uint64
		want       int
	}{
		"before the first collection":  {0, 1 * mega, 100},
		"little is in use":             {4 * mega, 0, 100},
		"much is in use, idle":         {400 * mega, 0, 12},
		"much is in use, a little new": {400 * mega, 80 * mega, 20},
		"much is in use, much new":     {400 * mega, 300 * mega, 75},
		"under load":                   {400 * mega, 2000 * mega, 100},
	} {
		if got := garbagePercent(test.live, test.made); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
