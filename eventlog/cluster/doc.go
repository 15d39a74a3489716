// Package cluster makes one log of many hubs. All hubs append to one shared order of messages, and each follows the order into a log of its
// own, its mirror. Every mirror makes the same decisions from the same messages, so positions mean the same on every hub.
//
//	Append ─▶ gather ─▶ Order.Publish ─▶ … ─▶ Order.Follow ─▶ mirror: Apply ─▶ readers
//	   ▲                                                           │
//	   └────────────────────── receipts, by identifier ◀───────────┘
//
// A backend supplies the [Order]: package natslog by NATS JetStream, package redislog by Redis Streams.
package cluster
