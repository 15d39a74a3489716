package natsnode

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// TestKilledPeerIsOfflineSoon: make chaos killed a hub and took its directory away. For two and a half minutes the cluster called the hub
// running, and refused to remove it.
func TestKilledPeerIsOfflineSoon(t *testing.T) {
	tests := map[string]struct {
		peer server.PeerInfo
		want bool
	}{
		"answers":            {server.PeerInfo{Active: 300 * time.Millisecond}, true},
		"was slow":           {server.PeerInfo{Active: 4 * time.Second}, true},
		"was killed":         {server.PeerInfo{Active: 11 * time.Second}, false},
		"was never heard of": {server.PeerInfo{}, false},
		"has said goodbye":   {server.PeerInfo{Offline: true, Active: time.Second}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := online(&test.peer); got != test.want {
				t.Errorf("online is %v, want %v", got, test.want)
			}
		})
	}
}
