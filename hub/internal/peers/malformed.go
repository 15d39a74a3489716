package peers

import (
	"sync"
	"time"
)

// reportEvery is the shortest time between two reports of malformed messages.
const reportEvery = time.Minute

// Malformed counts messages that [Decode] refuses, so that a flood of them does not fill the hub's log. The zero value has counted none. It is
// safe for concurrent use.
type Malformed struct {
	mu       sync.Mutex // guards the following
	reported time.Time
	count    int
}

// Add counts one message. It returns how many were counted since the last report if a report is due now, otherwise 0. The first message is
// reported at once, later ones at most once a minute.
func (m *Malformed) Add(now time.Time) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	if !m.reported.IsZero() && now.Sub(m.reported) < reportEvery {
		return 0
	}
	n := m.count
	m.reported, m.count = now, 0
	return n
}
