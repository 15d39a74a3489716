package natsnode_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
	"github.com/tidings-sse/tidings/internal/cutproxy"
)

// TestMain runs two tests at once, also on one core: three hubs mostly wait for an election. With four on two cores that other packages use, too, hubs
// answered later than their clients wait.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "2"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

var secret = []byte("the secret of the cluster in the tests")

// patience is how long a test waits for an election and its consequences, on a busy machine.
const patience = 5 * time.Minute

// freeAddress returns an address that nothing listens on. Peers have to know each other's addresses before they listen.
func freeAddress(t *testing.T) string {
	t.Helper()
	addr, err := cutproxy.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// logger logs to the test's output if TIDINGS_LOG is set.
func logger(t *testing.T, name string) *slog.Logger {
	if os.Getenv("TIDINGS_LOG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil)).With("hub", name)
}

// trio is hubs in this process, mostly three, whose connections pass through a proxy.
type trio struct {
	t       *testing.T
	network *cutproxy.Network
	hubs    []*hub
}

type hub struct {
	trio  *trio
	name  string
	self  string
	peers []string // own address, and links to the others
	dir   string
	log   *slog.Logger // nil: that of function logger

	mu    sync.Mutex // guards the following fields, which are nil while the hub is stopped
	node  *natsnode.Node
	order *natslog.Order
}

func (h *hub) running() (*natsnode.Node, *natslog.Order) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.node, h.order
}

// newTrio starts three hubs, and makes the order.
func newTrio(t *testing.T) *trio {
	t.Helper()
	return newHubs(t, "a", "b", "c")
}

// newHubs starts hubs with such names, and makes the order, which three of them store.
func newHubs(t *testing.T, names ...string) *trio {
	t.Helper()
	c := &trio{t: t, network: cutproxy.New()}
	for _, name := range names {
		c.hubs = append(c.hubs, &hub{trio: c, name: name, self: freeAddress(t), dir: t.TempDir()})
	}
	for _, h := range c.hubs {
		for _, other := range c.hubs {
			address := h.self
			if other != h {
				var err error
				if address, err = c.network.Link(h.name, other.name, other.self); err != nil {
					t.Fatal(err)
				}
			}
			h.peers = append(h.peers, address)
		}
	}
	t.Cleanup(func() {
		c.each(func(h *hub) error { return h.stop() })
		if err := c.network.Close(); err != nil {
			t.Error(err)
		}
	})
	c.each((*hub).start)
	if err := c.hubs[0].create(); err != nil {
		t.Fatal(err)
	}
	return c
}

// create makes the order. After each request without an answer it waits for longer: a busy server still has to answer that, before the next one.
func (h *hub) create() error {
	pause := time.Second
	return repeat(func(ctx context.Context) error {
		err := h.order.Create(ctx, 1)
		if errors.Is(err, context.DeadlineExceeded) {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			pause *= 2
		}
		return err
	})
}

// each calls f for all hubs at once.
func (c *trio) each(f func(*hub) error) {
	c.t.Helper()
	var all sync.WaitGroup
	for _, h := range c.hubs {
		all.Go(func() {
			if err := f(h); err != nil {
				c.t.Errorf("hub %s: %v", h.name, err)
			}
		})
	}
	all.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
}

func (h *hub) options() *natsnode.Options {
	return &natsnode.Options{Name: h.name, Peers: h.peers, Self: h.self, Secret: secret, Dir: h.dir, Logger: cmp.Or(h.log, logger(h.trio.t, h.name))}
}

func (h *hub) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	node, err := natsnode.Open(ctx, h.options())
	if err != nil {
		return err
	}
	order, err := natslog.Open(ctx, node.URL(), &natslog.Options{Name: h.name, Replicas: 3, MaxBytes: 256 << 20, Connect: node.Connect()})
	if err != nil {
		return errors.Join(err, node.Close())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.node, h.order = node, order
	return nil
}

func (h *hub) stop() error {
	h.mu.Lock()
	node, order := h.node, h.order
	h.node, h.order = nil, nil
	h.mu.Unlock()
	if node == nil {
		return nil
	}
	return errors.Join(order.Close(), node.Close())
}

// stopTogether stops all hubs at once. The leader waited in vain for another one to lead, although all others had stopped.
func (c *trio) stopTogether() {
	c.t.Helper()
	c.each(func(h *hub) error {
		ctx, cancel := context.WithTimeout(c.t.Context(), patience)
		defer cancel()
		if err := h.node.StepDown(ctx); errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("stopping with all others: %w", err)
		}
		return h.stop()
	})
}

// ready waits until a hub is ready.
func (h *hub) ready() error {
	return repeat(func(context.Context) error { return h.node.Ready() })
}

// die cuts a hub off as if its machine had lost power. Its process has to be stopped later.
func (h *hub) die() {
	h.trio.network.Pause(h.name)
	for _, other := range h.trio.hubs {
		h.trio.network.Reset(h.name, other.name)
	}
}

// repeat calls f until it succeeds.
func repeat(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// publish publishes a message until it is stored.
func (h *hub) publish(id cluster.ID, text string) error {
	return repeat(func(ctx context.Context) error { return h.order.Publish(ctx, "", id, []byte(text)) })
}

var errEnough = errors.New("enough")

// follow returns the first n messages, also across errors.
func (h *hub) follow(n int) (all []cluster.Message, err error) {
	err = repeat(func(ctx context.Context) error {
		err := h.order.Follow(ctx, uint64(len(all)+1), func(batch []cluster.Message) error {
			if all = append(all, batch...); len(all) >= n {
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
	return all, err
}

// leader returns the hub that leads the shared log.
func (c *trio) leader() *hub {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil {
		for _, h := range c.hubs {
			if node, _ := h.running(); node != nil && node.Leads() && node.Ready() == nil {
				return h
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.t.Fatal("no hub leads the shared log")
	return nil
}

func newID() (id cluster.ID) {
	_, _ = rand.Read(id[:])
	return id
}

// other returns a hub other than h.
func (c *trio) other(h *hub) *hub {
	for _, other := range c.hubs {
		if other != h {
			return other
		}
	}
	return nil
}
