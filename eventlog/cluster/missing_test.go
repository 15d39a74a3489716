package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// TestHubThatAloneMissesTheSharedLogSaysSo: a hub with another name for the shared log than the other hubs waited for ever, and its log did not say
// why. It makes the shared log when most hubs miss it, too.
func TestHubThatAloneMissesTheSharedLogSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		order, said := ordertest.NewMemory(0), new(strings.Builder)
		open := func(name string, logger *slog.Logger) *cluster.Log {
			mirror, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true})
			if err != nil {
				t.Fatal(err)
			}
			log, err := cluster.Open(mirror, order.Handle(), &cluster.Options{Name: name, Hubs: 3, Logger: logger})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			})
			return log
		}
		alone := open("a", slog.New(slog.NewTextHandler(said, nil)))
		time.Sleep(time.Minute)
		synctest.Wait()
		want := "the shared log does not exist; 1 of 3 hubs find none, and it is created again when a majority finds none. If the other hubs have it, check that this hub uses a stream of the same name"
		if got := alone.Status().Trouble; got != want {
			t.Errorf("the hub's trouble is %q, want %q", got, want)
		}
		if n := strings.Count(said.String(), want); n != 1 {
			t.Errorf("the hub logs its trouble %d times, want once:\n%s", n, said)
		}
		if err := open("b", slog.New(slog.DiscardHandler)).Join(t.Context()); err != nil {
			t.Error(err)
		}
		if err := alone.Join(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestResetContinuesAfterAHoleThatANewOrderFollows: a hub has passed over a message that the shared log had lost. Then the shared log is made anew after
// this message, by a hub that had it and is lost since. The copy of another hub that it needs exists nowhere. It said only that no other hub has later
// messages, and waited for ever, also after a reset.
func TestResetContinuesAfterAHoleThatANewOrderFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		order := ordertest.NewMemory(0)
		mirrors := map[string]eventlog.Mirror{}
		for _, name := range []string{"a", "b"} {
			mirror, err := eventlog.NewMemory(&eventlog.MemoryOptions{Mirror: true})
			if err != nil {
				t.Fatal(err)
			}
			mirrors[name] = mirror
		}
		open := func(name string, order cluster.Order) *cluster.Log {
			log, err := cluster.Open(keptMirror{mirrors[name]}, order, &cluster.Options{Name: name, Hubs: 1, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			return log
		}
		ended := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		add := func(log *cluster.Log, text string) eventlog.Position {
			t.Helper()
			receipts, err := log.Append(t.Context(), []eventlog.Record{{Topics: []string{"news"}, Data: text}})
			if err != nil {
				t.Fatal(err)
			}
			return receipts[0].Position
		}
		a, b := open("a", order.Handle()), open("b", order.Handle())
		ended(errors.Join(a.Join(t.Context()), b.Join(t.Context())))
		add(a, "1")
		ended(b.Close())
		add(a, "2")
		hole := order.Last()
		b = open("b", lacking{order.Handle(), hole})
		if err := errors.Join(b.Join(t.Context()), b.Close()); err != nil { // before a hub compares its decisions with those of the others
			t.Fatal(err)
		}
		if last := order.Last(); last != hole {
			t.Fatalf("the shared log ends with message %d, want %d", last, hole)
		}
		order.Delete()
		time.Sleep(30 * time.Second)
		add(a, "3")
		ended(a.Close())

		b = open("b", order.Handle())
		defer func() { ended(b.Close()) }()
		time.Sleep(time.Minute)
		for _, want := range []string{"the shared log was created anew by a hub with other messages than this one", "no other hub has later messages", "reset the cluster"} {
			if got := b.Status().Trouble; !strings.Contains(got, want) {
				t.Errorf("the hub's trouble is %q, want %q", got, want)
			}
		}
		before := b.Head()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Reset(ctx); err != nil {
			t.Fatalf("Reset: %v", err)
		}
		if err := b.Join(ctx); err != nil {
			t.Fatal(err)
		}
		if at := add(b, "4"); at.Gen == before.Gen || at.Seq <= before.Seq {
			t.Errorf("an event after the reset is at %v, before it the head was %v", at, before)
		}
	})
}

// lacking is an order that has lost a message.
type lacking struct {
	cluster.Order
	seq uint64
}

func (l lacking) Message(ctx context.Context, seq uint64) (cluster.Message, error) {
	if seq == l.seq {
		return cluster.Message{}, &cluster.GoneError{First: seq + 1}
	}
	return l.Order.Message(ctx, seq)
}

func (l lacking) Follow(ctx context.Context, from uint64, take func([]cluster.Message) error) error {
	if from == l.seq {
		return &cluster.GoneError{First: from + 1}
	}
	return l.Order.Follow(ctx, from, func(messages []cluster.Message) error {
		i := slices.IndexFunc(messages, func(m cluster.Message) bool { return m.Seq == l.seq })
		if i < 0 {
			return take(messages)
		}
		if err := take(messages[:i]); err != nil {
			return err
		}
		return &cluster.GoneError{First: l.seq + 1}
	})
}

// keptMirror is a mirror that another log opens again.
type keptMirror struct{ eventlog.Mirror }

func (keptMirror) Close() error { return nil }
