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
// [Memory] is an order in memory whose faults can be chosen: messages vanish, answers get lost, hubs are cut off. With testing/synctest
// it runs in virtual time.
//
// [Check] finds violations of what a cluster promises, in a [History] of what publishers and subscribers did and saw.
package ordertest
