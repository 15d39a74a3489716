package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
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
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	quiet := slog.New(slog.DiscardHandler)
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

func numbered(n int) []eventlog.Record {
	records := make([]eventlog.Record, n)
	for i := range records {
		records[i] = eventlog.Record{Topics: []string{"old"}, Data: fmt.Sprint(i)}
	}
	return records
}
