//go:build !nonats

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// TestHubAloneJoinsAClusterAndLeavesItWithItsEvents by commands that can be repeated; other directories are refused.
func TestHubAloneJoinsAClusterAndLeavesItWithItsEvents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	serving := func(wants string, args ...string) {
		t.Helper()
		s := startServeIn(t, args[0], nil, args[1:]...)
		defer s.stop()
		ask(t, http.DefaultClient, http.MethodPost, s.url+"/events/news", "one more")
		if _, text := ask(t, http.DefaultClient, http.MethodGet, s.url+"/events/news?poll=1", ""); strings.Count(text, "data: one more") != len(wants) {
			t.Errorf("%d events should be there: %s", len(wants), text)
		}
		if len(args) > 1 {
			inUse := filepath.Join(args[0], mirrorDir) + ": it is already open"
			if code, _, complaint := say(t, "cluster", "leave", args[0], args[0]+"-new"); code == 0 || !strings.Contains(complaint, inUse) {
				t.Errorf("leave while the hub runs: exit code %d, %s; want %s", code, complaint, inUse)
			}
			var answer struct {
				Log struct {
					Servers struct{ Name, StreamLeader string }
				}
			}
			_, text := ask(t, http.DefaultClient, http.MethodGet, s.url+"/api/v1/cluster", "")
			if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Log.Servers.Name == "" || answer.Log.Servers.Name != answer.Log.Servers.StreamLeader {
				t.Errorf("%v: the cluster of one hub is led by another one: %s", err, text)
			}
			if answer, text := ask(t, http.DefaultClient, http.MethodPost, s.url+"/api/v1/cluster/reset", ""); answer.StatusCode != http.StatusConflict {
				t.Errorf("reset of a sound cluster: %s: %s", answer.Status, text)
			}
		}
	}
	peer := freeAddr(t)
	clustered := []string{dir, "--cluster-peers", peer, "--cluster-name", "lonely"}

	serving("x", dir)
	if code, _, complaint := sayIn(t, nil, "serve", "--addr", "localhost:0", "--data", dir, "--cluster-peers", peer); code == 0 || !strings.Contains(complaint, "tidings cluster join "+dir) {
		t.Errorf("before it has joined: exit code %d, %s", code, complaint)
	}
	for range 2 { // it can be repeated
		if code, out, complaint := say(t, "cluster", "join", dir); code != 0 || !strings.Contains(out, "is ready for a new cluster") {
			t.Fatalf("exit code %d, %s", code, complaint)
		}
	}
	serving("xx", clustered...)
	if code, _, complaint := sayIn(t, nil, "serve", "--addr", "localhost:0", "--data", dir); code == 0 || !strings.Contains(complaint, "tidings cluster leave "+dir) {
		t.Errorf("in the cluster: exit code %d, %s", code, complaint)
	}
	alone := dir + "-alone"
	if code, out, complaint := say(t, "cluster", "leave", dir, alone); code != 0 || !strings.Contains(out, "is a hub alone") {
		t.Fatalf("exit code %d, %s", code, complaint)
	}
	if code, out, complaint := say(t, "cluster", "leave", dir, alone); code != 0 || !strings.Contains(out, alone+" is a hub alone already") {
		t.Errorf("left again: exit code %d, %s%s", code, out, complaint)
	}
	serving("xxx", alone)
}

