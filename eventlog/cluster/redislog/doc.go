// Package redislog keeps the shared log of a cluster of hubs in Redis 7.0 or later: one server, servers under Sentinel, or one shard of a
// Redis Cluster. It implements [cluster.Order].
//
// # What is promised
//
// All hubs read one order. Redis replicates asynchronously, so a failover may lose messages that Redis has acknowledged, and no setting
// prevents this for certain. The loss is never silent: every failover, and every restart of Redis, changes the order's identity. The hubs
// then begin a new generation, and every subscriber receives a gap with the reason reset. Whether messages survive a restart or a power
// failure depends on the configuration of Redis; see [Durability].
//
// # Keys
//
//	{tidings}:log    stream: one entry "n-0" for message n, with fields
//	                   p  identifier of the message before it, "" if it is the first
//	                   i  identifier
//	                   t  time of the master, in milliseconds since 1970
//	                   b  bytes of all messages up to this one, so that the front can be cut by size
//	                   d  data
//	{tidings}:meta   hash: format, created (identifies the log), last and id of the newest message, bytes, cut (bytes when the front was
//	                   cut last), ids and since (the set in use, and when it was begun), term, run and replid of the master
//	{tidings}:ids:0  sets: identifiers of the last two to four minutes, so that a message which is sent again is not stored again
//	{tidings}:ids:1
//	{tidings}:broadcast:0
//	                   channel for [Order.Broadcast], of database 0
//
// The braces make Redis Cluster keep all keys on one server: it is one order, and a Redis Cluster does not make it faster. Numbers are
// dense. Only the scripts in folder lua write the keys. They compute with Lua's numbers, which are exact to 2^53; a cluster ends at 2^48.
//
// Field p chains the messages. A follower that reads a message which does not continue its last one knows at once that history was replaced.
package redislog
