// Package ssetest is for tests of programs that send or read event streams. A test of one looks like this:
//
//	func TestMyProgramSurvivesABrokenStream(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			server := ssetest.NewServer(t,
//				ssetest.Stream(ssetest.Send("id: 1\ndata: a\n\n"), ssetest.Cut()),
//				ssetest.Stream(ssetest.Send("data: b\n\n"), ssetest.Hold()),
//			)
//			got := ssetest.Collect(t, myProgram(t.Context(), server.Client(), server.URL))
//			events, err := got.Wait(t.Context(), 2)
//			again, _ := server.Request(t.Context(), 1) // and its Header, when it came, …
//		})
//	}
//
// A [Server] plays its script over an in-memory network, so the test can live in a testing/synctest bubble: a delay of
// an hour takes no time, and "nothing more happens" is a fact, not a guess. [NewTCPServer] plays the same over a real
// socket, [NewScript] behind any server. [Listener] is that network alone, for servers of your own.
//
// The other way round, [Record] runs a handler and shows event by event and flush by flush what it sent.
// [Chop] and its relatives give a reader's bytes in awkward pieces. [TestParser] and [TestLifecycle] hold
// an implementation against the cases in the folder cases, which programs in other languages can read, too.
//
// # What is promised
//
// Order: answers are given in the order of the script, one to each request as it arrives, and each on a connection of
// its own, so that no HTTP client repeats a request behind the test's back.
//
// Splits: what one write sent never joins the next in one read on the in-memory network, so pieces arrive as they
// were cut. A real socket promises nothing of the kind.
//
// Ends: what a test started is over when its Cleanup functions have run. Whatever blocks does so on channels made where
// the waiting happens, durably for a bubble; make listeners, servers and recorders inside the bubble.
package ssetest
