// Package ordertest tests clusters. It has three parts.
//
// [Run] is the conformance suite of [cluster.Order]; every backend passes it:
//
//	func TestConformance(t *testing.T) {
//		ordertest.Run(t, func(t *testing.T) ordertest.Cluster {
//			url := startServer(t)
//			return ordertest.Cluster{Open: func(t *testing.T) cluster.Order { return open(t, url) }}
//		})
//	}
//
// [Memory] is an order in memory with faults of the test's choice: lost messages, lost answers, isolated hubs. With testing/synctest it
// runs in virtual time.
//
// [Check] finds violations of what a cluster promises, in a [History] of the requests of publishers and the events of subscribers.
package ordertest
