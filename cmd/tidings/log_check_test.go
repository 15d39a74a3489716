package main

import (
	"testing"

	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestCheckSaysOnceWhatToDo: each problem of the log of a hub of a cluster told to restore its directory, and the last line to start its hub. Some had a
// line that is only for programs.
func TestCheckSaysOnceWhatToDo(t *testing.T) {
	for want, problem := range map[string]disklog.Problem{
		"the store: pebble: file 000029: crc32c checksum mismatch": {What: "the store", Why: "pebble: file 000029: crc32c checksum mismatch\n<corruption detail carrier>; restore the directory from a copy"},
		"record 2: it is not in the index":                         {What: "record 2", Why: "it is not in the index"},
	} {
		if got := oneProblem(problem); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
