//go:build race

package disklog_test

// Pebble is some twenty times slower when races are looked for: it checks itself then. Therefore the tests do less of the same,
// and make test runs them without the race detector as well.
const (
	raced      = true
	crashTotal = 6  // crashes of each test,
	crashAfter = 60 // after at most so many batches that were answered, and as many again for the next;
	crashTry   = 4  // then each client tries the log with fewer than so many
	crashSteps = 40 // of so many changes of the file system, one is that before which the power goes
)
