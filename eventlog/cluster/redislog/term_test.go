//go:build programs

package redislog_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
)

// replicate makes replica follow master, and waits until it has all data.
func replicate(t *testing.T, replica, master *server) {
	t.Helper()
	replica.do(t, "REPLICAOF", "127.0.0.1", master.port)
	eventually(t, "the replica has the data", func() bool {
		return replica.info(t, "role") == "slave" && replica.info(t, "master_link_status") == "up" &&
			replica.info(t, "master_repl_offset") == master.info(t, "master_repl_offset")
	})
}

// TestPromotionChangesTheIdentity moves the master to a replica and back. The first server is then the master again, in the same process, and
// no hub has looked in between.
func TestPromotionChangesTheIdentity(t *testing.T) {
	t.Parallel()
	a, b := startServer(t), startServer(t)
	o := created(t, &redislog.Options{URL: a.url()})
	publish(t, o, "1")
	before := bounds(t, o)
	replicate(t, b, a)
	b.do(t, "REPLICAOF", "NO", "ONE")
	replicate(t, a, b)
	a.do(t, "REPLICAOF", "NO", "ONE")
	if after := bounds(t, o); after.Identity == before.Identity {
		t.Errorf("the identity is %q after two failovers, as before", after.Identity)
	}

	// In a third move, the hubs look at the new master at once.
	replicate(t, b, a)
	before = bounds(t, o)
	b.do(t, "REPLICAOF", "NO", "ONE")
	if after := bounds(t, open(t, &redislog.Options{URL: b.url()})); after.Identity == before.Identity {
		t.Errorf("the identity of the promoted replica is %q, as that of the master", after.Identity)
	}
}

// TestReplicaAndBackupChangeNoIdentity: Redis takes a new replication identifier when a first replica connects, which a backup by redis-cli
// does, too. The master is the same and has lost nothing, so this must not look like a failover.
func TestReplicaAndBackupChangeNoIdentity(t *testing.T) {
	t.Parallel()
	a, b := startServer(t, "--repl-backlog-ttl", "1"), startServer(t)
	o := created(t, &redislog.Options{URL: a.url()})
	publish(t, o, "1")
	before, replid := bounds(t, o), a.info(t, "master_replid")
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Fatalf("%v; .ci/needs installs it", err)
	}
	if out, err := exec.Command(cli, "-p", strconv.Itoa(a.port), "--rdb", filepath.Join(t.TempDir(), "backup.rdb")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if a.info(t, "master_replid") == replid {
		t.Error("the backup has not changed the replication identifier, so this test proves nothing")
	}
	if after := bounds(t, o); after.Identity != before.Identity {
		t.Errorf("a backup changed the identity from %q to %q", before.Identity, after.Identity)
	}
	replicate(t, b, a)
	if after := bounds(t, o); after.Identity != before.Identity {
		t.Errorf("a replica changed the identity from %q to %q", before.Identity, after.Identity)
	}
	replid = a.info(t, "master_replid")
	b.kill(t)
	eventually(t, "the master forgets its replica", func() bool { return a.info(t, "master_replid") != replid })
	if after := bounds(t, o); after.Identity != before.Identity {
		t.Errorf("the end of a replica changed the identity from %q to %q", before.Identity, after.Identity)
	}
}

// TestReplicaHasNoAuthority: a replica may be behind, so it answers nothing about the order, and stores nothing.
func TestReplicaHasNoAuthority(t *testing.T) {
	t.Parallel()
	a, b := startServer(t), startServer(t)
	o := created(t, &redislog.Options{URL: a.url()})
	publish(t, o, "1")
	replicate(t, b, a)
	replica := open(t, &redislog.Options{URL: b.url()})
	err := replica.Publish(t.Context(), "", newID(), []byte("x"))
	if refused, ok := errors.AsType[*cluster.RefusedError](err); !ok || !refused.Later {
		t.Errorf("Publish at a replica: %v, want a *RefusedError for now", err)
	}
	noAuthority(t, replica)
}

// TestIsolatedMasterHasNoAuthority: with min-replicas-to-write a master that has lost its replicas takes no messages. Another one may have been
// promoted, so it must not look like contact to the shared log either.
func TestIsolatedMasterHasNoAuthority(t *testing.T) {
	t.Parallel()
	a, b := startServer(t, "--min-replicas-to-write", "1"), startServer(t)
	replicate(t, b, a)
	o := open(t, &redislog.Options{URL: a.url()})
	eventually(t, "the master counts its replica", func() bool { return o.Create(t.Context(), 1) == nil })
	publish(t, o, "1")
	b.kill(t)
	eventually(t, "the master misses its replica", func() bool { return a.info(t, "connected_slaves") == "0" })
	err := o.Publish(t.Context(), "", newID(), []byte("x"))
	if refused, ok := errors.AsType[*cluster.RefusedError](err); !ok || !refused.Later {
		t.Errorf("Publish at an isolated master: %v, want a *RefusedError for now", err)
	}
	noAuthority(t, o)
}

// noAuthority checks that a server gives no answer about the order that could count as contact.
func noAuthority(t *testing.T, o *redislog.Order) {
	t.Helper()
	_, errBounds := o.Bounds(t.Context())
	_, errMessage := o.Message(t.Context(), 1)
	_, errBeyond := o.Message(t.Context(), 2)
	for _, err := range []error{errBounds, errMessage, errBeyond} {
		_, back := errors.AsType[*cluster.BackError](err)
		_, gone := errors.AsType[*cluster.GoneError](err)
		if err == nil || back || gone {
			t.Errorf("a server without authority answered, with %v", err)
		}
	}
}
