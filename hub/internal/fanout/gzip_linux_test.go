package fanout

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// patience is how long a test waits before it fails.
const patience = time.Minute

// reader is a client of a compressed stream. It decodes with the standard library, which shares no code with the library that compresses.
type reader struct {
	*testing.T
	conn   *net.TCPConn
	lines  chan string
	ended  chan error
	next   uint64        // sequence number of the event that must come next
	paused chan struct{} // has a value while the client does not read
	kinds  map[string]int
}

// reads opens a compressed stream and reads it.
func reads(t *testing.T, f *Fanout, from eventlog.Position, change ...func(server, client *net.TCPConn, s *Subscription)) *reader {
	t.Helper()
	s := subscription()
	s.Gzip = true
	if s.From.Positions = []string{from.String()}; from == (eventlog.Position{}) {
		s.From.Positions = nil
	}
	server, client := tcpPair(t)
	for _, c := range change {
		c(server, client, s)
	}
	st := stream(t, f, s)
	r := &reader{
		T: t, conn: client, lines: make(chan string), ended: make(chan error, 1), next: st.At().Seq + 1, paused: make(chan struct{}, 1),
		kinds: make(map[string]int),
	}
	st.Attach(server, nil, 0)
	done := t.Context().Done()
	go func() {
		unzipped, err := gzip.NewReader(r)
		if err != nil {
			r.ended <- err
			return
		}
		lines := bufio.NewScanner(unzipped)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			select {
			case r.lines <- lines.Text():
			case <-done:
				return
			}
		}
		r.ended <- lines.Err()
	}()
	return r
}

// Read reads from the connection, unless the client pauses.
func (r *reader) Read(b []byte) (int, error) {
	r.paused <- struct{}{}
	<-r.paused
	return r.conn.Read(b[:min(len(b), 2000)])
}

func (r *reader) pause()     { r.paused <- struct{}{} }
func (r *reader) readAgain() { <-r.paused }

// upTo reads events up to a sequence number. Each must be the next one.
func (r *reader) upTo(seq uint64, data func(uint64) string) {
	r.Helper()
	limit := time.After(patience)
	for r.next <= seq {
		select {
		case line := <-r.lines:
			number, rest, _ := strings.Cut(line, " ")
			if r.kinds[number]++; number[0] > '9' {
				continue // a control message
			}
			r.kinds[number]--
			n, err := strconv.ParseUint(number, 10, 64)
			if err != nil || n != r.next || rest != data(n) {
				want := data(r.next)
				r.Fatalf("got %.80q of %d bytes, want event %d, %.80q of %d bytes", line, len(rest), r.next, want, len(want))
			}
			r.next++
		case err := <-r.ended:
			r.Fatalf("the stream ends before event %d: %v", r.next, err)
		case <-limit:
			r.Fatalf("event %d of %d does not come", r.next, seq)
		}
	}
}

// inStep returns how many live members of the only group are in step, and how many there are.
func inStep(f *Fanout) (in, live int) {
	for _, s := range f.shards {
		s.await(func() {
			for _, g := range s.groups {
				live += len(g.live)
				for _, m := range g.live {
					if m.inStep {
						in++
					}
				}
			}
		})
	}
	return in, live
}

func awaitLive(t *testing.T, f *Fanout, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		if _, live := inStep(f); live == n {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%d members are live, not %d", live, n)
		}
	}
}

// oneShard makes all subscribers members of one group.
func oneShard(t *testing.T) {
	was := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(was) })
}

// members returns a fan-out with one group, and its n members, which are live.
func members(t *testing.T, n int) (*Fanout, *eventlog.Memory, []*reader) {
	t.Helper()
	oneShard(t)
	f, log := start(t)
	var readers []*reader
	for range n {
		readers = append(readers, reads(t, f, log.Head()))
	}
	awaitLive(t, f, n)
	return f, log, readers
}

// random makes the data of events.
type random struct{ seed uint64 }

