package fanout

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestStreamThatWaitsForItsTurnIsNotSlow: a client reads steadily from a connection whose streams all have more to send than it reads. A stream that
// gets its turn after WriteTimeout stays open. It ends when the connection stands still.
func TestStreamThatWaitsForItsTurnIsNotSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 10 * time.Second
		f, _ := start(t, func(o *Options) { o.WriteTimeout = timeout })
		conn := new(fakeConnection)
		waits := newFakeLane(conn, 0)
		closed := attachLane(t, f, waits)
		for range 60 { // ten times as long as the timeout
			conn.taken.Add(64 << 10) // of other streams
			time.Sleep(timeout / 6)
			synctest.Wait()
		}
		select {
		case end := <-closed:
			t.Fatalf("the stream has ended: %v", end.Reason)
		default:
		}
		still := time.Now()
		if end := <-closed; end.Reason != Slow {
			t.Errorf("the reason is %v, want slow", end.Reason)
		}
		if took := time.Since(still); took > 2*timeout+time.Second {
			t.Errorf("it took %v until a connection that takes nothing counted as slow", took)
		}
	})
}

// TestStreamWithoutWindowIsSlow, although the client reads the other streams of its connection.
func TestStreamWithoutWindowIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := start(t)
		began := time.Now()
		closed := attachLane(t, f, newFakeLane(new(fakeConnection), 0)) // its Taken is 0
		if end := <-closed; end.Reason != Slow {
			t.Errorf("the reason is %v, want slow", end.Reason)
		}
		if took := time.Since(began); took > f.opts.WriteTimeout+time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
