package natslog_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
	"github.com/tidings-sse/tidings/internal/cutproxy"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for a result that should come at once, on a busy machine.
const patience = 3 * time.Minute

// start starts a single server with JetStream. change, if not nil, changes its options. Clients dial its address also when it has stopped, so the
// server of another test must not get that.
func start(t *testing.T, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: freePort(t), JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	return s
}

// freePort returns a port that nothing listens on, for a server that starts later or again.
func freePort(t *testing.T) int {
	t.Helper()
	addr, err := cutproxy.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return int(netip.MustParseAddrPort(addr).Port())
}

func open(t *testing.T, s *server.Server, o *natslog.Options) *natslog.Order {
	t.Helper()
	order, err := natslog.Open(t.Context(), s.ClientURL(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := order.Close(); err != nil {
			t.Error(err)
		}
	})
	return order
}

// created returns an empty order on a server of its own.
func created(t *testing.T, o *natslog.Options) (*natslog.Order, *server.Server) {
	t.Helper()
	s := start(t, nil)
	order := open(t, s, o)
	if err := order.Create(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	return order, s
}

// admin is a client of NATS beside the order's.
func admin(t *testing.T, s *server.Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func newID() (id cluster.ID) {
	_, _ = rand.Read(id[:])
	return id
}

func publish(t *testing.T, order cluster.Order, texts ...string) (ids []cluster.ID) {
	t.Helper()
	for _, text := range texts {
		id := newID()
		if err := order.Publish(t.Context(), "", id, []byte(text)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// follow runs Follow until it has passed on n messages, and returns them, or its error.
func follow(t *testing.T, order cluster.Order, from uint64, n int) (all []cluster.Message, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = order.Follow(ctx, from, func(batch []cluster.Message) error {
		if all = append(all, batch...); len(all) >= n {
			return errEnough
		}
		return nil
	})
	return all, err
}

var errEnough = errors.New("enough")

// texts returns the data of messages, and checks that their numbers follow each other from first.
func texts(t *testing.T, first uint64, all []cluster.Message) (texts []string) {
	t.Helper()
	for i, m := range all {
		if want := first + uint64(i); m.Seq != want || m.First != want<<14 {
			t.Errorf("message %d has number %d, and its first record %d; want %d and %d", i, m.Seq, m.First, want, want<<14)
		}
		texts = append(texts, string(m.Data))
	}
	return texts
}

// subjectOf returns the subject of the stream.
func subjectOf(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	stream, err := js.Stream(t.Context(), "tidings")
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().Config.Subjects[0]
}

// config returns the settings of the stream as JSON.
func config(t *testing.T, js jetstream.JetStream, name string) string {
	t.Helper()
	stream, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(stream.CachedInfo().Config)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
