//go:build race

package cluster_test

// The race detector makes the runs ten times slower; make simulations runs more of them without it.
const inMemoryRuns, onDiskRuns = 12, 1
