package cluster_test

import (
	"sync"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// losses are the losses of an order that kept its identity. Only hubs that had the lost messages can notice one. If the only such hub loses its
// newest changes before it has begun a generation, nobody knows that numbers are used twice, and a subscriber may have an event of the first
// use. It takes a power failure of the hub, too: no cluster can tell this. So hubs keep their disks until the loss is known.
type losses struct {
	mu     sync.Mutex // guards the following fields
	silent int
	begun  map[string]int // how many there were when the beginning of a generation was stored
}

func (l *losses) add(newIdentity bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !newIdentity {
		l.silent++
	}
}

// stored notes a message of the order.
func (l *losses) stored(m *cluster.Message) {
	gen := cluster.BeginOf(m)
	if gen == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun == nil {
		l.begun = map[string]int{}
	}
	l.begun[gen] = l.silent
}

// known returns 1 if a hub is in a generation that began after the last loss, otherwise 0.
func (l *losses) known(h *simHub) int {
	log := h.running()
	l.mu.Lock()
	defer l.mu.Unlock()
	if log == nil || l.silent > 0 && l.begun[log.Details().Generation] < l.silent {
		return 0
	}
	return 1
}
