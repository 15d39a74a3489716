package ordertest

import (
	"sync/atomic"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

var broadcasting = []promise{
	{"EveryListenerReceivesABroadcast", func(b *bench) {
		handles := []cluster.Order{b.open(), b.open(), b.open()}
		var received [3]atomic.Int64
		for i, o := range handles {
			stop, err := o.Listen(func(data []byte) {
				if string(data) == "hello\x00" {
					received[i].Add(1)
				}
			})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(stop)
		}
		// A message may get lost, so the hub broadcasts until all have received it.
		b.eventually("all hubs have received it", func() bool {
			if err := handles[1].Broadcast(b.ctx(), []byte("hello\x00")); err != nil {
				b.Fatalf("Broadcast: %v", err)
			}
			return received[0].Load() > 0 && received[1].Load() > 0 && received[2].Load() > 0
		})
		b.reaches(handles[0], 1, 0) // nothing is stored
	}},
	{"NothingIsReceivedAfterStop", func(b *bench) {
		o, other := b.open(), b.open()
		var stopped, late atomic.Bool
		var first, second atomic.Int64
		stop, err := o.Listen(func([]byte) {
			first.Add(1)
			late.Store(late.Load() || stopped.Load())
		})
		if err != nil {
			b.Fatal(err)
		}
		stopOther, err := other.Listen(func([]byte) { second.Add(1) })
		if err != nil {
			b.Fatal(err)
		}
		defer stopOther()
		broadcast := func() {
			if err := other.Broadcast(b.ctx(), []byte("x")); err != nil {
				b.Fatalf("Broadcast: %v", err)
			}
		}
		b.eventually("both receive", func() bool { broadcast(); return first.Load() > 0 && second.Load() > 0 })
		stop()
		stopped.Store(true)
		received := second.Load()
		b.eventually("the other receives more", func() bool { broadcast(); return second.Load() > received+5 })
		if late.Load() {
			b.Error("the function was called after stop had returned")
		}
	}},
}
