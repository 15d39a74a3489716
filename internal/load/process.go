package load

import (
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// usage is the CPU time and memory of the hub's processes.
type usage struct {
	cpu time.Duration
	rss int64 // resident bytes, without the kernel's socket buffers
	at  time.Duration
}

// usage asks the system for the usage of Options.PIDs. Without PIDs it is zero.
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
