package cluster

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestOneWrongClockIsOutvoted: whichever clock is wrong, that of the hub, of another one, or of the shared log with its leader, the hub
// knows the time, or takes an earlier one.
func TestOneWrongClockIsOutvoted(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, c := range map[string]struct {
		others []time.Duration // how far the clocks of other hubs are ahead of this one's
		order  time.Duration
		want   time.Duration
	}{
		"all agree":                     {[]time.Duration{0, 0}, 0, 0},
		"another hub is ahead":          {[]time.Duration{year, 0}, 0, 0},
		"another hub leads, and is so":  {[]time.Duration{year, 0}, year, 0},
		"this hub is ahead":             {[]time.Duration{-year, -year}, -year, -year},
		"this hub leads, and is so":     {[]time.Duration{-year, -year}, 0, -year},
		"this hub is behind":            {[]time.Duration{year, year}, year, year},
		"this hub leads, and is behind": {[]time.Duration{year, year}, 0, year},
		"the third hub is away, and the other one leads, and is ahead": {[]time.Duration{year}, year, 0},
		"the third hub is away, and this one leads, and is ahead":      {[]time.Duration{-year}, 0, -year},
		"alone, and ahead": {nil, -year, -year},
	} {
		l := &Log{log: slog.New(slog.DiscardHandler), moved: make(chan struct{})}
		l.clocks.known = map[string]shown{}
		now := time.Now()
		for i, d := range c.others {
			l.clocks.known[string(rune('a'+i))] = shown{now.Add(d), now}
		}
		l.view.newest, l.view.arrived, l.view.live = now.Add(c.order), now, true
		if off := l.now().Sub(now) - c.want; off < 0 || off > time.Hour {
			t.Errorf("%s: the time is %v off", name, off)
		}
	}
	if l := (&Log{moved: make(chan struct{})}); l.now().Unix() != 0 {
		t.Error("a hub that knows only its own clock relies on it")
	}
	cut := &Log{o: Options{Hubs: 3}, moved: make(chan struct{})}
	if cut.view.newest, cut.view.arrived, cut.view.live = time.Now(), time.Now(), true; cut.now().Unix() != 0 {
		t.Error("a hub that was the leader, and is cut off, relies on its own clock")
	}
}

// TestHubThatHearsNoOtherDatesByItsOwnClock, because that of the shared log may be wrong. It trims nothing by its clock alone.
func TestHubThatHearsNoOtherDatesByItsOwnClock(t *testing.T) {
	l := &Log{log: slog.New(slog.DiscardHandler), moved: make(chan struct{})}
	if off := time.Since(time.UnixMilli(l.date())); off < 0 || off > time.Hour {
		t.Errorf("its messages are dated %v off", off)
	}
}

// TestInventedHubsDoNotFillTheMemory: anyone who can broadcast can invent names.
func TestInventedHubsDoNotFillTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the names would expire on a busy machine
		l := &Log{peers: peers{absent: map[string]seen{}}}
		for i := range 3 * mostHubs {
			name := fmt.Sprint(i)
			l.peers.learn(&absence{Hub: name})
			l.clocks.learn([]byte(`{"hub":"`+name+`"}`), "self")
		}
		if a, b := len(l.peers.absent), len(l.clocks.known); a != mostHubs || b != mostHubs {
			t.Errorf("a hub remembers %d hubs without a shared log, and %d clocks; want %d", a, b, mostHubs)
		}
	})
}
