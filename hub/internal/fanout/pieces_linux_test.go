package fanout

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/tidings-sse/tidings/eventlog"
)

// catchesUp returns what a subscriber gets that catches up from a position.
func catchesUp(t *testing.T, f *Fanout, after eventlog.Position) []chunk {
	t.Helper()
	s := subscription()
	s.Gzip = true
	g := newGroup(s)
	c := &cursor{f: f, group: g, sent: unsent, bound: boundOf(s)}
	c.query = eventlog.Query{Selector: s.Selector, After: after}
	var all []chunk
	for now := more; now == more; {
		var chunks []chunk
		var err error
		if chunks, now, err = c.next(t.Context(), pageBytes); err != nil {
			t.Fatal(err)
		}
		all = append(all, c.squeeze(chunks)...)
	}
	return all
}

// shared returns how many bytes of some chunks are in memory only once, and how many there are.
func shared(a, b []chunk) (once, all int) {
	for _, c := range a {
		all += len(c.text)
		if slices.ContainsFunc(b, func(other chunk) bool { return unsafe.StringData(other.text) == unsafe.StringData(c.text) }) {
			once += len(c.text)
		}
	}
	return once, all
}

// TestSubscribersThatCatchUpShareTheirBytes: each of them compressed the events anew, and kept a copy while it did not read. That is so for the events
// of the window and for older ones, and after some events also for subscribers that begin at different ones.
func TestSubscribersThatCatchUpShareTheirBytes(t *testing.T) {
	for name, window := range map[string]int64{"window": 64 << 20, "log": 1} {
		t.Run(name, func(t *testing.T) {
			f, log := start(t, func(o *Options) { o.Window = window })
			begin := log.Head()
			for i := range 2000 {
				n := 3
				if i%500 == 250 {
					n = 3000 // a large event
				}
				data := strings.Repeat(fmt.Sprintf(`{"symbol":"ACME","price":%d}`, i*7919%2000), n)
				publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: data})
			}
			awaitWindow(f, log)
			first := catchesUp(t, f, begin)
			if len(first) > 100 {
				t.Errorf("%d parts for 2000 events: they are not compressed", len(first))
			}
			if once, all := shared(first, catchesUp(t, f, begin)); once != all {
				t.Errorf("from the same position: %d of %d bytes are shared", once, all)
			}
			if window == 1 {
				return // subscribers from different positions read different pages
			}
			for after := range uint64(5) {
				if once, all := shared(catchesUp(t, f, eventlog.Position{Gen: begin.Gen, Seq: 101 + 7*after}), first); once*2 < all {
					t.Errorf("after %d events: %d of %d bytes are shared", 101+7*after, once, all)
				}
			}
		})
	}
}

// TestPieceHasExactlyItsEvents: the log may leave out events that are superseded, so subscribers that begin at the same event may get others.
func TestPieceHasExactlyItsEvents(t *testing.T) {
	events := func(seqs ...uint64) (chunks []chunk) {
		for _, seq := range seqs {
			e := &event{record: &eventlog.Record{Data: strings.Repeat(fmt.Sprint(seq), 500)}, gen: "g"}
			e.record.Seq = seq
			chunks = append(chunks, e.chunk(newGzipped(textEncoding{})))
		}
		return chunks
	}
	p := newPieces()
	all, few := p.get("g", "g", events(1, 2, 3)), p.get("g", "g", events(1, 3))
	if all.text == few.text || all.more != 2 || few.more != 1 || all.at != 3 || few.at != 3 {
		t.Errorf("%d bytes with %d more events, %d bytes with %d more", len(all.text), all.more, len(few.text), few.more)
	}
	if again := p.get("g", "g", events(1, 3)); unsafe.StringData(again.text) != unsafe.StringData(few.text) {
		t.Error("the newest piece of a name is not kept")
	}
	for _, other := range []chunk{p.get("h", "g", events(1, 3)), p.get("g", "h", events(1, 3)), p.get("g", "g", events(1, 4))} {
		if unsafe.StringData(other.text) == unsafe.StringData(few.text) {
			t.Error("a piece of other events was used")
		}
	}
}

// TestKeptPiecesAreBounded: whatever subscribers ask for.
func TestKeptPiecesAreBounded(t *testing.T) {
	p, x := newPieces(), rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		first, group := x.Uint64N(10), strings.Repeat("g", 5000*x.IntN(2)+x.IntN(10))
		made := &piece{chunk: chunk{text: strings.Repeat("x", x.IntN(pieceBytes))}, events: make([]uint64, 1+x.IntN(1000))}
		p.keep(pieceName{group, "g", first, math.MaxUint64}, made)
	}
	total := 0
	for name, kept := range p.kept {
		total += kept.size(name)
	}
	if total > piecesKept || total != p.bytes || len(p.kept) != p.order.Len() || len(p.kept) == 0 {
		t.Errorf("%d bytes, counted %d; %d pieces in an order of %d", total, p.bytes, len(p.kept), p.order.Len())
	}
}

// TestSlowSubscribersOfALargeEventShareIt: each subscriber that did not read had a copy of the event, whether it was live or caught up. 10,000
// of them would have taken 3 GB for an event of 1 MB.
func TestSlowSubscribersOfALargeEventShareIt(t *testing.T) {
	const clients, size = 20, 1 << 20
	x := rand.New(rand.NewPCG(1, 1))
	var data strings.Builder
	for data.Len() < size {
		fmt.Fprintf(&data, `{"id":"%016x"},`, x.Uint64())
	}
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprint("late=", late), func(t *testing.T) {
			f, log := start(t, func(o *Options) { o.WriteTimeout = time.Hour })
			begin := log.Head()
			var readers []*reader
			join := func() {
				for range clients {
					r := reads(t, f, begin, func(server, client *net.TCPConn, _ *Subscription) {
						_, _ = server.SetWriteBuffer(64<<10), client.SetReadBuffer(64<<10)
					})
					r.pause()
					readers = append(readers, r)
				}
			}
			if !late {
				join()
				awaitLive(t, f, clients)
			}
			publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: data.String()})
			awaitWindow(f, log)
			if late {
				join()
			}
			makers := max(2, runtime.GOMAXPROCS(0)) + len(f.shards) // replayers and shards, which may make it at the same time
			if n := copies(t, f, clients); n > makers {
				t.Errorf("%d subscribers that do not read have %d copies of the event", clients, n)
			}
			for _, r := range readers[:1] {
				r.readAgain()
				r.upTo(log.Head().Seq, func(uint64) string { return data.String() })
			}
		})
	}
}

// copies waits until n subscribers have a rest to send, and returns in how many places of the memory the rests end.
func copies(t *testing.T, f *Fanout, n int) int {
	t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		ends, full := make(map[uintptr]bool), 0
		for _, s := range f.shards {
			s.await(func() {
				s.each(func(sub *subscriber) {
					d := sub.via.(*direct)
					if d.cursor != nil { // a replayer may have it
						d.cursor.writing.Lock()
						defer d.cursor.writing.Unlock()
					}
					if text := d.rest.text; text != "" {
						full++
						ends[uintptr(unsafe.Pointer(unsafe.StringData(text)))+uintptr(len(text))] = true
					}
				})
			})
		}
		if full == n {
			return len(ends)
		} else if time.Now().After(deadline) {
			t.Fatalf("%d subscribers have full sockets, not %d", full, n)
		}
	}
}
