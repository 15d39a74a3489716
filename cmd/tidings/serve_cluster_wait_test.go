//go:build !nonats

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestHubThatWaitsForOthersSaysForWhich at /readyz, which operators ask, and in its log. When it is stopped, it leaves its directory before it ends.
func TestHubThatWaitsForOthersSaysForWhich(t *testing.T) {
	dir, addr, peers := t.TempDir(), freeAddr(t), []string{freeAddr(t), freeAddr(t), freeAddr(t)}
	ctx, stop := context.WithCancel(t.Context())
	log := newAwaited()
	p := program{stdio: stdio{in: strings.NewReader(""), out: newAwaited(), err: log}}
	ended := make(chan int, 1)
	go func() {
		ended <- p.run(ctx, []string{
			"serve", "--addr=" + addr, "--data=" + dir, "--keep-bytes=16MiB", "--cluster-peers=" + strings.Join(peers, ","),
			"--cluster-listen=" + peers[0], "--cluster-key-file=" + writeFile(t, "key", strings.Repeat("k", 64)),
		})
	}()
	want := "waiting for " + peers[1] + ", " + peers[2] + ": the first start of a cluster needs all 3 hubs"
	log.await(t, want)
	for deadline := time.Now().Add(patience); ; {
		answer, text := ask(t, http.DefaultClient, http.MethodGet, "http://"+addr+"/readyz", "")
		if strings.Contains(text, want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("/readyz answers %s: %s", answer.Status, text)
		}
	}
	if code, _, complaint := say(t, "cluster", "status", "http://"+addr); code != exitRefused || !strings.Contains(complaint, peers[1]) {
		t.Errorf("tidings cluster status: exit code %d, %s; want the names of the missing hubs", code, complaint)
	}
	if _, text := ask(t, http.DefaultClient, http.MethodGet, "http://"+addr+"/events/news", ""); strings.Contains(text, peers[1]) {
		t.Errorf("a subscriber reads the addresses of other hubs: %s", text)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
	mirror, err := disklog.Open(filepath.Join(dir, mirrorDir), &disklog.Options{Mirror: true})
	if err != nil {
		t.Fatalf("after the hub has ended: %v", err)
	}
	if err := mirror.Close(); err != nil {
		t.Error(err)
	}
}

// TestStatusOfAHubThatWaitsNamesHubsWithAnotherKey: only its log named them, and the status said that it waits for hubs which ran.
func TestStatusOfAHubThatWaitsNamesHubsWithAnotherKey(t *testing.T) {
	addrs, peers := []string{freeAddr(t), freeAddr(t)}, []string{freeAddr(t), freeAddr(t)}
	ctx, stop := context.WithCancel(t.Context())
	var hubs sync.WaitGroup
	defer hubs.Wait()
	defer stop()
	for i, addr := range addrs {
		p := program{stdio: stdio{in: strings.NewReader(""), out: newAwaited(), err: newAwaited()}}
		args := []string{
			"serve", "--addr=" + addr, "--data=" + t.TempDir(), "--keep-bytes=16MiB", "--cluster-peers=" + strings.Join(peers, ","),
			"--cluster-listen=" + peers[i], "--cluster-key-file=" + writeFile(t, "key", strings.Repeat(fmt.Sprint(i), 64)),
		}
		hubs.Go(func() { p.run(ctx, args) })
	}
	want := "the first start of a cluster needs both hubs; " + peers[1] + " has another cluster key, or certificates of another authority: all hubs need the same"
	for deadline := time.Now().Add(patience); ; {
		code, _, complaint := say(t, "cluster", "status", "http://"+addrs[0])
		if code != 0 && strings.Contains(complaint, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("exit code %d, %s; want %s", code, complaint, want)
		}
	}
}

// TestOnlyAHubThatDoesNotFindItselfIsToldToSayWhichOneItIs: other errors about the list of peers had the same hint.
func TestOnlyAHubThatDoesNotFindItselfIsToldToSayWhichOneItIs(t *testing.T) {
	member := t.TempDir()
	if err := os.WriteFile(filepath.Join(member, "cluster.json"), []byte(`{"format":1,"name":"a-1234"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(member, "jetstream"), 0o700); err != nil {
		t.Fatal(err)
	}
	key := writeFile(t, "key", strings.Repeat("k", 64))
	for name, test := range map[string]struct {
		args []string
		says string
		hint bool
	}{
		"a hub of a cluster, alone": {[]string{"--data=" + member, "--cluster-peers=127.0.0.1:9"}, "cannot be used alone", false},
		"several on this machine":   {[]string{"--data=" + t.TempDir(), "--cluster-peers=127.0.0.1:7,127.0.0.1:8,127.0.0.1:9"}, "several peers are on this machine", true},
		"listening elsewhere":       {[]string{"--data=" + t.TempDir(), "--cluster-peers=127.0.0.1:7,127.0.0.1:8,127.0.0.1:9", "--cluster-listen=127.0.0.1:6"}, `none is "127.0.0.1:6", where this hub listens`, true},
	} {
		code, _, complaint := say(t, append([]string{"serve", "--addr=127.0.0.1:0", "--cluster-key-file=" + key}, test.args...)...)
		if code == 0 || !strings.Contains(complaint, test.says) || strings.Contains(complaint, "--cluster-listen says") != test.hint {
			t.Errorf("%s: exit code %d, %s", name, code, complaint)
		}
	}
}

// TestHubsOnOneMachineHaveNamesOfTheirOwn with a shared log elsewhere, and keep them.
func TestHubsOnOneMachineHaveNamesOfTheirOwn(t *testing.T) {
	f := &serveFlags{clusterFlags: clusterFlags{NATS: "nats://a"}}
	name := func(dir string) string {
		t.Helper()
		name, err := f.ownName(dir)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	a, b := t.TempDir(), t.TempDir()
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if one, other := name(a), name(b); one == other || !strings.HasPrefix(one, machine+"-") || name(a) != one {
		t.Errorf("two hubs are called %q and %q, and the first later %q", one, other, name(a))
	}
	if err := os.Remove(filepath.Join(b, hubNameFile)); err != nil {
		t.Fatal(err)
	}
	if f.ClusterName = "chosen"; name(b) != "chosen" {
		t.Errorf("a hub with a name is called %q", name(b))
	}
}
