package natsnode_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
)

// TestHubOfAnotherClusterIsRefused: with the same secret it took part in the elections of this cluster, and while it ran, its peers had no leader for
// most of the time. It did not say what was wrong.
func TestHubOfAnotherClusterIsRefused(t *testing.T) {
	t.Parallel()
	peers := []string{freeAddress(t), freeAddress(t), freeAddress(t)}
	options := func(peer int) *natsnode.Options {
		return &natsnode.Options{Peers: peers, Self: peers[peer], Secret: secret, Dir: t.TempDir(), Logger: logger(t, peers[peer])}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	running := []*natsnode.Options{options(0), options(1)}
	for _, o := range running { // they wait for the third
		go func() {
			if n, err := natsnode.Open(ctx, o); err == nil {
				_ = n.Close()
			}
			ended <- struct{}{}
		}()
	}
	defer func() {
		stop()
		<-ended
		<-ended
	}()
	for _, o := range running {
		if err := repeat(func(context.Context) error {
			conn, err := net.Dial("tcp", o.Self)
			if err == nil {
				err = conn.Close()
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	other := options(2)
	other.ProbeFor(patience)
	if err := os.WriteFile(filepath.Join(other.Dir, "cluster.json"), []byte(`{"format":1,"name":"x-1234","members":["x-1234","y-1234"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(other.Dir, "jetstream", "jetstream"), 0o700); err != nil {
		t.Fatal(err)
	}
	n, err := natsnode.Open(ctx, other)
	if err == nil {
		_ = n.Close()
		t.Fatal("a hub of another cluster is a member")
	}
	for _, want := range []string{"the cluster of x-1234, y-1234", "which are not of that cluster", "list the hubs of its own cluster, or move the directory away"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if files, err := os.ReadDir(filepath.Join(other.Dir, "jetstream", "jetstream")); err != nil || len(files) > 0 {
		t.Errorf("its server has started: %v, %v", files, err)
	}
}

// TestHubWithACopyOfAnotherHubsDirectoryIsRefused: it logged what was wrong, joined, and both voted under one name.
func TestHubWithACopyOfAnotherHubsDirectoryIsRefused(t *testing.T) {
	for name, started := range map[string]bool{"while the other one runs": true, "both start at once": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peers := []string{freeAddress(t), freeAddress(t), "127.0.0.1:1"}
			slices.Sort(peers[:2])
			refused := 1 // of two that start at once, always the same
			if started {
				refused = 0
			}
			ctx, stop := context.WithTimeout(t.Context(), patience)
			defer stop()
			options := func(peer int) *natsnode.Options {
				o := &natsnode.Options{Peers: peers, Self: peers[peer], Secret: secret, Dir: t.TempDir(), Logger: logger(t, peers[peer])}
				store := filepath.Join(o.Dir, "jetstream")
				if started { // a directory with data is checked before its server starts
					store = filepath.Join(store, "jetstream")
				}
				if err := errors.Join(os.MkdirAll(store, 0o700), os.WriteFile(filepath.Join(o.Dir, "cluster.json"), []byte(`{"format":1,"name":"a-1234"}`), 0o600)); err != nil {
					t.Fatal(err)
				}
				o.ProbeFor(patience)
				return o
			}
			stays, twin := options(1-refused), options(refused)
			listens := make(chan struct{})
			stays.Waiting = func(string) {
				select {
				case <-listens:
				default:
					close(listens)
				}
			}
			ended := make(chan error)
			go func() {
				n, err := natsnode.Open(ctx, stays)
				if err == nil {
					_ = n.Close()
				}
				ended <- err
			}()
			if started {
				<-listens
			}
			n, err := natsnode.Open(ctx, twin)
			if err == nil {
				_ = n.Close()
			}
			if want := stays.Self + " runs already: it has this hub's name, a-1234: its data directory is a copy"; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the copy: error %v, want %s", err, want)
			}
			stop()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("the other one: error %v, want one of its context", err)
			}
		})
	}
}

// remembers waits until the file of a hub has the names of all members.
func (h *hub) remembers(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	var id struct{ Members []string }
	for deadline := time.Now().Add(patience); !slices.Equal(id.Members, want); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(h.dir, "cluster.json"))
		if err == nil {
			err = json.Unmarshal(text, &id)
		}
		if err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the hub remembers the members %q, want %q", id.Members, want)
		}
	}
}
