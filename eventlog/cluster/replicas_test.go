package cluster_test

import (
	"bytes"
	"cmp"
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

// servers is an order that three servers store. One of them has another message than the others, or lacks it. Server 0 is the leader until an
// election.
type servers struct {
	cluster.Order

	mu      sync.Mutex // guards the following fields
	damaged int        // the server with another message
	seq     uint64     // the number of that message
	lacks   bool       // the server lacks the message,
	garbles bool       // or has it damaged
	asked   int
	leader  int
}

// as is how a server answers with a message.
func (o *servers) as(server int, m cluster.Message, err error) (cluster.Message, error) {
	switch {
	case err != nil || server != o.damaged || m.Seq != o.seq:
		return m, err
	case o.lacks:
		return cluster.Message{}, &cluster.GoneError{First: o.seq + 1}
	case o.garbles:
		m.Data = bytes.Clone(m.Data)
		m.Data[len(m.Data)/2] ^= 1
		return m, nil
	}
	m.ID[0] ^= 1
	return m, nil
}

// next returns the server that answers the next question.
func (o *servers) next() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	return o.asked % 3
}

func (o *servers) Message(ctx context.Context, seq uint64) (cluster.Message, error) {
	m, err := o.Order.Message(ctx, seq)
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.as(o.leader, m, err)
}

func (o *servers) Sample(ctx context.Context, seq uint64) (cluster.Message, error) {
	m, err := o.Order.Message(ctx, seq)
	return o.as(o.next(), m, err)
}

func (o *servers) Follow(ctx context.Context, from uint64, take func([]cluster.Message) error) error {
	server := o.next()
	return o.Order.Follow(ctx, from, func(messages []cluster.Message) error {
		messages = slices.Clone(messages)
		for i := range messages {
			m, err := o.as(server, messages[i], nil)
			if err != nil && i > 0 {
				err = cmp.Or(take(messages[:i]), err)
			}
			if err != nil {
				return err
			}
			messages[i] = m
		}
		return take(messages)
	})
}

func (o *servers) Elect(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.leader = (o.leader + 1) % 3
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
					if got := order.leader > 0; got != test.elects {
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

// TestMessageThatMostServersHaveIsNoGap: a hub that was away needs a message, and the leader of the order lacks it, or has it damaged, while two of three
// servers have it. The hub believed the leader, and told its subscribers of a gap.
func TestMessageThatMostServersHaveIsNoGap(t *testing.T) {
	t.Parallel()
	for name, damages := range map[string]bool{"the leader lacks it": false, "the leader has it damaged": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := ordertest.NewMemory(0)
				mirror, log := newJournal(t, inMemory, 1, nil), new(lines)
				open := func(order cluster.Order) *cluster.Log {
					l, err := cluster.Open(mirror, order, &cluster.Options{Name: "a", Logger: log.logger()})
					if err == nil {
						err = l.Join(t.Context())
					}
					if err != nil {
						t.Fatal(err)
					}
					return l
				}
				l := open(memory.Handle())
				for range 9 {
					if _, err := l.Append(t.Context(), []eventlog.Record{{Topics: []string{"a"}}}); err != nil {
						t.Fatal(err)
					}
				}
				events := l.Bounds().Events
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				all := mirror.history()
				mirror = newJournal(t, inMemory, 1, all[:len(all)-5])
				order := &servers{Order: memory.Handle(), seq: memory.Last() - 2, lacks: !damages, garbles: damages}
				order.asked = 2 // the leader answers first
				l = open(order)
				defer func() { _ = l.Close() }()
				if d := l.Details(); d.Gap || l.Bounds().Events != events || order.leader == 0 {
					t.Errorf("the hub has %d events of %d, server %d leads: %+v\n%s", l.Bounds().Events, events, order.leader, d, log)
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
