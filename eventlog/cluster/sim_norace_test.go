//go:build !race

package cluster_test

const inMemoryRuns, onDiskRuns = 100, 4
