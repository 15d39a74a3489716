package disklog_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestDamageInTheWriteAheadLogIsNotItsEnd: after a kill, records that are not in tables yet are only in Pebble's write-ahead log. That log
// may end early after a power loss. If it is damaged before its end, acknowledged records follow the damage. Pebble can tell the two cases
// apart, except in the last blocks of 32 KiB.
func TestDamageInTheWriteAheadLogIsNotItsEnd(t *testing.T) {
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

func mustRemove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// TestPublishedDataIsNotTakenForTheWriteAheadLog: a record's data may look like a chunk of a write-ahead log. After a torn write this must
// not look like damage.
func TestPublishedDataIsNotTakenForTheWriteAheadLog(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	log := mustOpen(t, dir, nil)
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})
	var number uint32
	newest := func(dir string) string {
		logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
		if err != nil || len(logs) == 0 {
			t.Fatal(logs, err)
		}
		if _, err := fmt.Sscanf(filepath.Base(logs[len(logs)-1]), "%d.log", &number); err != nil {
			t.Fatal(err)
		}
		return logs[len(logs)-1]
	}
	newest(dir)
	chunk := make([]byte, 23) // a chunk whose header says that all bytes before it were synced
	chunk[6] = 9
	binary.LittleEndian.PutUint16(chunk[4:], 4)
	binary.LittleEndian.PutUint32(chunk[7:], number)
	binary.LittleEndian.PutUint64(chunk[11:], 1<<62)
	sum := crc32.Checksum(chunk[6:], crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(chunk, (sum>>15|sum<<17)+0xa282ead8)
	const before = 9000
	torn := dir + ".torn"
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: strings.Repeat("y", before) + strings.Repeat(string(chunk), 100)})
	mustCopy(t, dir, torn)
	mustRemove(t, filepath.Join(torn, "acknowledged")) // the power failed before the last append was acknowledged
	change(t, newest(torn), func(b []byte) []byte {
		at := strings.Index(string(b), "yyyy")
		clear(b[at : (at+4096)&^4095]) // a page that did not reach the disk before the next one
		return b
	})
	if head := mustOpen(t, torn, nil).Head(); head.Seq != 1 {
		t.Errorf("the head is %v, want the first record", head)
	}
}