// data returns the data of an event: usually some JSON, sometimes much, sometimes what cannot be compressed.
func (r random) data(seq uint64) string {
	x := rand.New(rand.NewPCG(r.seed, seq))
	var b strings.Builder
	n := 1 + x.IntN(300)
	switch x.IntN(30) {
	case 0:
		n = 100_000
	case 1:
		for range n * (1 + x.IntN(100)) {
			b.WriteByte(byte('0' + x.IntN(64)))
		}
		return b.String()
	case 2:
		return ""
	}
	for b.Len() < n {
		fmt.Fprintf(&b, `{"symbol":"%c","price":%d}`, 'A'+x.IntN(5), x.IntN(10_000))
	}
	return b.String()[:n]
}

func (r random) publish(t *testing.T, log *eventlog.Memory, n int) {
	t.Helper()
	records := make([]eventlog.Record, n)
	for i := range records {
		records[i] = eventlog.Record{Topics: []string{"news"}, Data: r.data(log.Head().Seq + uint64(i) + 1)}
	}
	publish(t, log, records...)
}

// trials returns how many times a test repeats itself with other random numbers.
func trials(t *testing.T) uint64 {
	text := os.Getenv("TIDINGS_JOINERS")
	if text == "" {
		return 4
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestJoinerAtEveryMomentGetsEveryEvent: subscribers join a compressed group between any two events, from the newest or from an older event. Others
// leave, get messages of their own, or stop reading and come back. Each gets every event once, in order. With seeds that are even, the next events
// are published only when all have read those before: each event can be read as soon as it is sent.
func TestJoinerAtEveryMomentGetsEveryEvent(t *testing.T) {
	oneShard(t)
	for seed := range trials(t) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			x, made := rand.New(rand.NewPCG(seed, 2)), random{seed}
			f, log := start(t, func(o *Options) {
				if o.Window, o.WriteTimeout = 1<<20, time.Hour; seed%2 == 1 {
					o.Heartbeat, o.ShortestHeartbeat = 50*time.Millisecond, 50*time.Millisecond
				}
			})
			var readers []*reader
			most := 0 // members in step at once
			join := func() {
				from := log.Head()
				if x.IntN(3) == 0 {
					from.Seq = x.Uint64N(from.Seq + 1)
				}
				readers = append(readers, reads(t, f, from))
			}
			for range 10 {
				join()
			}
			for range 50 {
				if x.IntN(3) == 0 && len(readers) < 24 {
					join()
				}
				one := readers[x.IntN(len(readers))]
				switch x.IntN(12) {
				case 0:
					_ = one.conn.Close()
					readers = slices.DeleteFunc(readers, func(r *reader) bool { return r == one })
				case 1:
					f.shards[0].await(func() { // a message for one member alone
						for _, g := range f.shards[0].groups {
							if len(g.live) > 0 {
								d := g.live[x.IntN(len(g.live))].sub
								d.send(g.control(Control{Kind: ControlExpiring}))
							}
						}
					})
				case 2:
					one.pause()
					made.publish(t, log, 1+x.IntN(20))
					one.readAgain()
				}
				made.publish(t, log, 1+x.IntN(1+x.IntN(12)))
				in, _ := inStep(f)
				most = max(most, in)
				for _, r := range readers {
					if seed%2 == 0 || x.IntN(20) == 0 {
						r.upTo(log.Head().Seq, made.data)
					}
				}
			}
			for _, r := range readers {
				r.upTo(log.Head().Seq, made.data)
			}
			if most < fewestSharing {
				t.Errorf("%d members were in step at once: nothing was compressed", most)
			}
		})
	}
}

