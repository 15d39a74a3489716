package h2

import (
	"math/rand/v2"
	"testing"
)

// owner is the owner of a stream that may wait for Events.Writable.
type owner struct {
	st    *Stream
	waits bool
}

func (o *owner) Writable()  { o.waits = false }
func (o *owner) Ended(bool) {}

// TestStreamThatWaitsForRoomIsAlwaysWoken: its owner was told that there is no room, by Room or by Send. Whatever it and others send then, it does
// not wait any more when there is room. Sends, updates of windows and the writer of the connection come in any order.
func TestStreamThatWaitsForRoomIsAlwaysWoken(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		c := &conn{writing: true, frameSize: 16 << 10, window: 200_000, streams: make(map[uint32]*Stream)}
		c.changed.L = &c.mu
		owners := make([]*owner, 4)
		for i := range owners {
			o := &owner{st: &Stream{c: c, id: uint32(1 + 2*i), window: 1 << 20}}
			o.st.events, owners[i] = o, o
			c.streams[o.st.id] = o.st
		}
		owners[0].st.window = 5
		b := make([]byte, 64<<10)
		taken := false // the writer has taken what there was, and has not yet told
		for step := range 400 {
			o := owners[random.IntN(len(owners))]
			switch random.IntN(7) {
			case 0:
				o.waits = o.st.Room() == 0
			case 1, 2: // what does not fit, or what may fit
				size := [...]int{1, 10, 1000, len(b)}[random.IntN(4)]
				n, err := o.st.Send(b[:size])
				if err != nil {
					t.Fatal(err)
				}
				o.waits = n < size || o.waits
			case 3:
				c.mu.Lock()
				c.out, taken = nil, true
				c.mu.Unlock()
			case 4:
				c.mu.Lock()
				c.madeRoom()
				c.mu.Unlock()
				taken = false
			case 5:
				c.mu.Lock()
				c.window += int64(random.IntN(100_000))
				c.madeRoom()
				c.mu.Unlock()
				taken = false
			case 6:
				c.mu.Lock()
				o.st.window += int64(random.IntN(20))
				o.st.unblock()
				c.mu.Unlock()
			}
			for _, o := range owners {
				st := o.st
				if o.waits && !taken && st.window > 0 && c.window > 0 && len(c.out)+frameHeader < outLimit {
					t.Fatalf("step %d: stream %d waits although there is room", step, st.id)
				}
			}
		}
	}
}
