package disklog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// victimPlan is the environment variable with the plan of a process that will be killed.
const victimPlan = "TIDINGS_VICTIM"

// plan tells a victim what to do.
type plan struct {
	Dir   string
	Seed  uint64
	Sync  disklog.Sync
	Trims bool
	Next  []int // number of the first batch of each client

	// Steps, if not 0, makes the victim report each file system operation, and end after this many batches per client.
	Steps int
}

func (p *plan) script() *script {
	s := newScript(p.Seed)
	s.keyed, s.trims = true, p.Trims
	return s
}

func (p *plan) options() *disklog.Options {
	o := &disklog.Options{Sync: p.Sync, Interval: 20 * time.Millisecond, Cache: 1 << 20, Reserve: -1}
	if p.Trims {
		o.Retention = retention(0)
	}
	if p.Steps > 0 {
		o.SetFS(vfs.Default)
	}
	return o
}

// victim appends until it is killed. It reports the answers, one per line, each in one write:
//
//	open <position>
//	stored <client> <batch> <number>,<time>,<duplicate> …
//	refused <client> <batch> <record> <why> <position>
//	step
//	failed <why>
func victim(text string) int {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		report("failed %v", err)
		return 1
	}
	o := p.options()
	o.Logger = slog.New(unexpected{slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})})
	if p.Steps > 0 {
		o.SetFS(&stepFS{vfs.Default, func() { report("step") }})
	}
	log, err := disklog.Open(p.Dir, o)
	if err != nil {
		report("failed %v", err)
		return 1
	}
	report("open %v", log.Head())
	var clients sync.WaitGroup
	for client := range p.Next {
		clients.Go(func() { p.live(log, client) })
	}
	for p.Trims {
		if err := log.Trim(context.Background()); err != nil {
			report("failed %v", err)
		}
	}
	clients.Wait()
	if err := log.Close(); err != nil {
		report("failed %v", err)
	}
	return 0
}

// live runs one client.
func (p *plan) live(log *disklog.Log, client int) {
	s := p.script()
	for n := p.Next[client]; p.Steps == 0 || n < p.Next[client]+p.Steps; n++ {
		receipts, err := log.Append(context.Background(), s.batch(client, n).records)
		record, refused := errors.AsType[*eventlog.RecordError](err)
		switch {
		case refused:
			report("refused %d %d %d %s", client, n, record.Index, cause(record.Err))
		case err != nil:
			report("failed %v", err)
		default:
			var all []string
			for _, r := range receipts {
				all = append(all, fmt.Sprintf("%d,%d,%t", r.Seq, r.Time.UnixMilli(), r.Duplicate))
			}
			report("stored %d %d %s", client, n, strings.Join(all, " "))
		}
	}
}

func cause(err error) string {
	if ended, ok := errors.AsType[*eventlog.EndedError](err); ok {
		return fmt.Sprintf("ended %v", ended.End)
	} else if used, ok := errors.AsType[*eventlog.KeyError](err); ok {
		return fmt.Sprintf("reused %v", used.First)
	}
	return fmt.Sprintf("otherwise %q", err)
}

// report writes a line in one write. If the parent process no longer reads, the write ends this process.
func report(format string, args ...any) {
	if _, err := fmt.Fprintf(os.Stdout, format+"\n", args...); err != nil {
		os.Exit(1)
	}
}
