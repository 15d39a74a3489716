package main

import (
	"encoding/json"
	"testing"
	"time"
)

// The numbers are those of this machine, so the test only checks that they are possible.
func TestDemoHostNumbersArePossible(t *testing.T) {
	h := newHost(t.Context())
	s := h.sample(t.Context())
	if s.CPU == nil || s.Load1 == nil || s.Memory == nil || s.Network == nil {
		t.Fatalf("this system tells not everything: %+v", s)
	}
	if *s.CPU < 0 || *s.CPU > 100 {
		t.Errorf("processors are used to %v %%", *s.CPU)
	}
	if *s.Load1 < 0 {
		t.Errorf("load %v", *s.Load1)
	}
	if s.Memory.Used == 0 || s.Memory.Used > s.Memory.Total {
		t.Errorf("%d of %d bytes of memory are in use", s.Memory.Used, s.Memory.Total)
	}
	if since := time.Since(s.Time); since < -time.Second || since > time.Minute {
		t.Errorf("taken %v ago", since)
	}
}

func TestDemoHostLeavesOutUnknownNumbers(t *testing.T) {
	data, err := json.Marshal(hostSample{Time: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(data), `{"time":"2026-11-23T10:00:00Z"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDemoRateNeverGoesBack(t *testing.T) {
	for _, test := range []struct {
		before, after uint64
		since         time.Duration
		want          uint64
	}{
		{1000, 3000, 2 * time.Second, 1000},
		{1000, 1000, time.Second, 0},
		{1000, 10, time.Second, 0}, // an interface has gone
		{1000, 2000, 0, 0},
	} {
		if got := rate(test.before, test.after, test.since); got != test.want {
			t.Errorf("rate(%d, %d, %v) = %d, want %d", test.before, test.after, test.since, got, test.want)
		}
	}
}
