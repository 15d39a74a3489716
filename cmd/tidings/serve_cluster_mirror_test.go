//go:build !nonats

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHubWithADamagedLogTakesACopyOfAnother: the files of one of two hubs are damaged while it is stopped. It starts, and has every event
// without a gap.
func TestHubWithADamagedLogTakesACopyOfAnother(t *testing.T) {
	flags := []string{"--nats=" + startNATS(t, "", ""), "--max-event=959KiB", "--cluster-key-file=" + writeFile(t, "key", strings.Repeat("k", 64))}
	whole := startServeIn(t, t.TempDir(), nil, flags...)
	dir, published := t.TempDir(), []string(nil)
	for name, harm := range map[string]struct {
		file string
		does func(b []byte) []byte
	}{
		"a table":        {"*.sst", func(b []byte) []byte { b[len(b)/3] ^= 1; return b }},
		"the manifest":   {"MANIFEST-*", func(b []byte) []byte { b[len(b)/3] ^= 1; return b }},
		"the identity":   {"tidings.json", func(b []byte) []byte { return b[:len(b)/2] }},
		"the only table": {"*.sst", func([]byte) []byte { return nil }},
	} {
		event := fmt.Sprintf("%d-%s", len(published), strings.Repeat("x", 200))
		publishTo(t, whole.url, "news", event)
		published = append(published, event)
		for range 2 { // the second start makes a table of what the first has written
			startServeIn(t, dir, nil, flags...).stop()
		}
		files, err := filepath.Glob(filepath.Join(dir, mirrorDir, harm.file))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: there is no file %s: %v", name, harm.file, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, harm.does(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		hub := startServeIn(t, dir, nil, flags...)
		want, deadline := strings.Join(published, " "), time.Now().Add(patience)
		for got := ""; got != want; {
			if _, text := ask(t, http.DefaultClient, "GET", hub.url+"/events/news?since=earliest&poll=1", ""); strings.Contains(text, "tidings.gap") {
				t.Errorf("%s: readers are told of a gap: %s", name, text)
			}
			if got = retained(t, hub.url, "news"); time.Now().After(deadline) {
				text, _ := hub.log.now()
				t.Fatalf("%s: the hub has %q, want %q\n%s", name, got, want, text)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, damagedDir)); err == nil {
			t.Errorf("%s: the damaged log is still there", name)
		}
		if text, _ := hub.log.now(); strings.Contains(text, "tidings log restored") {
			t.Errorf("%s: the hub advises what only suits a hub alone:\n%s", name, text)
		}
		hub.stop()
	}
}

// TestDamagedLogOfALostClusterStays: the log of the last hub is damaged, and the shared log is lost. The hub makes a new one, and must not delete
// what may be the only copy of the events.
func TestDamagedLogOfALostClusterStays(t *testing.T) {
	start := func() []string {
		return []string{"--nats=" + startNATS(t, "", ""), "--max-event=959KiB", "--cluster-key-file=" + writeFile(t, "key", strings.Repeat("k", 64))}
	}
	dir := t.TempDir()
	flags := start()
	before := startServeIn(t, dir, nil, flags...)
	publishTo(t, before.url, "news", "the only copy")
	before.stop()
	file := filepath.Join(dir, mirrorDir, "tidings.json")
	if err := os.Truncate(file, 10); err != nil {
		t.Fatal(err)
	}
	flags = start()
	after := startServeIn(t, dir, nil, flags...)
	publishTo(t, after.url, "news", "of the new cluster")
	if _, err := os.Stat(filepath.Join(dir, damagedDir, "tidings.json")); err != nil {
		t.Errorf("the damaged log: %v", err)
	}
	after.log.await(t, "the damaged copy of the shared log stays")

	// The log of the new cluster is damaged, too. Its copy replaced the one above.
	for i := 2; i <= damagedMost+1; i++ {
		after.stop()
		if err := os.Truncate(file, 10); err != nil {
			t.Fatal(err)
		}
		flags = start()
		if i > damagedMost {
			break
		}
		after = startServeIn(t, dir, nil, flags...)
		for n := range i {
			name := damagedDir
			if n > 0 {
				name += fmt.Sprint(".", n+1)
			}
			if _, err := os.Stat(filepath.Join(dir, name, "tidings.json")); err != nil {
				t.Errorf("after the damage number %d: %v", i, err)
			}
		}
	}
	code, _, complaint := say(t, append([]string{"serve", "--addr=localhost:0", "--data=" + dir}, flags...)...)
	if code == 0 || !strings.Contains(complaint, "has 3 damaged copies already") || !strings.Contains(complaint, "delete those that are not needed") {
		t.Errorf("with %d damaged copies the hub ends with %d: %s", damagedMost, code, complaint)
	}
}

// TestHubsInARangeTakeCopies: the guide and the manifests for Kubernetes name all peers by one range. Such a hub counted itself as the only one: it took no
// copy of another hub's log, and told its subscribers of a gap if the shared log had dropped messages that it needed.
func TestHubsInARangeTakeCopies(t *testing.T) {
	for peers, want := range map[string]bool{
		"127.0.0.1:{4248..4250}":      true,
		"tidings-{0..2}.tidings":      true,
		"a,b,c":                       true,
		"a":                           false,
		"tidings-{0..0}.tidings:4248": false,
		"":                            true, // NATS or Redis
	} {
		s := &sharedLog{flags: &serveFlags{}}
		if peers != "" {
			s.flags.ClusterPeers = strings.Split(peers, ",")
		}
		if s.copies() {
			t.Errorf("%q: a hub without a key takes copies", peers)
		}
		if s.member.Key = []byte("key"); s.copies() != want {
			t.Errorf("%q: the hub takes copies: %v, want %v", peers, !want, want)
		}
	}
}
