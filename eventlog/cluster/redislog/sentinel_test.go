//go:build programs

package redislog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
)

// startSentinels starts three Sentinels that watch a master, named main, with one replica. It returns their addresses, with commas.
func startSentinels(t *testing.T, master *server) string {
	t.Helper()
	var sentinels []*server
	var addrs []string
	for range 3 {
		s := &server{program: "redis-sentinel", dir: t.TempDir()}
		s.args = []string{"--bind", "127.0.0.1", "--dir", s.dir}
		config := fmt.Sprintf("sentinel monitor main 127.0.0.1 %d 2\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n", master.port)
		if err := os.WriteFile(filepath.Join(s.dir, "sentinel.conf"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		s.begin(t)
		sentinels, addrs = append(sentinels, s), append(addrs, s.addr())
	}
	for _, s := range sentinels {
		eventually(t, "the Sentinels know each other and the replica", func() bool {
			known := fmt.Sprint(s.do(t, "SENTINEL", "MASTER", "main"))
			return strings.Contains(known, "num-slaves:1") && strings.Contains(known, "num-other-sentinels:2")
		})
	}
	return strings.Join(addrs, ",")
}

// TestFailoverThatLosesMessagesIsNoticed kills a master whose replica is behind. The Sentinels promote the replica: five messages that were
// acknowledged are gone, and their numbers will be given again.
func TestFailoverThatLosesMessagesIsNoticed(t *testing.T) {
	t.Parallel()
	a, b := startServer(t), startServer(t)
	replicate(t, b, a)
	url := "redis://" + startSentinels(t, a) + "/0?sentinel=main"

	hub, late := created(t, &redislog.Options{URL: url}), created(t, &redislog.Options{URL: url})
	before := bounds(t, hub)
	following, followingLate := follow(t, hub, 1), follow(t, late, 1)
	for i := range 10 {
		publish(t, hub, fmt.Sprint(i))
		following.next(t)
		followingLate.next(t)
	}
	eventually(t, "the replica has ten messages", func() bool { return fmt.Sprint(b.do(t, "XLEN", "{tidings}:log")) == "10" })

	a.do(t, "ACL", "SETUSER", "default", "-psync", "-sync", "-replconf") // the replica cannot follow any more
	a.do(t, "CLIENT", "KILL", "TYPE", "replica")
	lost := publish(t, hub, "a", "b", "c", "d", "e")
	for _, id := range lost {
		if m := following.next(t); m.ID != id {
			t.Fatalf("message %d is %v, want %v", m.Seq, m.ID, id)
		}
	}
	a.kill(t)

	// Both hubs see another order: the one that had the lost messages, and one that was killed with the master and has no state.
	for name, f := range map[string]*follower{"hub": following, "late": followingLate} {
		if err := f.end(t); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%s: Follow has returned %v", name, err)
		}
	}
	var after cluster.Bounds
	eventually(t, "the replica is the master", func() bool {
		// The order stores no message before the hub has asked for the identity of the new master.
		err := hub.Publish(t.Context(), before.Identity, newID(), []byte("too early"))
		if err == nil {
			t.Fatal("a message was appended to an order that has lost messages")
		}
		after, err = late.Bounds(t.Context())
		return err == nil
	})
	if after.Identity == before.Identity || after.Last != 10 {
		t.Errorf("%+v after the failover, %+v before", after, before)
	}
	var got cluster.Bounds
	eventually(t, "the other hub has found the master", func() bool {
		var err error
		got, err = hub.Bounds(t.Context())
		return err == nil
	})
	if got != after {
		t.Errorf("two hubs see %+v and %+v", got, after)
	}
	if _, err := hub.Message(t.Context(), 15); err == nil {
		t.Error("a lost message is still there")
	} else if back, ok := errors.AsType[*cluster.BackError](err); !ok || back.Last != 10 {
		t.Errorf("Message(15): %v, want that the order ends with 10", err)
	}

	// The numbers are used again; the identifiers show the difference.
	again := publish(t, late, "A", "B", "C", "D", "E", "F")
	for i, id := range again[:5] {
		if m, err := hub.Message(t.Context(), uint64(11+i)); err != nil || m.ID != id || m.ID == lost[i] {
			t.Errorf("Message(%d) = %v, %v, want %v", 11+i, m.ID, err, id)
		}
	}
	following = follow(t, hub, 11)
	for _, id := range again {
		if m := following.next(t); m.ID != id {
			t.Errorf("message %d is %v, want %v", m.Seq, m.ID, id)
		}
	}
}
