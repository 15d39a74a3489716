package disklog_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	l, err := disklog.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				if _, err := l.Append(ctx, []eventlog.Record{{Topics: []string{fmt.Sprintf("a/%d", g), "all"}, Data: fmt.Sprint(i)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for range 2 {
		a, err := l.Read(ctx, eventlog.Query{Selector: eventlog.Everything()})
		t.Log(len(a.Records), a.Complete, err)
		a, err = l.Read(ctx, eventlog.Query{Selector: eventlog.Topics("a/3")})
		t.Log(len(a.Records), a.Complete, err)
		a, err = l.Read(ctx, eventlog.Query{Selector: eventlog.Select(nil, eventlog.MustPattern("a/*")), Limit: 10})
		t.Log(len(a.Records), a.Complete, err, l.Bounds())
		q, err := l.Seek(ctx, eventlog.Topics("a/3", "a/4"), eventlog.Start{Last: 5})
		t.Log(q, err)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = disklog.Open(dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	l2, err := disklog.Open(dir, nil)
	t.Log(l2, err)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
