package load

import (
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// usage is what the hub's processes have taken of the machine.
type usage struct {
	cpu time.Duration
	rss int64 // bytes that are in memory, without what the kernel has for its sockets
	at  time.Duration
}

// usage asks the system. Without PIDs it is nothing.
func (r *run) usage() (usage, error) {
	u := usage{at: r.now()}
	for _, pid := range r.PIDs {
		p, err := process.NewProcess(int32(pid))
		if err != nil {
			return u, fmt.Errorf("process %d: %w", pid, err)
		}
		times, err := p.Times()
		if err != nil {
			return u, fmt.Errorf("process %d: %w", pid, err)
		}
		memory, err := p.MemoryInfo()
		if err != nil {
			return u, fmt.Errorf("process %d: %w", pid, err)
		}
		u.cpu += time.Duration((times.User + times.System) * float64(time.Second))
		u.rss += int64(memory.RSS)
	}
	return u, nil
}
