package disklog_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestDamageInTheStoresLogIsNoEndOfIt: what was appended and is not in a table yet is read from Pebble's own log when the
// process has ended without closing it. That is cut off where the power went, and nothing is wrong with that; where it is
// damaged before, acknowledged records are behind. Pebble can tell the two apart for all but the last blocks of its log, of
// 32 KiB.
func TestDamageInTheStoresLogIsNoEndOfIt(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(repeatable(t), 1))
	dir := filepath.Join(t.TempDir(), "log")
	log := mustOpen(t, dir, nil)
	const n = 400
	for i := range n {
		mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprintf("%0400d", i)})
	}
	for i := range 20 {
		copied := fmt.Sprintf("%s.%d", dir, i)
		mustCopy(t, dir, copied)
		logs, err := filepath.Glob(filepath.Join(copied, "*.log"))
		if err != nil || len(logs) == 0 {
			t.Fatal(logs, err)
		}
		change(t, logs[len(logs)-1], func(b []byte) []byte {
			b[r.IntN(len(strings.TrimRight(string(b), "\x00"))-64<<10)] ^= byte(1 + r.IntN(255))
			return b
		})
		log, err := disklog.Open(copied, nil)
		if err != nil {
			wantCorrupt(t, err)
			continue
		}
		if b := log.Bounds(); b.Events != n || b.Head.Seq != n {
			t.Errorf("the log was opened, with %+v", b)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}
