// Package load is a load generator for hubs of Server-Sent Events. It publishes and subscribes over HTTP only, so it
// can measure any hub. The command tidings bench is its command line.
//
// # Guarantees
//
//   - Each event carries its run, topic, publisher, sequence number and time (mark.go). Each subscriber counts lost,
//     duplicate, reordered and misrouted events by itself, independently of the hub's own figures (tally.go).
//   - A subscriber behaves like an EventSource: when its connection breaks it reconnects with its last event ID. Events that
//     it then does not get count as lost.
//   - At a fixed rate, latency is measured from the time when an event was due. A hub that delays its publishers therefore
//     does not appear faster. Without a rate, publishers wait for the subscribers, so that a run measures delivery and not a
//     growing queue.
//   - On Linux, connections over plain HTTP/1.1 need no goroutine and no buffer (epoll_linux.go). Over HTTP/2 one goroutine serves all streams of a
//     connection (http2.go).
//
// # Files, in the order of a run
//
//	options.go, template.go   what to do
//	run.go                    connect, warm up, measure, wait for the last events
//	subscriber.go, connect.go subscribers and their connections
//	publish.go, pace.go       publishers
//	backlog.go                subscribers that return and have missed events
//	connector.go              connections: epoll_linux.go with response.go, http2.go with http2_read.go,
//	                          http.go for all others
//	scan.go, mark.go          from bytes to events
//	tally.go, shard.go        counting received events
//	histogram.go, process.go  latencies, and the hub's use of CPU and memory
//	status.go                 progress
//	report.go, text.go        results
package load
