//go:build programs

package redislog_test

import (
	"fmt"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
	"github.com/tidings-sse/tidings/internal/cutproxy"
)

func TestConformanceOnOneServer(t *testing.T) {
	t.Parallel()
	conform(t, startServer(t), "")
}

func TestConformanceOnARedisCluster(t *testing.T) {
	t.Parallel()
	conform(t, startRedisCluster(t), "?cluster=true")
}

// conform runs the suite. Each test has a prefix of its own, and each handle a proxy that can break its connections.
func conform(t *testing.T, s *server, query string) {
	tests := 0
	ordertest.Run(t, func(t *testing.T) ordertest.Cluster {
		tests++
		prefix := fmt.Sprintf("test%d", tests)
		network := cutproxy.New()
		t.Cleanup(func() { _ = network.Close() })
		names := map[cluster.Order]string{}
		return ordertest.Cluster{
			Open: func(t *testing.T) cluster.Order {
				name := fmt.Sprint("hub", len(names))
				addr, err := network.Link(name, "redis", s.addr())
				if err != nil {
					t.Fatal(err)
				}
				o, err := redislog.New(&redislog.Options{URL: "redis://" + addr + query, Prefix: prefix})
				if err != nil {
					t.Fatal(err)
				}
				names[o] = name
				return o
			},
			Trim: func(t *testing.T, first uint64) {
				s.do(t, "XTRIM", "{"+prefix+"}:log", "MINID", fmt.Sprintf("%d-0", first))
			},
			Delete: func(t *testing.T) {
				s.do(t, "DEL", "{"+prefix+"}:log", "{"+prefix+"}:meta", "{"+prefix+"}:ids:0", "{"+prefix+"}:ids:1")
			},
			Cut: func(_ *testing.T, o cluster.Order) { network.Reset(names[o], "redis") },
		}
	})
}
