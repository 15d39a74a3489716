// Package conform runs the conformance cases of package ssetest over real sockets, against clients in any language and against servers.
//
// A client under test is behind a driver: a small HTTP server that opens the client for the package and reports what it does.
//
//	GET /   → {"name": "eventsource", "version": "4.1.0", "ids": true, "headers": true, "parser": false, "reconnection": 3000}
//	POST /  {"url": "http://…", "types": ["message", …], "headers": {"X-Own": "1"}, "close": 2}
//	        → 200, application/x-ndjson, one line for each thing that happens:
//	          {"event": {"type": "message", "data": "…", "id": "7"}}
//	          {"closed": "why the client gave up or ended; may be empty"}
//
// The driver opens one client for each POST, then answers, and flushes each line. It closes the client when its request ends, or inside the handler of the
// event that "close" counts. "types" has all types of events that any case sends, for clients that need a listener for each. In the answer to GET, "ids" says whether events carry the last event ID of the stream, "headers" whether the client
// can send header fields of the program, "parser" whether it is only a parser, in a loop that the driver adds, and "reconnection" how many milliseconds the client waits before it reconnects, at most, if the
// server says nothing.
//
// Cases that need a simulated clock, TLS, or exact moments inside the client are left out.
package conform
