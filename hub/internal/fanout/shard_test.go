package fanout

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// TestShardKeepsLittleMemoryAfterABurst: a pass over large events used to leave its buffers as large as the pass for good.
func TestShardKeepsLittleMemoryAfterABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, log := start(t)
		conn := new(fakeConnection)
		for range fewestSharing { // of a group that compresses
			s := subscription()
			s.Gzip = true
			stream(t, f, s).AttachLane(newFakeLane(conn, -1))
		}
		attachLane(t, f, newFakeLane(conn, -1))
		synctest.Wait()
		x := rand.New(rand.NewPCG(1, 1))
		large := make([]eventlog.Record, 4)
		for i := range large {
			var data strings.Builder
			for data.Len() < 100<<10 {
				fmt.Fprintf(&data, "%x", x.Uint64())
			}
			large[i] = eventlog.Record{Topics: []string{"news"}, Data: data.String()}
		}
		large[len(large)-1].Data = strings.Repeat(large[0].Data, 20)
		s := conn.shardOf(f)
		kept := func() (n int) {
			s.await(func() {
				for _, b := range [][]byte{s.buf, s.plain, s.packed} {
					n += max(0, cap(b)-mostSpace)
				}
				for _, p := range s.parts[:cap(s.parts)] {
					n += len(p.text)
				}
			})
			return n
		}
		publish(t, log, large...)
		synctest.Wait()
		if kept() == 0 {
			t.Fatal("the events make no large buffer")
		}
		time.Sleep(2 * s.wheel.tick)
		if n := kept(); n > 0 {
			t.Errorf("the shard keeps %d bytes", n)
		}
	})
}

// shardOf returns the shard of the lanes of a connection.
func (c *fakeConnection) shardOf(f *Fanout) *shard {
	f.trunks.mu.Lock()
	defer f.trunks.mu.Unlock()
	return f.trunks.all[c].shard
}
