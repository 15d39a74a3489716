package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestHubAloneBringsItsEventsIntoANewCluster: the numbers of the shared log begin above those that the hub has used.
func TestHubAloneBringsItsEventsIntoANewCluster(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir := t.TempDir()
	single, err := disklog.Open(dir, &disklog.Options{Sync: disklog.SyncInterval, Reserve: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	const events = 20_000 // more than a message of the shared log has numbers
	for range events / 1000 {
		if _, err := single.Append(ctx, numbered(1000)); err != nil {
			t.Fatal(err)
		}
	}
	before := single.Head()
	if err := single.Close(); err != nil {
		t.Fatal(err)
	}
	if at, err := disklog.ToMirror(dir); err != nil || at != before {
		t.Fatalf("ToMirror: %v, %v", at, err)
	}
	order := ordertest.NewMemory(0)
	open := func(dir string, o *cluster.Options) *cluster.Log {
		mirror, err := disklog.Open(dir, &disklog.Options{Mirror: true, Reserve: -1, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		o.Logger = quiet
		l, err := cluster.Open(mirror, order.Handle(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		if err := l.Join(ctx); err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := open(dir, &cluster.Options{Name: "a"})
	if head := first.Head(); head.Gen == before.Gen || head.Seq <= before.Seq {
		t.Errorf("the cluster is at %v, and the hub was at %v", head, before)
	}
	receipts, err := first.Append(ctx, numbered(1))
	if err != nil || receipts[0].Seq <= before.Seq {
		t.Fatalf("a new event: %v, %v", receipts, err)
	}
	second := open(filepath.Join(t.TempDir(), "second"), &cluster.Options{Name: "b", Snapshot: func(ctx context.Context, _ uint64) (func() (eventlog.Mirror, error), error) {
		copied := filepath.Join(t.TempDir(), "copy")
		if err := first.Snapshot(ctx, copied); err != nil {
			return nil, err
		}
		return func() (eventlog.Mirror, error) {
			return disklog.Open(copied, &disklog.Options{Mirror: true, Reserve: -1, Logger: quiet})
		}, nil
	}})
	if err := second.Await(ctx, receipts[0].Position); err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]*cluster.Log{"first": first, "second": second} {
		q, err := l.Seek(ctx, eventlog.Topics("old"), eventlog.Start{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for {
			a, err := l.Read(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			n += len(a.Records)
			if q.After = a.Complete; a.Complete.Seq >= receipts[0].Seq {
				break
			}
		}
		if n != events+1 {
			t.Errorf("the %s hub has %d events", name, n)
		}
	}
}

// TestHubAloneBringsItsEventsAlthoughEmptyHubsStartFirst: two empty hubs made the shared log, and only one of three hubs had the events.
func TestHubAloneBringsItsEventsAlthoughEmptyHubsStartFirst(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	order := ordertest.NewMemory(0)
	dirs := map[string]string{"a": t.TempDir(), "b": t.TempDir(), "z": hubAlone(t, 1)} // a and b come first in every comparison of names
	logs, opened := map[string]*cluster.Log{}, make(chan struct{})
	for name, dir := range dirs {
		logs[name] = openMirror(t, dir, order.Handle(), &cluster.Options{Name: name, Hubs: 3, Snapshot: func(ctx context.Context, _ uint64) (func() (eventlog.Mirror, error), error) {
			<-opened
			copied := filepath.Join(t.TempDir(), "copy")
			if err := logs["z"].Snapshot(ctx, copied); err != nil {
				return nil, cluster.ErrNoSnapshot
			}
			return func() (eventlog.Mirror, error) {
				return disklog.Open(copied, &disklog.Options{Mirror: true, Reserve: -1, Logger: quiet})
			}, nil
		}})
	}
	close(opened)
	for name, l := range logs {
		if err := l.Join(ctx); err != nil {
			t.Fatal(err)
		}
		q, err := l.Seek(ctx, eventlog.Topics("old"), eventlog.Start{})
		if err != nil {
			t.Fatal(err)
		}
		if a, err := l.Read(ctx, q); err != nil || len(a.Records) != 1 {
			t.Errorf("hub %s has %d events, %v; want 1", name, len(a.Records), err)
		}
	}
}

// TestHubAloneCannotBringItsEventsIntoAClusterThatExists, and says so, instead of having events that the other hubs do not have.
func TestHubAloneCannotBringItsEventsIntoAClusterThatExists(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // four clusters on disk
	defer cancel()
	for name, before := range map[string]int{"with few events": 1, "with many events": 20_000} {
		for other, events := range map[string]int{"a new one": 0, "one of another hub alone": 40_000} {
			order := ordertest.NewMemory(0)
			dir := t.TempDir()
			if events > 0 {
				dir = hubAlone(t, events)
			}
			first := openMirror(t, dir, order.Handle(), &cluster.Options{Name: "a"})
			if err := first.Join(ctx); err != nil {
				t.Fatal(err)
			}
			late := openMirror(t, hubAlone(t, before), order.Handle(), &cluster.Options{Name: "b"})
			err := late.Join(ctx)
			if _, ok := errors.AsType[*cluster.ForeignError](err); !ok || !strings.Contains(err.Error(), "the cluster exists already") {
				t.Errorf("a hub %s joins %s: %v", name, other, err)
			}
		}
	}
}

var quiet = slog.New(slog.DiscardHandler)

// hubAlone returns the directory of a hub alone that has some events and is to join a cluster.
func hubAlone(t *testing.T, events int) string {
	t.Helper()
	dir := t.TempDir()
	l, err := disklog.Open(dir, &disklog.Options{Sync: disklog.SyncInterval, Reserve: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	for left := events; left > 0; left -= 1000 {
		if _, err := l.Append(t.Context(), numbered(min(left, 1000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := disklog.ToMirror(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openMirror opens a hub's log with its mirror in a directory.
func openMirror(t *testing.T, dir string, order cluster.Order, o *cluster.Options) *cluster.Log {
	t.Helper()
	mirror, err := disklog.Open(dir, &disklog.Options{Mirror: true, Reserve: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	o.Logger = quiet
	l, err := cluster.Open(mirror, order, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // a hub that was refused returns the refusal
	return l
}

func numbered(n int) []eventlog.Record {
	records := make([]eventlog.Record, n)
	for i := range records {
		records[i] = eventlog.Record{Topics: []string{"old"}, Data: fmt.Sprint(i)}
	}
	return records
}
