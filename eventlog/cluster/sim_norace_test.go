//go:build !race

package cluster_test

const inMemoryRuns, onDiskRuns = 200, 4
