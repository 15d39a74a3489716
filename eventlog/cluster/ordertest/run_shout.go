package ordertest

import (
	"sync/atomic"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

var shouting = []promise{
	{"EveryHubHearsWhatIsShouted", func(b *bench) {
		handles := []cluster.Order{b.open(), b.open(), b.open()}
		var heard [3]atomic.Int64
		for i, o := range handles {
			stop, err := o.Hear(func(data []byte) {
				if string(data) == "hello\x00" {
					heard[i].Add(1)
				}
			})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(stop)
		}
		// A message may get lost, so the hub shouts until all have heard it.
		b.eventually("all hubs have heard", func() bool {
			if err := handles[1].Shout(b.ctx(), []byte("hello\x00")); err != nil {
				b.Fatalf("Shout: %v", err)
			}
			return heard[0].Load() > 0 && heard[1].Load() > 0 && heard[2].Load() > 0
		})
		b.reaches(handles[0], 1, 0) // nothing is stored
	}},
	{"NothingIsHeardAfterStop", func(b *bench) {
		o, other := b.open(), b.open()
		var stopped, late atomic.Bool
		var first, second atomic.Int64
		stop, err := o.Hear(func([]byte) {
			first.Add(1)
			late.Store(late.Load() || stopped.Load())
		})
		if err != nil {
			b.Fatal(err)
		}
		stopOther, err := other.Hear(func([]byte) { second.Add(1) })
		if err != nil {
			b.Fatal(err)
		}
		defer stopOther()
		shout := func() {
			if err := other.Shout(b.ctx(), []byte("x")); err != nil {
				b.Fatalf("Shout: %v", err)
			}
		}
		b.eventually("both have heard", func() bool { shout(); return first.Load() > 0 && second.Load() > 0 })
		stop()
		stopped.Store(true)
		heard := second.Load()
		b.eventually("the other has heard more", func() bool { shout(); return second.Load() > heard+5 })
		if late.Load() {
			b.Error("the function was called after stop had returned")
		}
	}},
}
