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

// storeFlags configure the log: where it stores events, and how long it retains them.
type storeFlags struct {
	Data   string `type:"path" placeholder:"DIR" help:"Data directory, which is created if it does not exist; tidings-data by default."`
	Memory bool   `help:"Keep the events in memory instead. They are lost when the hub stops."`

	keepFlags `embed:""`

	MinFree freeSpace `default:"256MiB" placeholder:"SIZE" help:"Free space on the disk. With less, the hub refuses to store events until there is more space again; ${default} by default, 0 for no limit."`

	Sync string `enum:"always,interval" default:"always" help:"always: an event is on disk before its publisher gets the answer. interval: within 100 ms, which is faster, but a power failure can lose the events acknowledged last."`
}

// keepFlags configure the retention. All hubs of a cluster have the same.
type keepFlags struct {
	Keep             []keepRule `json:"keep,omitempty" placeholder:"PATTERN=LIMITS" sep:"none" help:"Retention of the topics that match a pattern, such as chat/**=age:7d,count:1000. Can be repeated: the first rule that matches a topic counts."`
	KeepBytes        byteSize   `json:"keep_bytes,omitzero" placeholder:"SIZE" help:"Retention of the whole log, such as 500MB or 10GB; 1GiB by default, with --memory 64MiB and 100,000 events; at least 1MiB and --max-event. The oldest events are removed first."`
	TopicsRemembered uint32     `json:"topics_remembered" default:"1000000" placeholder:"N" help:"How many topics without events to remember, so that their gaps are exact; ${default} by default. They take at most an eighth of keep-bytes in addition. A subscriber of a forgotten topic may get a gap although it missed nothing."`
}

// defaultData is the default of --data.
const defaultData = "tidings-data"

// defaultMinFree is the default of --min-free.
const defaultMinFree freeSpace = 256 << 20

// leastKept is the minimum of --keep-bytes.
const leastKept byteSize = 1 << 20

// checkKept refuses a bound smaller than the largest event, which would remove that event and all others as soon as it is stored.
func (f *serveFlags) checkKept() error { return f.checkBytes(f.MaxEvent) }

// checkBytes refuses a bound smaller than the largest event.
func (f *keepFlags) checkBytes(largest byteSize) error {
	if least := max(leastKept, largest); f.KeepBytes != 0 && f.KeepBytes < least {
		return fmt.Errorf("--keep-bytes must be at least %s, because one event may be that large (--max-event)\nhint: --keep limits single topics", inBytes(int64(least)))
	}
	return nil
}

func (f *storeFlags) checkStore() error {
	if f.Memory && f.Data != "" {
		return errors.New("--memory and --data exclude each other; tidings config shows where each setting comes from")
	}
	if _, err := f.retention().WithDefaults(); err != nil {
		return fmt.Errorf("--keep: %w", err)
	}
	return nil
}

// retention returns what is kept.
func (f *keepFlags) retention() *eventlog.Retention {
	keep := &eventlog.Retention{Bytes: int64(f.KeepBytes), Topics: cmp.Or(int(f.TopicsRemembered), -1)} // for the log, -1 means none
	for _, k := range f.Keep {
		keep.Rules = append(keep.Rules, k.rule)
	}
	return keep
}

// retention returns what is kept. The log in memory has a bound for the number of events, too, unless its bytes are set: that would keep
// less than what was asked for.
func (f *storeFlags) retention() *eventlog.Retention {
	keep := f.keepFlags.retention()
	if f.Memory && f.KeepBytes > 0 {
		keep.Events = -1
	}
	return keep
}

// dataDir returns the data directory.
func (f *storeFlags) dataDir() string { return cmp.Or(f.Data, defaultData) }

// open is a logOpener.
func (f *storeFlags) open(logger *slog.Logger) (log eventlog.Log, where string, err error) {
	if f.Memory {
		log, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: f.retention()})
		return log, "memory", err
	}
	o, dir := f.diskOptions(logger), f.dataDir()
	switch log, err = disklog.Open(dir, o); {
	case err != nil:
		return nil, "", f.whyClosed(err)
	}
	if where, err = filepath.Abs(dir); err != nil {
		where = dir
	}
	logger.Info("events are kept on disk", "dir", where, "head", log.Head().String(), "min-free", text(f.MinFree), "sync", f.Sync)
	return log, where, nil
}

// whyClosed says in words of the command line why a log on disk cannot be opened.
func (f *storeFlags) whyClosed(err error) error {
	if invalid, ok := errors.AsType[*eventlog.InvalidError](err); ok && f.MinFree > 0 {
		var reserve, disk int64
		if n, _ := fmt.Sscanf(invalid.Reason, "Reserve is %d bytes of free space, and the disk has %d bytes in all", &reserve, &disk); n == 2 {
			return fmt.Errorf("--min-free %s is more than the disk of %s has in all, which is %s: the hub would never store an event\nhint: give a smaller --min-free, or name a directory on a larger disk with --data", text(f.MinFree), f.dataDir(), inBytes(disk))
		}
		return fmt.Errorf("--min-free %s: %w", text(f.MinFree), invalid)
	}
	return whenInUse(err)
}

// diskOptions returns the options of the log on disk.
func (f *storeFlags) diskOptions(logger *slog.Logger) *disklog.Options {
	o := &disklog.Options{Retention: f.retention(), Logger: logger, Reserve: cmp.Or(int64(f.MinFree), -1), Files: currentShare().tables} // for the log, -1 means none
	if f.Sync == "interval" {
		o.Sync = disklog.SyncInterval
	}
	return o
}

// probe looks for a reason why the log cannot be opened when the process owner has closed it. It is better found while that one serves.
func (f *serveFlags) probe(owner int) error {
	if f.Memory {
		return nil
	}
	o, dir := f.diskOptions(nil), f.dataDir()
	if f.clustered() {
		o.Mirror, dir = true, filepath.Join(dir, mirrorDir)
	}
	err := disklog.Probe(dir, o, owner)
	if damaged, ok := errors.AsType[*disklog.DirError](err); ok && f.clustered() && damaged.Damaged() {
		return nil // openMirror knows what to do
	}
	return whenInUse(err)
}

// freeSpace is a size on the command line that may be 0.
type freeSpace byteSize

// UnmarshalText reads a size, or 0.
func (s *freeSpace) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*s = 0
		return nil
	}
	return (*byteSize)(s).UnmarshalText(text)
}

// MarshalText returns the text of the size.
func (s freeSpace) MarshalText() ([]byte, error) { return byteSize(s).MarshalText() }

// text returns what MarshalText writes.
func text(s freeSpace) string {
	b, _ := s.MarshalText() // never fails
	return string(b)
}
