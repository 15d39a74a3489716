package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// storeFlags say where events are kept, and which.
type storeFlags struct {
	Data   string     `type:"path" placeholder:"DIR" help:"Where the events are kept; tidings-data if not said. It is made if it is not there."`
	Memory bool       `help:"Keep the events in memory instead, until the hub stops."`
	Keep   []keepRule `placeholder:"PATTERN=LIMITS" sep:"none" help:"What to keep of the topics that match, such as chat/**=age:7d,count:1000. May be said several times: the first that matches counts."`

	KeepBytes byteSize `placeholder:"SIZE" help:"What to keep in all, such as 500MB or 10GB; 1GiB if not said, 64MiB with --memory. The oldest events go first."`
	Sync      string   `enum:"always,interval" default:"always" help:"always: an event is on disk before its publisher has the answer. interval: within 100 ms, which is faster, and the power may take what was acknowledged last."`
}

func (f *storeFlags) checkStore() error {
	if f.Memory && f.Data != "" {
		return errors.New("--memory and --data exclude each other; tidings config shows where each is said")
	}
	return nil
}

// open opens the log, and says where it is.
func (f *storeFlags) open(logger *slog.Logger) (log eventlog.Log, where string, err error) {
	keep := &eventlog.Retention{Bytes: int64(f.KeepBytes)}
	for _, k := range f.Keep {
		keep.Rules = append(keep.Rules, k.rule)
	}
	if f.Memory {
		log, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: keep})
		return log, "memory", err
	}
	o := &disklog.Options{Retention: keep, Logger: logger}
	if f.Sync == "interval" {
		o.Sync = disklog.SyncInterval
	}
	dir := cmp.Or(f.Data, "tidings-data")
	switch log, err = disklog.Open(dir, o); {
	case errors.Is(err, disklog.ErrInUse):
		return nil, "", fmt.Errorf("%w\nhint: is it a hub? tidings pub, sub and topics use one that runs; --hub names it", err)
	case err != nil:
		return nil, "", err
	}
	if where, err = filepath.Abs(dir); err != nil {
		where = dir
	}
	return log, where, nil
}
