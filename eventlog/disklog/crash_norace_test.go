//go:build !race

package disklog_test

// See crash_race_test.go.
const (
	raced      = false
	crashTotal = 25
	crashAfter = 150
	crashTry   = 20
	crashSteps = 3
	modelSeeds = 12
)
