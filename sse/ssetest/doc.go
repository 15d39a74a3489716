// Package ssetest helps to test programs that send or receive event streams. A test of a client looks like this:
//
//	func TestMyProgramSurvivesABrokenStream(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			server := ssetest.NewServer(t,
//				ssetest.Stream(ssetest.Send("id: 1\ndata: a\n\n"), ssetest.Cut()),
//				ssetest.Stream(ssetest.Send("data: b\n\n"), ssetest.Hold()),
//			)
//			got := ssetest.Collect(t, myProgram(t.Context(), server.Client(), server.URL))
//			events, err := got.Wait(t.Context(), 2)
//			again, _ := server.Request(t.Context(), 1) // its Header, its time, …
//		})
//	}
//
// A [Server] answers requests from a script, over an in-memory network. The test can therefore run in a
// testing/synctest bubble: an hour of delay takes no time, and a test can prove that nothing more happens.
// [NewTCPServer] uses a TCP socket instead, and [NewScript] works behind any server. [Listener] is the in-memory
// network alone.
//
// To test a server, [Record] runs a handler and records each event and flush that it sends. [Chop], [ChopEvery] and
// [ChopRandomly] split a reader's bytes into chunks. [TestParser] and [TestLifecycle] run the conformance cases in the
// folder cases against an implementation. The cases are JSON files, which programs in other languages can read, too.
//
// # Guarantees
//
// Order: the answers of a script go to the requests in the order of their arrival, one to each. A [Server] closes the
// connection after each answer, so that no HTTP client silently repeats a request on a reused connection.
//
// Chunks: on the in-memory network a read never returns bytes of two writes, so chunks arrive as they were sent. A TCP
// socket guarantees nothing about chunks.
//
// Cleanup: everything that the helpers start has ended after the test's Cleanup functions. Create listeners, servers
// and recorders inside a synctest bubble, and goroutines that wait for them are durably blocked.
package ssetest
