package natslog_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// TestConformance gives each test a stream of its own on one server.
func TestConformance(t *testing.T) {
	s := start(t, nil)
	_, js := admin(t, s)
	var streams atomic.Int64
	ordertest.Run(t, func(*testing.T) ordertest.Cluster {
		name := "hubs" + strconv.FormatInt(streams.Add(1), 10)
		return ordertest.Cluster{
			Open: func(t *testing.T) cluster.Order {
				order, err := natslog.Open(t.Context(), s.ClientURL(), &natslog.Options{Stream: name, MaxBytes: 64 << 20})
				if err != nil {
					t.Fatal(err)
				}
				return order
			},
			Trim: func(t *testing.T, first uint64) { // by the limit of messages, because purges are denied
				stream, err := js.Stream(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				c := stream.CachedInfo().Config
				for _, most := range []int64{int64(stream.CachedInfo().State.LastSeq-first) + 1, -1} {
					c.MaxMsgs = most
					if _, err := js.UpdateStream(t.Context(), c); err != nil {
						t.Fatal(err)
					}
				}
			},
			Delete: func(t *testing.T) {
				if err := js.DeleteStream(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			},
			Cut: func(t *testing.T, o cluster.Order) {
				if err := o.(*natslog.Order).Reconnect(); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
