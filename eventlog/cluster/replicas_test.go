package cluster_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// servers is an order that three servers store. One of them has another message than the others. Server 0 is the authority until an election.
type servers struct {
	cluster.Order

	mu        sync.Mutex // guards the following fields
	damaged   int        // the server with another message
	seq       uint64     // the number of that message
	asked     int
	authority int
}

func (o *servers) as(server int, m cluster.Message) cluster.Message {
	if server == o.damaged && m.Seq == o.seq {
		m.ID[0] ^= 1
	}
	return m
}

// next returns the server that answers the next question, and its view of a message.
func (o *servers) next() func(cluster.Message) cluster.Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	server := o.asked % 3
	return func(m cluster.Message) cluster.Message { return o.as(server, m) }
}

func (o *servers) Message(ctx context.Context, seq uint64) (cluster.Message, error) {
	m, err := o.Order.Message(ctx, seq)
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.as(o.authority, m), err
}

func (o *servers) Sample(ctx context.Context, seq uint64) (cluster.Message, error) {
	m, err := o.Order.Message(ctx, seq)
	return o.next()(m), err
}

func (o *servers) Follow(ctx context.Context, from uint64, take func([]cluster.Message) error) error {
	as := o.next()
	return o.Order.Follow(ctx, from, func(messages []cluster.Message) error {
		messages = slices.Clone(messages)
		for i := range messages {
			messages[i] = as(messages[i])
		}
		return take(messages)
	})
}

func (o *servers) Elect(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.authority = (o.authority + 1) % 3
	return nil
}

// TestOneDamagedServerOfThreeMakesNoHubGoBack: a hub that restarts compares its messages with the order, of which one server has another message.
// The hub believed that server, or the leader although two servers contradict it, and went back: all its subscribers got a gap.
func TestOneDamagedServerOfThreeMakesNoHubGoBack(t *testing.T) {
	t.Parallel()
	const events = 40
	for name, test := range map[string]struct {
		damaged int
		back    uint64 // how far the message is behind the newest one
		elects  bool
		says    string
	}{
		"a follower, a message that the hub has forgotten": {1, 7, false, "a server of the shared log has another message than its leader"},
		"a follower, the newest message":                   {2, 0, false, ""},
		"the leader, the newest message":                   {0, 0, true, "asks for another leader"},
		"no server":                                        {3, 0, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := ordertest.NewMemory(0)
				mirror := newJournal(t, inMemory, 1, nil)
				open := func(order cluster.Order, log *lines) *cluster.Log {
					l, err := cluster.Open(mirror, order, &cluster.Options{Name: "a", Logger: log.logger()})
					if err == nil {
						err = l.Join(t.Context())
					}
					if err != nil {
						t.Fatal(err)
					}
					return l
				}
				l := open(memory.Handle(), new(lines))
				for range events {
					if _, err := l.Append(t.Context(), []eventlog.Record{{Topics: []string{"a"}}}); err != nil {
						t.Fatal(err)
					}
				}
				before := l.Head()
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				memory.Lose(0, true) // another server has taken over: the hub compares
				var all strings.Builder
				for first := range 3 { // the server that answers first
					mirror = mirror.reopen()
					order, log := &servers{Order: memory.Handle(), damaged: test.damaged, seq: memory.Last() - test.back}, new(lines)
					order.asked = first
					l = open(order, log)
					if head := l.Head(); head.Seq < before.Seq || l.Bounds().Events < events || strings.Contains(log.String(), "the hub drops them") {
						t.Errorf("the hub is at %v with %d events; it was at %v with %d:\n%s", head, l.Bounds().Events, before, events, log)
					}
					if got := order.authority > 0; got != test.elects {
						t.Errorf("another server leads: %v, want %v", got, test.elects)
					}
					all.WriteString(log.String())
					if err := l.Close(); err != nil {
						t.Fatal(err)
					}
					memory.Lose(0, true)
				}
				if !strings.Contains(all.String(), test.says) {
					t.Errorf("the log lacks %q:\n%s", test.says, all.String())
				}
			})
		})
	}
}

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
