package fanout

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// countingEncoding counts the bytes of the events that it makes.
type countingEncoding struct {
	textEncoding
	made *atomic.Int64
}

func (e countingEncoding) Event(b []byte, at eventlog.Position, r *eventlog.Record) []byte {
	n := len(b)
	b = e.textEncoding.Event(b, at, r)
	e.made.Add(int64(len(b) - n))
	return b
}

// TestLaneThatCatchesUpMakesEachEventOnce: with few bytes of room, each part that was sent had cost a page of events, which was read, encoded and
// compressed, and then thrown away.
func TestLaneThatCatchesUpMakesEachEventOnce(t *testing.T) {
	for name, window := range map[string]int64{"window": 64 << 20, "log": 1} {
		for _, gzip := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " gzip=", gzip), func(t *testing.T) {
				f, log := start(t, func(o *Options) { o.Window = window })
				const n = 2000
				begin, x := log.Head(), rand.New(rand.NewPCG(1, 1))
				raw := 0
				for i := range n {
					data := fmt.Sprintf("%x %s event%d", x.Uint64(), strings.Repeat("quote ", 10), i)
					publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: data})
					raw += len(fmt.Sprint(i+1)) + 1 + len(data) + 1
				}
				awaitWindow(f, log)
				var made atomic.Int64
				s := subscription()
				s.Encoding, s.Gzip = countingEncoding{made: &made}, gzip
				s.From.Positions = []string{begin.String()}
				l := newFakeLane(new(fakeConnection), 0)
				stream(t, f, s).AttachLane(l)
				sampled := made.Load() // Open compares encodings
				done := func() bool { return f.Counts().Delivered == n }
				for !done() {
					if l.waits() {
						l.grant(1000 + x.IntN(3000))
					}
					runtime.Gosched()
				}
				if encoded := int(made.Load() - sampled); encoded > raw*5/4 {
					t.Errorf("%d bytes of events were encoded %.1f times", raw, float64(encoded)/float64(raw))
				}
				if l.vain > pieceBytes {
					t.Errorf("the lane was sent %d bytes more than it takes", l.vain)
				}
				inPieces := 0
				for _, p := range f.pieces.kept {
					inPieces += len(p.events)
				}
				if inPieces > n*5/4 {
					t.Errorf("%d events were compressed %.1f times", n, float64(inPieces)/n)
				}
			})
		}
	}
}

// waits reports whether the stream waits for more room.
func (l *fakeLane) waits() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blocked && l.events != nil
}
