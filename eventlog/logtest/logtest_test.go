package logtest_test

import (
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/logtest"
)

func memory(t *testing.T, o logtest.Options) eventlog.Log {
	log, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: o.Retention, Now: o.Now})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestMemory(t *testing.T) {
	logtest.Run(t, logtest.Harness{Open: memory, Mirror: true, Lookup: true})
}
