// Package cluster gives several hubs one shared log. In this package an *order* is that shared log: a numbered sequence of messages. All hubs
// append to it, and each follows it into a log of its own, its mirror. Every mirror makes the same decisions from the same messages, so positions
// mean the same on every hub.
//
//	Append ─▶ gather ─▶ Order.Publish ─▶ … ─▶ Order.Follow ─▶ mirror: Apply ─▶ readers
//	   ▲                                                           │
//	   └────────────────────── receipts, by identifier ◀───────────┘
//
// A backend supplies the [Order]: package natslog by NATS JetStream, package redislog by Redis Streams.
package cluster
