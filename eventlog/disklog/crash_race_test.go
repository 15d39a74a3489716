//go:build race

package disklog_test

// Under -race, Pebble also checks its own invariants and is about twenty times slower. So the tests do less, and make test also runs them
// without -race.
const (
	raced      = true
	crashTotal = 6  // crashes per test
	crashAfter = 60 // answered batches before a crash, at most
	crashTry   = 4  // then each client appends fewer than this many batches
	crashSteps = 40 // one in this many file system operations is followed by a power loss
	modelSeeds = 4  // runs of random operations
)
