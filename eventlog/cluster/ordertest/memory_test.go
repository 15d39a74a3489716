package ordertest_test

import (
	"testing"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

func TestMemoryKeepsThePromisesOfAnOrder(t *testing.T) {
	ordertest.Run(t, func(*testing.T) ordertest.Cluster {
		m := ordertest.NewMemory(0)
		return ordertest.Cluster{
			Open:   func(*testing.T) cluster.Order { return m.Handle() },
			Trim:   func(_ *testing.T, first uint64) { m.Trim(first) },
			Delete: func(*testing.T) { m.Delete() },
			Cut:    func(_ *testing.T, o cluster.Order) { o.(*ordertest.Handle).Cut() },
		}
	})
}
