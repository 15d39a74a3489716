package hub_test

import (
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// TestSubscriptionInTheProcessEndsAfterItsGap: all topics have ended, and the position is of another generation. The loop gets the gap and
// ends.
func TestSubscriptionInTheProcessEndsAfterItsGap(t *testing.T) {
	t.Parallel()
	h := serve(t, mustMemory(t, nil), nil, transports[0]).hub
	mustPublish(t, h, hub.Event{Topics: []string{"a"}, Data: "1", End: true})
	gaps := 0
	for e, err := range h.Subscribe(t.Context(), eventlog.Topics("a"), &hub.SubscribeOptions{
		After: eventlog.Position{Gen: "abcdefgh", Seq: 3},
		OnGap: func(hub.Gap) error { gaps++; return nil },
	}) {
		t.Errorf("%+v, %v", e, err)
	}
	if gaps != 1 {
		t.Errorf("%d gaps, want 1", gaps)
	}
}
