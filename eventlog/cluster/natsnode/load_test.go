package natsnode_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// load publishes through all hubs while faults happen, and repeats each message with its identifier until it is stored.
type load struct {
	t      *testing.T
	trio   *trio
	stop   context.CancelFunc
	all    sync.WaitGroup
	mu     sync.Mutex // guards stored
	stored map[cluster.ID]string
}

const publishers = 4

func (c *trio) load() *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{t: c.t, trio: c, stop: stop, stored: map[cluster.ID]string{}}
	for i := range publishers {
		l.all.Go(func() { l.publish(ctx, i) })
	}
	c.t.Cleanup(l.end)
	return l
}

// publish ends with ctx, but finishes the message that it has begun.
func (l *load) publish(ctx context.Context, publisher int) {
	for n := 0; ctx.Err() == nil; n++ {
		id, text := newID(), fmt.Sprintf("%d/%d", publisher, n)
		if err := repeat(func(ctx context.Context) error { return l.any(ctx, publisher+n, id, text) }); err != nil {
			l.t.Errorf("message %s is not stored: %v", text, err)
			return
		}
		l.mu.Lock()
		l.stored[id] = text
		l.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// any publishes through the next hub that runs and answers.
func (l *load) any(ctx context.Context, next int, id cluster.ID, text string) (err error) {
	for i := range l.trio.hubs {
		if _, order := l.trio.hubs[(next+i)%3].running(); order != nil {
			attempt, cancel := context.WithTimeout(ctx, time.Second)
			err = order.Publish(attempt, "", id, []byte(text))
			cancel()
			if err == nil {
				return nil
			}
		}
	}
	return err
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.stored)
}

// goesOn waits until more messages have been stored.
func (l *load) goesOn(what string) {
	l.t.Helper()
	enough := l.count() + 5*publishers
	err := repeat(func(context.Context) error {
		if l.count() < enough {
			return fmt.Errorf("%s, %d messages are stored, want %d", what, l.count(), enough)
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *load) end() {
	l.stop()
	l.all.Wait()
}

// check ends the load. Then every hub must have each message once, in the same order.
func (l *load) check(also ...cluster.ID) {
	l.t.Helper()
	l.end()
	for _, id := range also {
		l.stored[id] = ""
	}
	var first []cluster.Message
	for _, h := range l.trio.hubs {
		all, err := h.follow(len(l.stored))
		if err != nil {
			l.t.Fatalf("hub %s has %d of %d messages: %v", h.name, len(all), len(l.stored), err)
		}
		if first == nil {
			first = all
		}
		if !cmp.Equal(all, first) {
			l.t.Errorf("hub %s sees other messages:\n%s", h.name, cmp.Diff(first, all))
		}
	}
	seen := map[cluster.ID]bool{}
	for _, m := range first {
		if _, ok := l.stored[m.ID]; !ok || seen[m.ID] {
			l.t.Errorf("message %d, %q, is stored twice, or was not published", m.Seq, m.Data)
		}
		seen[m.ID] = true
	}
	if len(seen) != len(l.stored) {
		l.t.Errorf("%d of %d messages are there", len(seen), len(l.stored))
	}
	l.t.Logf("%d messages", len(first))
}
