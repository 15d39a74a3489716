package disklog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// faultClients append to a log whose disk fails, and record the answers. Each record has a key, and is appended until it is acknowledged.
type faultClients struct {
	t     *testing.T
	log   *disklog.Log
	cause error // the expected cause of errors

	tolerateClosed bool   // stop when the log is closed
	pause          func() // called after a failed append

	mu       sync.Mutex // guards the following fields
	stored   map[string]eventlog.Position
	refusals int
	failed   chan struct{} // receives after a failed append
}

func newFaultClients(t *testing.T, log *disklog.Log) *faultClients {
	return &faultClients{
		t: t, log: log, stored: make(map[string]eventlog.Position), failed: make(chan struct{}, 1),
		pause: func() { time.Sleep(200 * time.Millisecond) }, // in a synctest bubble
	}
}

// faultOptions returns options with a small memtable.
func faultOptions(fs vfs.FS) *disklog.Options {
	o := &disklog.Options{Cache: 1 << 20, Reserve: -1, Logger: slog.New(slog.DiscardHandler)}
	if fs != nil {
		o.SetFS(fs)
	}
	o.SetMemTable(128 << 10)
	return o
}

// append makes some clients append records in batches.
func (c *faultClients) append(clients, records int) {
	var wait sync.WaitGroup
	for client := range clients {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(uint64(client), 7))
			for i := 0; i < records; i += 4 {
				c.appendUntilStored(faultBatch(r, client, i))
			}
		})
	}
	wait.Wait()
}

// faultNoise does not compress.
var faultNoise = func() string {
	data := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	return string(data)
}()

// faultBatch returns records of some KiB.
func faultBatch(r *rand.Rand, client, i int) []eventlog.Record {
	records := make([]eventlog.Record, 4)
	for j := range records {
		at := r.IntN(len(faultNoise) - 2000)
		records[j] = eventlog.Record{
			Topics: []string{fmt.Sprintf("client/%d", client), "all"}, Key: fmt.Sprintf("%d/%d", client, i+j), Data: faultNoise[at : at+2000],
		}
	}
	return records
}

// appendUntilStored appends records until they are acknowledged.
func (c *faultClients) appendUntilStored(records []eventlog.Record) {
	for {
		receipts, err := c.log.Append(c.t.Context(), records)
		if err == nil {
			c.acknowledged(records, receipts)
			return
		}
		if c.tolerateClosed && errors.Is(err, eventlog.ErrClosed) {
			return
		}
		if err := c.refused(err); err != nil {
			c.t.Error(err)
			return
		}
		select {
		case c.failed <- struct{}{}:
		default:
		}
		c.pause()
	}
}

func (c *faultClients) acknowledged(records []eventlog.Record, receipts []eventlog.Receipt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range receipts {
		c.stored[records[i].Key] = r.Position
	}
}

// refused returns an error if an append was not refused with the expected error.
func (c *faultClients) refused(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals++
	switch {
	case !errors.Is(err, eventlog.ErrUnavailable):
		return fmt.Errorf("refused with %w, which is not ErrUnavailable", err)
	case !errors.Is(err, c.cause):
		return fmt.Errorf("refused with %w, whose cause is not %w", err, c.cause)
	case !strings.Contains(err.Error(), faultRemedies[c.cause]):
		return fmt.Errorf("refused with %w, which names no remedy: %q", err, faultRemedies[c.cause])
	}
	return nil
}

// known returns the acknowledged records so far.
func (c *faultClients) known() map[string]eventlog.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := make(map[string]eventlog.Position, len(c.stored))
	maps.Copy(known, c.stored)
	return known
}

// check returns an error unless the log has each acknowledged record exactly once.
func (c *faultClients) check(ctx context.Context, log *disklog.Log) error {
	want := c.known()
	got := make(map[string]eventlog.Position)
	q := eventlog.Query{Selector: eventlog.Everything()}
	for {
		answer, err := log.Read(ctx, q)
		if err != nil {
			return err
		}
		for _, r := range answer.Records {
			if at, twice := got[r.Key]; twice {
				return fmt.Errorf("%s is stored twice, at %v and %d", r.Key, at, r.Seq)
			}
			got[r.Key] = eventlog.Position{Gen: log.Head().Gen, Seq: r.Seq}
		}
		if q.After = answer.Complete; q.After == log.Head() {
			break
		}
	}
	for key, position := range want {
		if got[key] != position {
			return fmt.Errorf("%s was acknowledged at %v and is at %v", key, position, got[key])
		}
	}
	for topic := range 4 { // also by index
		if err := checkTopic(ctx, log, fmt.Sprintf("client/%d", topic), got); err != nil {
			return err
		}
	}
	return nil
}

// checkTopic returns an error if the index does not name the same records.
func checkTopic(ctx context.Context, log *disklog.Log, topic string, all map[string]eventlog.Position) error {
	want, n := 0, 0
	for key := range all {
		if strings.HasPrefix(key, strings.TrimPrefix(topic, "client/")+"/") {
			want++
		}
	}
	q := eventlog.Query{Selector: eventlog.Topics(topic)}
	for {
		answer, err := log.Read(ctx, q)
		if err != nil {
			return err
		}
		n += len(answer.Records)
		if q.After = answer.Complete; q.After == log.Head() {
			break
		}
	}
	if n != want {
		return fmt.Errorf("topic %s has %d records, and %d of its client are there", topic, n, want)
	}
	return nil
}
