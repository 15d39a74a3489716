// Package load puts a hub of Server-Sent Events under load, and says what came of it. It speaks HTTP and nothing else, so
// that any hub can be measured: tidings bench is its command line.
//
// What it promises:
//
//   - Every event carries who has sent it, its number and when (mark.go). Each subscriber counts for itself: what is lost,
//     what comes again, what comes late and what was for somebody else is found whatever the hub says of it (tally.go).
//   - A subscriber is what an EventSource is: a place in the stream, over as many connections as it takes. It comes back with
//     the last ID it has seen, and nothing that it missed meanwhile is forgiven.
//   - At a rate, an event's time is when it was due: a hub that holds up its publishers does not look faster for it. Without
//     a rate, publishers wait for subscribers, so that what is measured is what is delivered and not a queue that grows.
//   - It is cheap: on Linux, plain HTTP/1.1 connections have no goroutine and no buffer (epoll_linux.go).
//
// The files in the order of a run:
//
//	options.go, template.go   what to do
//	run.go                    connect, warm up, measure, wait for what is under way
//	follower.go, connect.go   subscribers and their connections
//	publish.go, pace.go       publishers
//	missed.go                 those that come back with missed events
//	carrier.go                how bytes come in: epoll_linux.go with answer.go, stream.go for all else
//	scan.go, mark.go          from bytes to events
//	tally.go, ledger.go       what was received
//	histogram.go, process.go  time, and what the hub takes of the machine
//	report.go, text.go        what came of it
package load
