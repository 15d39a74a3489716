package cluster

import "testing"

// TestHubThatWasAloneHasItsEvents: it makes the order, and the message that begins the first generation is damaged when it reads it. Other hubs must not pass
// over the messages before, which are its events.
func TestHubThatWasAloneHasItsEvents(t *testing.T) {
	f := &follower{}
	f.place.seq = 5
	if has := f.has(); has != 0 {
		t.Errorf("a hub that has kept nothing has messages up to %d", has)
	}
	f.place.head = 3 << recordBits
	if has := f.has(); has != 5 {
		t.Errorf("a hub with events has messages up to %d", has)
	}
}
