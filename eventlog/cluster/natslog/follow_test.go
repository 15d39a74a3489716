package natslog_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

func TestMessagesComeBackInOrderWithTheirIdentifiers(t *testing.T) {
	order, _ := created(t, nil)
	began := time.Now().Truncate(time.Millisecond)
	ids := publish(t, order, "one", "two", "three")
	all, err := follow(t, order, 1, 3)
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if got, want := texts(t, 1, all), []string{"one", "two", "three"}; !cmp.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for i, m := range all {
		if m.ID != ids[i] {
			t.Errorf("message %d has the identifier %v, want %v", i, m.ID, ids[i])
		}
		if m.Time.Before(began) || m.Time.After(time.Now()) || m.Time.Location() != time.UTC || m.Time.Nanosecond()%1e6 != 0 {
			t.Errorf("message %d is from %v", i, m.Time)
		}
		alone, err := order.Message(t.Context(), m.Seq)
		if err != nil || !cmp.Equal(alone, m) {
			t.Errorf("Message and Follow differ: %v, %s", err, cmp.Diff(alone, m))
		}
	}
}

// TestFollowerHasAllOfABurst publishes more than a doorbell holds while take is slow.
func TestFollowerHasAllOfABurst(t *testing.T) {
	order, _ := created(t, nil)
	const count = 100
	var publisher sync.WaitGroup // a follower may have the last message before its publisher has the answer
	defer publisher.Wait()
	publisher.Go(func() {
		data := make([]byte, 256<<10) // of 25 MiB, the doorbell keeps 16
		for i := range count {
			copy(data, fmt.Sprintf("%3d", i))
			if err := order.Publish(t.Context(), "", newID(), data); err != nil {
				t.Error(err)
			}
		}
	})
	var next int
	err := order.Follow(t.Context(), 1, func(batch []cluster.Message) error {
		for _, m := range batch {
			if got, want := string(m.Data[:3]), fmt.Sprintf("%3d", next); got != want {
				return fmt.Errorf("got %q, want %q", got, want)
			}
			next++
		}
		if next == 1 { // let the doorbell overflow
			for {
				if b, err := order.Bounds(t.Context()); err != nil || b.Last == count {
					return err
				}
			}
		}
		if next == count {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

func TestFollowerNeedsNoDoorbell(t *testing.T) {
	s := start(t, func(o *server.Options) {
		deny := &server.Permissions{Subscribe: &server.SubjectPermission{Deny: []string{"tidings.live"}}}
		o.Users = []*server.User{{Username: "hub", Password: "secret", Permissions: deny}}
	})
	order := open(t, s, &natslog.Options{Connect: []nats.Option{nats.UserInfo("hub", "secret")}})
	if err := order.Create(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	publish(t, order, "before")
	var published atomic.Bool
	var got []string
	err := order.Follow(t.Context(), 1, func(batch []cluster.Message) error {
		got = append(got, texts(t, uint64(len(got)+1), batch)...)
		if !published.Swap(true) {
			publish(t, order, "after")
		}
		if len(got) == 2 {
			return errEnough
		}
		return nil
	})
	if want := []string{"before", "after"}; !errors.Is(err, errEnough) || !cmp.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestFalseDoorbellIsNotBelieved(t *testing.T) {
	order, s := created(t, nil)
	nc, js := admin(t, s)
	subject := subjectOf(t, js)
	ring := func(header nats.Header) {
		if err := nc.PublishMsg(&nats.Msg{Subject: "tidings.live", Header: header, Data: []byte("false")}); err != nil {
			t.Error(err)
		}
		if err := nc.Flush(); err != nil {
			t.Error(err)
		}
	}
	publish(t, order, "one")
	var got []string
	err := order.Follow(t.Context(), 1, func(batch []cluster.Message) error {
		if got = append(got, texts(t, uint64(len(got)+1), batch)...); len(got) == 2 {
			return errEnough
		}
		ring(nil)
		for _, header := range []nats.Header{
			{"Nats-Stream": {"other"}, "Nats-Subject": {subject}, "Nats-Sequence": {"2"}, "Nats-Time-Stamp": {"2026-01-01T00:00:00Z"}},
			{"Nats-Stream": {"tidings"}, "Nats-Subject": {"tidings.log.old"}, "Nats-Sequence": {"2"}, "Nats-Time-Stamp": {"2026-01-01T00:00:00Z"}},
			{"Nats-Stream": {"tidings"}, "Nats-Subject": {subject}, "Nats-Sequence": {"3"}, "Nats-Time-Stamp": {"2026-01-01T00:00:00Z"}},
			{"Nats-Stream": {"tidings"}, "Nats-Subject": {subject}, "Nats-Sequence": {"2"}, "Nats-Time-Stamp": {"yesterday"}},
		} {
			ring(header)
		}
		publish(t, order, "two")
		return nil
	})
	if want := []string{"one", "two"}; !errors.Is(err, errEnough) || !cmp.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// TestForeignMessageKeepsItsPlace: a message that was published by hand has a number, so followers must get it.
func TestForeignMessageKeepsItsPlace(t *testing.T) {
	order, s := created(t, nil)
	nc, js := admin(t, s)
	for _, text := range []string{"by hand", "also by hand"} {
		if _, err := nc.Request(subjectOf(t, js), []byte(text), 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	all, err := follow(t, order, 1, 2)
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	texts(t, 1, all)
	if all[0].ID == all[1].ID || all[0].ID == (cluster.ID{}) {
		t.Error("two messages have one identifier")
	}
	if m, err := order.Message(t.Context(), 1); err != nil || m.ID != all[0].ID {
		t.Errorf("the same message has the identifiers %v and %v (%v)", m.ID, all[0].ID, err)
	}
}

func TestDroppedMessagesAreGone(t *testing.T) {
	order, _ := created(t, &natslog.Options{MaxBytes: 1 << 20})
	large := strings.Repeat("x", 400_000)
	publish(t, order, large, large, large, large)
	b, err := order.Bounds(t.Context())
	if err != nil || b.First != 3 || b.Last != 4 {
		t.Fatalf("the bounds are %+v, %v", b, err)
	}
	want := cluster.GoneError{First: 3}
	if _, err := follow(t, order, 2, 1); !isGone(err, want) {
		t.Errorf("Follow returns %v", err)
	}
	if _, err := order.Message(t.Context(), 2); !isGone(err, want) {
		t.Errorf("Message returns %v", err)
	}
	if _, err := follow(t, order, 3, 2); !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

func isGone(err error, want cluster.GoneError) bool {
	gone, ok := errors.AsType[*cluster.GoneError](err)
	return ok && *gone == want
}

// TestHoleIsToldAsGone deletes messages by hand, as lost blocks of a disk would.
func TestHoleIsToldAsGone(t *testing.T) {
	s := start(t, nil)
	_, js := admin(t, s)
	stream, err := js.CreateStream(t.Context(), usable(func(c *jetstream.StreamConfig) { c.DenyDelete = false }))
	if err != nil {
		t.Fatal(err)
	}
	order := open(t, s, nil)
	publish(t, order, "1", "2", "3", "4", "5", "6")
	for _, seq := range []uint64{3, 4, 6} {
		if err := stream.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	all, err := follow(t, order, 1, 3)
	if got := texts(t, 1, all); !cmp.Equal(got, []string{"1", "2"}) || !isGone(err, cluster.GoneError{First: 5}) {
		t.Errorf("Follow passes on %q and returns %v", got, err)
	}
	if _, err := order.Message(t.Context(), 4); !isGone(err, cluster.GoneError{First: 5}) {
		t.Errorf("Message of a hole returns %v", err)
	}
	if _, err := order.Message(t.Context(), 6); !isGone(err, cluster.GoneError{First: 7}) {
		t.Errorf("Message of a hole at the end returns %v", err)
	}
}

func TestOrderThatEndsBeforeAMessageSaysWhere(t *testing.T) {
	order, _ := created(t, nil)
	publish(t, order, "1", "2", "3")
	check := func(what string, err error) {
		t.Helper()
		if back, ok := errors.AsType[*cluster.BackError](err); !ok || back.Last != 3 {
			t.Errorf("%s returns %v", what, err)
		}
	}
	_, err := order.Message(t.Context(), 4)
	check("Message", err)
	_, err = follow(t, order, 5, 1)
	check("Follow", err)
}

func TestFollowEndsWhenTheStreamIsDeleted(t *testing.T) {
	order, s := created(t, nil)
	_, js := admin(t, s)
	publish(t, order, "1")
	err := order.Follow(t.Context(), 1, func([]cluster.Message) error { return js.DeleteStream(t.Context(), "tidings") })
	if !errors.Is(err, cluster.ErrMissing) {
		t.Errorf("Follow returns %v", err)
	}
}

// TestFollowerTakesNothingFromTheNextStream: the stream is deleted and made again before the follower notices, and the numbers continue.
func TestFollowerTakesNothingFromTheNextStream(t *testing.T) {
	order, s := created(t, nil)
	_, js := admin(t, s)
	other := open(t, s, nil)
	publish(t, order, "1")
	err := order.Follow(t.Context(), 1, func(batch []cluster.Message) error {
		if batch[0].Seq > 1 {
			return fmt.Errorf("message %d is of another stream: %q", batch[0].Seq, batch[0].Data)
		}
		if err := js.DeleteStream(t.Context(), "tidings"); err != nil {
			return err
		}
		if err := other.Create(t.Context(), 2); err != nil {
			return err
		}
		publish(t, other, "2")
		_, err := order.Bounds(t.Context()) // as a hub asks every 2 s
		return err
	})
	if !errors.Is(err, cluster.ErrReplaced) {
		t.Errorf("Follow returns %v", err)
	}
}

// TestHubGoesOnIfTheNewestMessageIsGone deletes a message by hand that a hub does not have yet. The hub waited for it, and was not ready, until
// the next message came; but no hub was ready to publish one.
func TestHubGoesOnIfTheNewestMessageIsGone(t *testing.T) {
	s := start(t, nil)
	_, js := admin(t, s)
	stream, err := js.CreateStream(t.Context(), usable(func(c *jetstream.StreamConfig) { c.DenyDelete = false }))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	hub := func() *cluster.Log {
		mirror, err := disklog.Open(dir, &disklog.Options{Mirror: true, Reserve: -1, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		order, err := natslog.Open(t.Context(), s.ClientURL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		log, err := cluster.Open(mirror, order, &cluster.Options{Name: "a", Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			err = log.Join(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return log
	}
	if err := hub().Close(); err != nil {
		t.Fatal(err)
	}
	order := open(t, s, nil)
	publish(t, order, "unreadable for a hub")
	b, err := order.Bounds(t.Context())
	if err == nil {
		err = stream.DeleteMsg(t.Context(), b.Last)
	}
	if err != nil {
		t.Fatal(err)
	}
	log := hub()
	defer func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}()
	if d := log.Details(); d.Message != b.Last || !d.Gap {
		t.Errorf("the hub is at message %d of %d, and it is %v that it lacks some", d.Message, b.Last, d.Gap)
	}
}