// TestRestoredClusterGivesNoPositionTwice: new events got the positions of events after the backup, and subscribers that had those missed the new ones
// without a gap. The command for restored directories refused those of clusters.
func TestRestoredClusterGivesNoPositionTwice(t *testing.T) {
	dir, backup := filepath.Join(t.TempDir(), "data"), t.TempDir()
	peer := freeAddr(t)
	publish := func(text string) (id, all string) {
		t.Helper()
		s := startServeIn(t, dir, nil, "--cluster-peers", peer)
		defer s.stop()
		if code, _, complaint := say(t, "log", "restored", dir); code == 0 || !strings.Contains(complaint, "it is already open") {
			t.Errorf("while the hub runs: exit code %d, %s", code, complaint)
		}
		var stored struct{ ID string }
		if _, answer := ask(t, http.DefaultClient, http.MethodPost, s.url+"/events/news", text); json.Unmarshal([]byte(answer), &stored) != nil || stored.ID == "" {
			t.Fatalf("%s is not stored: %s", text, answer)
		}
		_, all = ask(t, http.DefaultClient, http.MethodGet, s.url+"/events/news?poll=1&since=earliest", "")
		return stored.ID, all
	}
	before, _ := publish("before the backup")
	if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	lost, _ := publish("after the backup")
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(backup))); err != nil {
		t.Fatal(err)
	}

	log := filepath.Join(dir, mirrorDir)
	if code, _, complaint := say(t, "log", "restored", log); code == 0 || !strings.Contains(complaint, "hint: tidings log restored "+dir+"\n") {
		t.Errorf("for the log of the hub: exit code %d, %s", code, complaint)
	}
	if code, out, complaint := say(t, "log", "restored", dir); code != 0 || !strings.Contains(out, "keeps its events up to "+before) {
		t.Fatalf("exit code %d, %s%s", code, out, complaint)
	}
	if code, out, complaint := say(t, "log", "restored", dir); code != 0 || !strings.Contains(out, "needs no change") {
		t.Errorf("again: exit code %d, %s%s", code, out, complaint)
	}
	id, all := publish("after the restore")
	generation, _, _ := strings.Cut(lost, "-")
	if strings.HasPrefix(id, generation+"-") {
		t.Errorf("the event after the restore has the position %s, and the one that was lost had %s", id, lost)
	}
	if !strings.Contains(all, "data: before the backup") || !strings.Contains(all, "data: after the restore") || strings.Contains(all, "data: after the backup") {
		t.Errorf("the restored cluster has other events: %s", all)
	}
}

func TestClusterJoinAndLeaveRefuseOtherDirectories(t *testing.T) {
	empty, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"join", empty}, {"join", filepath.Join(empty, "none")}, {"join", file}, {"leave", empty, filepath.Join(empty, "new")}, {"leave", empty, empty}} {
		if code, _, complaint := say(t, append([]string{"cluster"}, args...)...); code == 0 || complaint == "" {
			t.Errorf("%q: exit code %d, %s", args, code, complaint)
		}
	}
	dir := filepath.Join(empty, "data")
	s := startServeIn(t, dir, nil)
	if code, _, complaint := say(t, "cluster", "join", dir); code == 0 || !strings.Contains(complaint, "open") {
		t.Errorf("a hub is running: exit code %d, %s", code, complaint)
	}
	s.stop()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
		t.Errorf("the directory has %d files, %v", len(entries), err)
	}
}

// leaderless is a shared log without a majority of its servers.
type leaderless struct{ cluster.Order }

func (leaderless) Bounds(context.Context) (cluster.Bounds, error) {
	return cluster.Bounds{}, errors.New("the stream has no leader at the moment")
}

// TestResetWithoutAMajoritySaysWhatToDo: the hub said that it followed the shared log, and that nothing was to be reset.
func TestResetWithoutAMajoritySaysWhatToDo(t *testing.T) {
	s := &sharedLog{
		flags: &serveFlags{clusterFlags: clusterFlags{ClusterPeers: []string{"a", "b", "c"}}}, opened: make(chan struct{}),
		back: &backend{order: leaderless{}},
	}
	close(s.opened)
	err := s.reset(t.Context())
	if _, ok := errors.AsType[*eventlog.InvalidError](err); !ok || !strings.Contains(err.Error(), "no majority") || !strings.Contains(err.Error(), "After a disaster") {
		t.Errorf("reset: %v", err)
	}
}
