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
	first  uint64         // the first message that begins a generation; 0: none
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
		l.begun, l.first = map[string]int{}, m.Seq
	}
	l.begun[gen] = l.silent
}

// most returns how many messages an order may lose: hubs that know none of those that are left wait for an administrator, and they know none
// from before the first generation.
func (l *losses) most(last uint64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == 0 {
		return 0
	}
	return max(0, int(last-l.first)-1)
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
