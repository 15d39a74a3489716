package disklog_test

import (
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

func TestLogSaysHowItKeepsItsRecords(t *testing.T) {
	for name, test := range map[string]struct {
		opts *disklog.Options
		want eventlog.Durability
	}{
		"by default":    {&disklog.Options{}, eventlog.DurabilityAlways},
		"sync=interval": {&disklog.Options{Sync: disklog.SyncInterval}, eventlog.DurabilityInterval},
		"a mirror":      {&disklog.Options{Mirror: true}, eventlog.DurabilityInterval},
	} {
		t.Run(name, func(t *testing.T) {
			test.opts.Retention = &eventlog.Retention{Bytes: 5 << 20}
			log, err := disklog.Open(t.TempDir(), test.opts)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = log.Close() })
			if got := log.Storage(); got.Durability != test.want || got.Bytes != 5<<20 || got.Free <= 0 {
				t.Errorf("the log says %+v, want %s, 5 MiB and free space", got, test.want)
			}
		})
	}
}
