//go:build programs

package redislog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
)

// startRedisCluster starts a Redis Cluster of one server that has all keys.
func startRedisCluster(t *testing.T) *server {
	t.Helper()
	s := startServer(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
	s.do(t, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
	eventually(t, "the cluster is formed", func() bool {
		return strings.Contains(fmt.Sprint(s.do(t, "CLUSTER", "INFO")), "cluster_state:ok")
	})
	return s
}

// TestFailoverOfARedisClusterIsNoticed: the keys move to another node, which the client has to find.
func TestFailoverOfARedisClusterIsNoticed(t *testing.T) {
	t.Parallel()
	a, b := startRedisCluster(t), startServer(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
	b.do(t, "CLUSTER", "MEET", "127.0.0.1", a.port)
	id := fmt.Sprint(a.do(t, "CLUSTER", "MYID"))
	eventually(t, "the nodes know each other", func() bool {
		return strings.Count(fmt.Sprint(a.do(t, "CLUSTER", "NODES")), "connected") == 2 && strings.Contains(fmt.Sprint(b.do(t, "CLUSTER", "NODES")), id)
	})
	b.do(t, "CLUSTER", "REPLICATE", id)
	eventually(t, "the replica has the data", func() bool {
		return b.info(t, "role") == "slave" && b.info(t, "master_link_status") == "up" && strings.Contains(fmt.Sprint(a.do(t, "CLUSTER", "NODES")), "slave")
	})

	o := created(t, &redislog.Options{URL: a.url() + "?cluster=true"})
	before := bounds(t, o)
	following := follow(t, o, 1)
	publish(t, o, "1", "2")
	following.next(t)
	following.next(t)
	eventually(t, "the replica has both", func() bool { return b.info(t, "master_repl_offset") == a.info(t, "master_repl_offset") })
	b.do(t, "CLUSTER", "FAILOVER", "TAKEOVER") // without a vote, for which the cluster has too few masters
	eventually(t, "the replica is the master", func() bool { return b.info(t, "role") == "master" })
	if err := following.end(t); err == nil {
		t.Error("Follow has returned nil")
	}
	var after cluster.Bounds
	eventually(t, "the hub has found the new master", func() bool {
		var err error
		after, err = o.Bounds(t.Context())
		return err == nil && after.Identity != before.Identity
	})
	if after.Last != 2 {
		t.Errorf("%+v after the failover", after)
	}
	following = follow(t, o, 3)
	next := publish(t, o, "3")[0]
	if m := following.next(t); m.ID != next {
		t.Errorf("message %d is %v, want %v", m.Seq, m.ID, next)
	}
}
