package disklog

import (
	"math"

	"github.com/tidings-sse/tidings/eventlog"
)

// Storage implements [eventlog.Storer].
func (l *Log) Storage() eventlog.Storage {
	storage := eventlog.Storage{Durability: eventlog.DurabilityAlways, Bytes: l.rules.Load().Bytes, Free: -1}
	if l.opts.Sync == SyncInterval {
		storage.Durability = eventlog.DurabilityInterval
	}
	if usage, err := l.fs.GetDiskUsage(l.dir); err == nil {
		storage.Free = int64(min(usage.AvailBytes, math.MaxInt64))
	}
	return storage
}
