package natslog_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
)

func TestRepeatedMessageIsStoredOnce(t *testing.T) {
	order, _ := created(t, nil)
	id := newID()
	for range 3 {
		if err := order.Publish(t.Context(), "", id, []byte("once")); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, order, "last")
	all, err := follow(t, order, 1, 2)
	if got := texts(t, 1, all); !errors.Is(err, errEnough) || strings.Join(got, " ") != "once last" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestLargestMessageIsTakenAndALargerOneRefused(t *testing.T) {
	order, _ := created(t, nil)
	b, err := order.Bounds(t.Context())
	if err != nil || b.MaxMessage < 1<<20-1<<11 {
		t.Fatalf("bounds %+v, %v", b, err)
	}
	data := make([]byte, b.MaxMessage+1)
	refusal, ok := errors.AsType[*cluster.RefusedError](order.Publish(t.Context(), "", newID(), data))
	if !ok || refusal.Later || !strings.Contains(refusal.Error(), "max_payload") {
		t.Errorf("error %v", refusal)
	}
	if err := order.Publish(t.Context(), "", newID(), data[:b.MaxMessage]); err != nil {
		t.Fatal(err)
	}
	if m, err := order.Message(t.Context(), 1); err != nil || len(m.Data) != b.MaxMessage {
		t.Errorf("%d bytes come back (%v)", len(m.Data), err)
	}
	if all, err := follow(t, order, 1, 1); !errors.Is(err, errEnough) || len(all[0].Data) != b.MaxMessage {
		t.Errorf("%d messages come back (%v)", len(all), err)
	}
}

// TestOnlyRefusalsBeforeTheProposalAreDefinite has the codes by which JetStream refuses a message.
func TestOnlyRefusalsBeforeTheProposalAreDefinite(t *testing.T) {
	tests := map[string]struct {
		code            jetstream.ErrorCode
		definite, later bool
	}{
		"account is full":          {10002, true, true},
		"server is full":           {10023, true, true},
		"storage is full":          {10047, true, true},
		"message is too large":     {10054, true, false},
		"another stream":           {10060, true, true},
		"sealed":                   {10109, true, true},
		"store has failed":         {10077, false, false},
		"identifier is in flight":  {10158, false, false},
		"no leader":                {10008, false, false},
		"not known to this client": {19999, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := natslog.Refused(&jetstream.APIError{ErrorCode: test.code, Description: name})
			refusal, definite := errors.AsType[*cluster.RefusedError](err)
			if definite != test.definite || definite && refusal.Later != test.later || !strings.Contains(err.Error(), name) {
				t.Errorf("error %#v", err)
			}
		})
	}
}

func TestPublishWithoutConnectionIsRefused(t *testing.T) {
	order, s := created(t, nil)
	s.Shutdown()
	s.WaitForShutdown()
	for { // until the client has noticed
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := order.Publish(ctx, "", newID(), []byte("1"))
		cancel()
		if refusal, ok := errors.AsType[*cluster.RefusedError](err); ok {
			if !refusal.Later || !errors.Is(err, nats.ErrReconnectBufExceeded) || !strings.Contains(err.Error(), "the connection to NATS is broken") || strings.Contains(err.Error(), "buffer") {
				t.Errorf("error %v", err)
			}
			return
		}
		if err == nil {
			t.Fatal("a message was stored without a server")
		}
	}
}

func TestPublishEndsWithItsContext(t *testing.T) {
	order := unanswered(t, func(*nats.Conn) {})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := order.Publish(ctx, "", newID(), []byte("1")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// unanswered returns an order that receives messages, calls f for each, and never answers.
func unanswered(t *testing.T, f func(*nats.Conn)) *natslog.Order {
	t.Helper()
	order, s := created(t, nil)
	nc, js := admin(t, s)
	subject := subjectOf(t, js)
	err := js.DeleteStream(t.Context(), "tidings")
	if err == nil {
		_, err = nc.Subscribe(subject, func(*nats.Msg) { f(nc) })
	}
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return order
}

func TestBroadcastsReachAllHubs(t *testing.T) {
	order, s := created(t, nil)
	other := open(t, s, nil)
	received := make(chan string, 10)
	for name, o := range map[string]*natslog.Order{"a": order, "b": other} {
		stop, err := o.Listen(func(data []byte) { received <- name + ":" + string(data) })
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	// A subscription is known to the server after the connection's next answer.
	for _, o := range []*natslog.Order{order, other} {
		if _, err := o.Bounds(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := order.Broadcast(t.Context(), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{<-received: true, <-received: true}
	if !got["a:hello"] || !got["b:hello"] {
		t.Errorf("received %v", got)
	}
}

func TestNothingIsReceivedAfterStop(t *testing.T) {
	order, _ := created(t, nil)
	running, release, received := make(chan bool), make(chan bool), 0
	stop, err := order.Listen(func([]byte) {
		running <- true
		<-release
		received++
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := order.Broadcast(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	<-running
	close(release)
	stop()
	if received != 1 { // a race if stop does not wait
		t.Errorf("received %d", received)
	}
	if err := order.Broadcast(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	stop() // again
}

func TestCloseEndsAllCalls(t *testing.T) {
	order, _ := created(t, nil)
	publish(t, order, "1")
	following := make(chan bool)
	followed := make(chan error)
	go func() {
		followed <- order.Follow(t.Context(), 1, func([]cluster.Message) error { close(following); return nil })
	}()
	<-following
	stop, err := order.Listen(func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := order.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-followed; !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("Follow returns %v", err)
	}
	stop()
	_, bounds := order.Bounds(t.Context())
	_, message := order.Message(t.Context(), 1)
	_, listen := order.Listen(func([]byte) {})
	for _, err := range []error{bounds, message, listen, order.Publish(t.Context(), "", newID(), nil), order.Broadcast(t.Context(), nil), order.Create(t.Context(), 1)} {
		if !errors.Is(err, nats.ErrConnectionClosed) {
			t.Errorf("error %v", err)
		}
	}
}

func TestHubGoesOnWhenItsServerIsBack(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	change := func(o *server.Options) { o.StoreDir, o.Port = dir, port }
	s := start(t, change)
	order := open(t, s, nil)
	if err := order.Create(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	publish(t, order, "1")
	s.Shutdown()
	s.WaitForShutdown()
	start(t, change)
	id := newID()
	for order.Publish(t.Context(), "", id, []byte("2")) != nil {
	}
	all, err := follow(t, order, 1, 2)
	if got := texts(t, 1, all); !errors.Is(err, errEnough) || strings.Join(got, " ") != "1 2" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestPublishUnderWayEndsWhenAnotherLeaderIsElected: the old leader may have lost the message, and never answers.
func TestPublishUnderWayEndsWhenAnotherLeaderIsElected(t *testing.T) {
	order := unanswered(t, func(nc *nats.Conn) {
		_ = nc.Publish("$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.tidings", nil) // else the test fails
	})
	if err := order.Publish(t.Context(), "", newID(), []byte("1")); !errors.Is(err, cluster.ErrNewLeader) {
		t.Errorf("Publish returned %v, want ErrNewLeader", err)
	}
}