// TestPartialWriteInAKeyFrameIsContinued: the socket of a member takes a part of a key frame. The member gets the rest and the events after it
// when it reads again, and is in step again after the next key frame.
func TestPartialWriteInAKeyFrameIsContinued(t *testing.T) {
	oneShard(t)
	f, log := start(t, func(o *Options) { o.WriteTimeout = time.Hour })
	made, digits := random{1}, rand.New(rand.NewPCG(1, 1))
	first := make([]eventlog.Record, 40) // one pass, of more than a small socket takes, in several parts
	for i := range first {
		var b strings.Builder
		for b.Len() < 3000 {
			fmt.Fprintf(&b, "%016x", digits.Uint64())
		}
		first[i] = eventlog.Record{Topics: []string{"news"}, Data: b.String()}
	}
	data := func(seq uint64) string {
		if seq <= uint64(len(first)) {
			return first[seq-1].Data
		}
		return made.data(seq)
	}
	var readers []*reader
	for range fewestSharing {
		readers = append(readers, reads(t, f, log.Head()))
	}
	slow := reads(t, f, log.Head(), func(server, client *net.TCPConn, _ *Subscription) {
		_, _ = server.SetWriteBuffer(8<<10), client.SetReadBuffer(8<<10)
	})
	awaitLive(t, f, fewestSharing+1)
	slow.pause()
	publish(t, log, first...)
	for _, r := range readers {
		r.upTo(log.Head().Seq, data)
	}
	if in, live := inStep(f); in != fewestSharing || live != fewestSharing {
		t.Fatalf("%d of %d live members are in step", in, live)
	}
	f.shards[0].await(func() {
		f.shards[0].each(func(sub *subscriber) {
			d := sub.via.(*direct)
			if d.stage == live {
				return
			}
			if d.cursor != nil { // a replayer may have it
				d.cursor.writing.Lock()
				defer d.cursor.writing.Unlock()
			}
			if !d.rest.partial || d.rest.more == 0 {
				t.Errorf("the slow member has not got a part of a key frame: %+v", d.rest)
			}
		})
	})
	for range 30 {
		made.publish(t, log, 1)
	}
	for _, r := range readers {
		r.upTo(log.Head().Seq, data)
	}
	slow.readAgain()
	slow.upTo(log.Head().Seq, data)
	awaitLive(t, f, fewestSharing+1)
	for range longestStep + 1 {
		made.publish(t, log, 1)
		for _, r := range append(readers, slow) {
			r.upTo(log.Head().Seq, data)
		}
	}
	if in, live := inStep(f); in != live {
		t.Errorf("%d of %d members are in step", in, live)
	}
}

// TestDrainOfACompressedStreamSaysWhereToContinue: the last message can be read.
func TestDrainOfACompressedStreamSaysWhereToContinue(t *testing.T) {
	f, log, readers := members(t, fewestSharing+2)
	made := random{1}
	made.publish(t, log, 30)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { _ = f.Shutdown(ctx) }()
	for _, r := range readers {
		r.upTo(log.Head().Seq, made.data)
		if line := <-r.lines; line != fmt.Sprint("leaving ", log.Head().Seq) {
			t.Errorf("the last message is %q", line)
		}
	}
}

// TestSmallGroupsAreStored: their streams are gzip that nobody had to compress.
func TestSmallGroupsAreStored(t *testing.T) {
	f, log, readers := members(t, fewestSharing)
	made := random{1}
	coded := func() (yes bool) {
		f.shards[0].await(func() {
			for _, g := range f.shards[0].groups {
				yes = yes || g.coder != nil
			}
		})
		return yes
	}
	for _, left := range []int{fewestSharing, fewestSharing - 1} {
		for _, r := range readers[left:] {
			_ = r.conn.Close()
		}
		awaitLive(t, f, left)
		made.publish(t, log, 3)
		for _, r := range readers[:left] {
			r.upTo(log.Head().Seq, made.data)
		}
		if got := coded(); got != (left == fewestSharing) {
			t.Errorf("%d members: compressed: %v", left, got)
		}
		if in, _ := inStep(f); in > 0 != (left == fewestSharing) {
			t.Errorf("%d members: %d in step", left, in)
		}
	}
}
