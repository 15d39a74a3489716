package natsnode_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
)

// single starts a node without peers.
func single(t *testing.T, dir string) *natsnode.Node {
	t.Helper()
	n, err := natsnode.Open(t.Context(), &natsnode.Options{Peers: []string{"localhost"}, Dir: dir, Logger: logger(t, "single")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func TestHubAloneKeepsItsOrderAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	for i := range uint64(3) {
		n := single(t, dir)
		if err := n.Ready(); err != nil {
			t.Error(err)
		}
		order, err := natslog.Open(t.Context(), n.URL(), &natslog.Options{Replicas: n.Replicas(), Connect: n.Connect(), MaxMessage: natsnode.MaxMessage})
		if err != nil {
			t.Fatal(err)
		}
		if err := order.Create(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if err := order.Publish(t.Context(), "", newID(), []byte("x")); err != nil {
			t.Error(err)
		}
		if b, err := order.Bounds(t.Context()); err != nil || b.Last != i+1 || b.MaxMessage < natsnode.MaxMessage {
			t.Errorf("bounds %+v, %v", b, err)
		}
		if theirs, ours := n.IDs(); theirs != ours {
			t.Errorf("JetStream counts the hub as %q, and this package takes that for %q", theirs, ours)
		}
		status, err := n.Status(t.Context())
		if err != nil || status.Leader != n.Name() || status.StreamLeader != n.Name() || len(status.Peers) != 1 || !status.Peers[0].Online {
			t.Errorf("status %+v, %v", status, err)
		}
		if err := errors.Join(order.Close(), n.StepDown(t.Context()), n.Close(), n.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestNodeWhoseJetStreamStopsSaysSo(t *testing.T) {
	t.Parallel()
	n := single(t, t.TempDir())
	if err := n.Disable(); err != nil {
		t.Fatal(err)
	}
	<-n.Broken()
	if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "start this hub again") {
		t.Errorf("error %v", err)
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	dir := func(t *testing.T, content string, store bool) string {
		dir := t.TempDir()
		if content != "" {
			if err := os.WriteFile(filepath.Join(dir, "cluster.json"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if store {
			if err := os.Mkdir(filepath.Join(dir, "jetstream"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	three := []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
	tests := map[string]struct {
		o    natsnode.Options
		says string
	}{
		"no peers":            {natsnode.Options{Dir: dir(t, "", false)}, "list of peers is empty"},
		"no directory":        {natsnode.Options{Peers: []string{"a"}}, "data directory"},
		"no secret":           {natsnode.Options{Peers: three, Self: three[0], Dir: dir(t, "", false)}, "has 0 bytes, and needs at least 32"},
		"short secret":        {natsnode.Options{Peers: three, Self: three[0], Secret: secret[:31], Dir: dir(t, "", false)}, "has 31 bytes"},
		"TLS without keys":    {natsnode.Options{Peers: three, Self: three[0], Secret: secret, TLS: &tls.Config{}, Dir: dir(t, "", false)}, "needs a certificate"},
		"single hub's data":   {natsnode.Options{Peers: three, Self: three[0], Secret: secret, Dir: dir(t, `{"format":1,"name":"a-1234","single":true}`, true)}, "was used without other hubs"},
		"cluster's data":      {natsnode.Options{Peers: three[:1], Dir: dir(t, `{"format":1,"name":"a-1234"}`, true)}, "is of a hub in a cluster"},
		"newer format":        {natsnode.Options{Peers: three[:1], Dir: dir(t, `{"format":2,"name":"a-1234"}`, true)}, "a newer version has written it; start this hub with that version"},
		"no format":           {natsnode.Options{Peers: three[:1], Dir: dir(t, `{"name":"a-1234"}`, true)}, "has format 0 and the name \"a-1234\", which no version writes"},
		"a name with a space": {natsnode.Options{Peers: three[:1], Dir: dir(t, `{"format":1,"name":"a 1234"}`, true)}, "the name \"a 1234\", which no version writes"},
		"damaged name":        {natsnode.Options{Peers: three[:1], Dir: dir(t, `{`, true)}, "so that this hub joins as a new peer"},
		"data without a name": {natsnode.Options{Peers: three[:1], Dir: dir(t, "", true)}, "is missing although"},
		"not a listen address": {
			natsnode.Options{Peers: three, Self: three[0], Secret: secret, Listen: "4248", Dir: dir(t, "", false)}, `"4248" is not an address to listen on`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n, err := natsnode.Open(t.Context(), &test.o)
			if err == nil {
				_ = n.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want %q", err, test.says)
			}
		})
	}
}

func TestPortInUseIsAnErrorOfOpen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	self := l.Addr().String()
	_, err = natsnode.Open(t.Context(), &natsnode.Options{Peers: []string{self, "127.0.0.1:1", "127.0.0.1:2"}, Self: self, Secret: secret, Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error %v", err)
	}
}

func TestLostDataMakesANewPeer(t *testing.T) {
	dir := t.TempDir()
	n := single(t, dir)
	name := n.Name()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	first, _, err := natsnode.Identify(t.Context(), &natsnode.Options{Peers: []string{"localhost"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if again := single(t, dir); again.Name() == name || again.Name() != first || !strings.HasPrefix(again.Name(), "localhost-") {
		t.Errorf("a server without memory is called %q, announced as %q, and before %q", again.Name(), first, name)
	}
}

// TestNodeThatHasLeftItsClusterIsANewPeer, and nothing else in its directory has changed.
func TestNodeThatHasLeftItsClusterIsANewPeer(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "log")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	if left, err := natsnode.Leave(dir); left || err != nil {
		t.Errorf("a directory without a membership: %v, %v", left, err)
	}
	o := &natsnode.Options{Peers: []string{freeAddress(t)}, Dir: dir}
	before, _, err := natsnode.Identify(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "cluster.json")); err != nil { // a call was interrupted
		t.Fatal(err)
	}
	if left, err := natsnode.Leave(dir); !left || err != nil {
		t.Errorf("a directory with a membership: %v, %v", left, err)
	}
	after, _, err := natsnode.Identify(t.Context(), o)
	if err != nil || after == before {
		t.Errorf("it is called %q, and was %q: %v", after, before, err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

// TestHubsThatDoNotFitSayWhy starts two of three hubs. Neither can become a member, and each says what is wrong with the other.
func TestHubsThatDoNotFitSayWhy(t *testing.T) {
	tests := map[string]struct {
		change func(t *testing.T, a, b *natsnode.Options)
		says   string // about b, by a
	}{
		"another key": {func(_ *testing.T, _, b *natsnode.Options) { b.Secret = []byte("another secret, of another cluster") }, "it has another cluster key"},
		"not started": {func(_ *testing.T, _, b *natsnode.Options) { b.Peers = nil }, "dial tcp"},
		"a web server": {func(t *testing.T, a, b *natsnode.Options) {
			s := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(s.Close)
			b.Peers, a.Peers = nil, []string{a.Self, s.Listener.Addr().String(), "127.0.0.1:1"}
		}, "it does not use TLS"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peers := []string{freeAddress(t), freeAddress(t), "127.0.0.1:1"}
			a := &natsnode.Options{Peers: peers, Self: peers[0], Secret: secret, Dir: t.TempDir(), Logger: logger(t, "a")}
			b := &natsnode.Options{Peers: peers, Self: peers[1], Secret: secret, Dir: t.TempDir(), Logger: logger(t, "b")}
			test.change(t, a, b)
			a.ProbeFor(patience)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			longer, done := context.WithCancel(t.Context())
			ended, waits := make(chan bool), make(chan bool, 1)
			b.Waiting = func(string) {
				select {
				case waits <- true:
				default:
				}
			}
			go func() {
				defer close(ended)
				if n, err := natsnode.Open(longer, b); err == nil {
					t.Error("a hub that does not fit is a member")
					_ = n.Close()
				}
			}()
			select {
			case <-waits: // now it listens
			case <-ended:
			}
			a.Waiting = func(string) { cancel() }
			n, err := natsnode.Open(ctx, a)
			if err == nil {
				_ = n.Close()
			}
			done()
			<-ended
			if err == nil || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), a.Peers[1]+": "+test.says) {
				t.Errorf("error %v; want about %s: %s", err, a.Peers[1], test.says)
			}
		})
	}
}

// TestHubThatRestartsAloneSaysWhomItMisses also if it was a member before: with another key, or while most hubs are down.
func TestHubThatRestartsAloneSaysWhomItMisses(t *testing.T) {
	t.Parallel()
	c := newTrio(t)
	h := c.hubs[0]
	h.remembers(t, c.hubs[0].node.Name(), c.hubs[1].node.Name(), c.hubs[2].node.Name())
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	open := func(change func(*natsnode.Options), peer int, says string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := h.options()
		change(o)
		o.Waiting = func(reason string) {
			if strings.Contains(reason, ": 2 of 3 hubs are needed") {
				cancel()
			}
		}
		node, err := natsnode.Open(ctx, o)
		if err == nil {
			_ = node.Close()
			t.Fatal("a hub without a majority is a member")
		}
		if want := h.peers[peer] + ": " + says; !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want %s", err, want)
		}
	}
	open(func(o *natsnode.Options) {
		o.Secret = []byte("another secret, of another cluster")
		o.ProbeFor(patience) // both peers run
	}, 1, "it has another cluster key")
	for _, other := range c.hubs[1:] {
		other.die()
	}
	open(func(*natsnode.Options) {}, 2, "")
}

// TestFirstStartOfAClusterSaysThatItNeedsAllHubs: two of three waited without a word about the third.
func TestFirstStartOfAClusterSaysThatItNeedsAllHubs(t *testing.T) {
	t.Parallel()
	var all [3]natsnode.Options
	peers := []string{freeAddress(t), freeAddress(t), freeAddress(t)}
	waits := make(chan struct{}, 1)
	for i := range all {
		all[i] = natsnode.Options{Peers: peers, Self: peers[i], Secret: secret, Dir: t.TempDir()}
		all[i].Waiting = func(reason string) {
			if reason == "waiting for "+peers[2]+": the first start of a cluster needs all 3 hubs" {
				select {
				case waits <- struct{}{}:
				default:
				}
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var hubs sync.WaitGroup
	var nodes [3]*natsnode.Node
	open := func(i int) {
		hubs.Go(func() {
			var err error
			if nodes[i], err = natsnode.Open(ctx, &all[i]); err != nil {
				t.Error(err)
			}
		})
	}
	open(0)
	open(1)
	select {
	case <-waits:
	case <-ctx.Done():
		t.Error("two of three hubs do not say what they wait for")
	}
	open(2)
	hubs.Wait()
	for _, n := range nodes {
		if n == nil {
			continue
		}
		hubs.Go(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	hubs.Wait()
}

func TestNodeThatStartsSaysForHowManyHubsItWaits(t *testing.T) {
	for _, test := range []struct {
		missing []string
		all     int
		says    string
	}{
		{[]string{"b", "c"}, 3, "waiting for one of b, c: 2 of 3 hubs are needed"},
		{[]string{"c"}, 3, "waiting until the hubs elect a leader, without c"},
		{nil, 3, "waiting until the hubs elect a leader"},
		{[]string{"b", "c", "d"}, 4, "waiting for 2 of b, c, d: 3 of 4 hubs are needed"},
		{[]string{"b", "c", "d", "e"}, 5, "waiting for 2 of b, c, d, e: 3 of 5 hubs are needed"},
		{[]string{"b"}, 2, "waiting for b: 2 of 2 hubs are needed"},
	} {
		if says := natsnode.WaitingFor(test.missing, test.all); says != test.says {
			t.Errorf("%q of %d: %s, want %s", test.missing, test.all, says, test.says)
		}
	}
}

// TestNodeOfANewClusterWaitsForAllHubs: it said that it waited for one of them, and in the same sentence that it needed all.
func TestNodeOfANewClusterWaitsForAllHubs(t *testing.T) {
	for _, test := range []struct {
		missing []string
		all     int
		says    string
	}{
		{[]string{"b:4248", "c:4248"}, 3, "waiting for b:4248, c:4248: the first start of a cluster needs all 3 hubs"},
		{[]string{"c:4248"}, 3, "waiting for c:4248: the first start of a cluster needs all 3 hubs"},
		{[]string{"b:1"}, 2, "waiting for b:1: the first start of a cluster needs both hubs"},
		{[]string{"b", "c", "d"}, 5, "waiting for b, c, d: the first start of a cluster needs all 5 hubs"},
		{nil, 3, "waiting until the hubs elect a leader"},
	} {
		if says := natsnode.WaitingForAll(test.missing, test.all); says != test.says {
			t.Errorf("%q of %d: %s, want %s", test.missing, test.all, says, test.says)
		}
	}
}
