package fanout

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/blocks"
	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// narrow is a TLS connection whose socket takes half a record while its client does not read. Nothing of the client blocks.
type narrow struct {
	*testing.T
	conn   *tls.Conn // of the hub
	client *tls.Conn
	gzip   bool
	got    strings.Builder
}

func newNarrow(t *testing.T, gzip bool) *narrow {
	t.Helper()
	conn, client := tlsPair(t, "unix", filepath.Join(t.TempDir(), "s"))
	if err := conn.NetConn().(*socket.Conn).Conn.(*net.UnixConn).SetWriteBuffer(maxRecord / 4); err != nil {
		t.Fatal(err)
	}
	sock, err := client.NetConn().(*socket.Conn).Detach(time.Hour, math.MaxInt32)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sock.Close() })
	return &narrow{T: t, conn: conn, client: client, gzip: gzip}
}

// read reads a number of times what has arrived. It reports whether there may be more.
func (c *narrow) read(times int) bool {
	b := make([]byte, maxRecord)
	for range times {
		n, err := c.client.Read(b)
		c.got.Write(b[:n])
		if err != nil {
			return errors.Is(err, socket.ErrNothing)
		}
	}
	return true
}

func (c *narrow) text() string {
	if c.gzip {
		return unzipped(c.T, c.got.String())
	}
	return c.got.String()
}

// behind is a subscriber over TLS that is never live. The test is its replayer and its shard, so that nothing happens at another time.
type behind struct {
	*sealed
	client *narrow
	buf    []byte
}

func newBehind(t *testing.T, f *Fanout, s *Subscription) *behind {
	t.Helper()
	client := newNarrow(t, s.Gzip)
	st := stream(t, f, s)
	st.used = true
	d, ok, err := takeDirect(client.conn, time.Hour, 0)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	d.cursor = st.cursor
	d.subscriber = st.subscriberOf(f.leastShard(), d.via)
	d.stage = catching
	d.cursor.fellBehind(0)
	t.Cleanup(func() {
		d.closeConnection(false)
		f.leave(&d.subscriber, Gone)
	})
	if s.Gzip {
		client.got.WriteString(blocks.Header)
	}
	return &behind{sealed: d.via.(*sealed), client: client}
}

// turn makes the turns of a replayer until the subscriber is at the head, is blocked or ends.
func (b *behind) turn(t *testing.T) progress {
	t.Helper()
	awaitWindow(b.shard.f, b.shard.f.log)
	for {
		if b.rest.text == "" {
			b.cursor.reached = b.cursor.query.After
		}
		if now := b.catchUp(t.Context(), &b.buf); now != midway && (now != caughtUp || b.rest.text == "") {
			return now
		}
	}
}

// finish lets the client read while the subscriber has its turns, until nothing is left to send.
func (b *behind) finish(t *testing.T) (now progress) {
	t.Helper()
	for now = blocked; now == blocked; {
		b.client.read(100)
		now = b.turn(t)
	}
	b.client.read(100)
	return now
}

// letters returns a text that hardly becomes shorter when it is compressed.
func letters(n int) string {
	random := rand.New(rand.NewPCG(1, 1))
	text := make([]byte, n)
	for i := range text {
		text[i] = byte('A' + random.IntN(26))
	}
	return string(text)
}

// filling returns the data of an event with sequence number 1 whose chunk ends just before the last byte of a record.
func filling(t *testing.T, e Encoding) string {
	t.Helper()
	text := letters(2 * maxRecord)
	size := func(n int) int {
		return len(e.Event(nil, eventlog.Position{Seq: 1}, &eventlog.Record{Topics: []string{"news"}, Data: text[:n]}))
	}
	from := sort.Search(len(text), func(n int) bool { return n >= maxRecord && size(n) >= maxRecord-100 })
	for n := max(maxRecord-100, from-200); n < len(text); n++ {
		if size(n) == maxRecord-1 {
			return text[:n]
		}
	}
	t.Fatal("no event has the size")
	return ""
}

// smallWindow makes the window keep the events of a record.
func smallWindow(o *Options) { o.Window, o.WriteTimeout = 64<<10, time.Hour }

// TestEventThatHasBegunOverTLSIsFinished: the socket takes a part of a record whose last byte is the first one of an event. That byte cannot be taken
// back, so the rest of the event follows it, whatever has happened meanwhile to the log and to the stream.
func TestEventThatHasBegunOverTLSIsFinished(t *testing.T) {
	news := func(data string) eventlog.Record { return eventlog.Record{Topics: []string{"news"}, Data: data} }
	long := strings.Repeat("x", 100<<10)                            // more than the client may be behind
	other := eventlog.Record{Topics: []string{"other"}, Data: long} // more than the window has
	lag := func(o *Options) { o.Window, o.MaxLag = 1<<20, 64<<10 }
	skip := func(o *Options) { o.SkipSlow = true }
	for name, test := range map[string]struct {
		keep      eventlog.Rule
		changes   []func(*Options)
		failOnGap bool
		publish   []eventlog.Record // while the client does not read
		meanwhile func(b *behind)   // called when the client has read, before the subscriber knows it
		want      string            // after the event that fills the record
		ends      progress
	}{
		"retention trims it": {
			keep: eventlog.Rule{Count: 3}, publish: []eventlog.Record{news("3"), news("4"), news("5"), news("6"), other},
			want: "2 begun\ngap to 3\n4 4\n5 5\n6 6\ncheckpoint 7\n", ends: caughtUp,
		},
		"retention trims it, and the gap ends the stream": {
			keep: eventlog.Rule{Count: 3}, publish: []eventlog.Record{news("3"), news("4"), news("5"), news("6"), other}, failOnGap: true,
			want: "2 begun\ngap to 3\n", ends: finished,
		},
		"a newer event supersedes it": {
			keep: eventlog.Rule{Latest: 1}, publish: []eventlog.Record{news("newest"), other},
			want: "2 begun\n3 newest\ncheckpoint 4\n", ends: caughtUp,
		},
		"the client skips events": {
			changes: []func(*Options){lag, skip}, publish: []eventlog.Record{news(long)},
			want: "2 begun\ngap to 3\ncheckpoint 3\n", ends: caughtUp,
		},
		"the client is too far behind": {
			changes: []func(*Options){lag}, publish: []eventlog.Record{news(long)},
			want: "2 begun\nleaving 2\n", ends: tooSlow,
		},
		"a heartbeat is due": {
			meanwhile: func(b *behind) { b.shard.await(b.heartbeatBehind) }, want: "2 begun\n", ends: caughtUp,
		},
		"the stream ends": {
			meanwhile: func(b *behind) { b.shard.await(b.sendLeaving) }, want: "2 begun\n", ends: caughtUp,
		},
	} {
		for _, gzip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, gzip %v", name, gzip), func(t *testing.T) {
				keep := test.keep
				keep.Pattern = eventlog.MustPattern("**")
				log, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: &eventlog.Retention{Rules: []eventlog.Rule{keep}}})
				if err != nil {
					t.Fatal(err)
				}
				f := startOn(t, log, append([]func(*Options){smallWindow}, test.changes...)...)
				s := subscription()
				s.Encoding, s.Gzip, s.FailOnGap = gapEncoding{}, gzip, test.failOnGap
				b := newBehind(t, f, s)
				first := filling(t, b.group.encoding)
				publish(t, log, news(first))
				awaitWindow(f, log) // before the next event may supersede this one
				publish(t, log, news("begun"))
				if now := b.turn(t); now != blocked || b.bytes.Load() != maxRecord-1 || !b.owed {
					t.Fatalf("%d after %d bytes, of which one is owed: %v", now, b.bytes.Load(), b.owed)
				}
				publish(t, log, test.publish...)
				if test.meanwhile != nil {
					for left := 1; left > 0; {
						b.client.read(100)
						if _, left, err = b.sock.Send(); err != nil {
							t.Fatal(err)
						}
					}
					test.meanwhile(b)
				}
				now := b.finish(t)
				got := strings.TrimPrefix(b.client.text(), "1 "+first+"\n")
				if got != test.want || now != test.ends {
					t.Errorf("after the event that fills the record come %.200q, and then %d; want %q and %d", got, now, test.want, test.ends)
				}
			})
		}
	}
}

// TestLiveEventThatHasBegunOverTLSIsFinished: as TestEventThatHasBegunOverTLSIsFinished, for a subscriber that was live.
func TestLiveEventThatHasBegunOverTLSIsFinished(t *testing.T) {
	news := func(data string) eventlog.Record { return eventlog.Record{Topics: []string{"news"}, Data: data} }
	for _, gzip := range []bool{false, true} {
		t.Run(fmt.Sprint("gzip ", gzip), func(t *testing.T) {
			log := fewEvents(t)
			f := startOn(t, log, smallWindow)
			s := subscription()
			s.Encoding, s.Gzip = gapEncoding{}, gzip
			st, client := stream(t, f, s), newNarrow(t, gzip)
			first := filling(t, st.cursor.group.encoding)
			st.Attach(client.conn, nil, 0)
			awaitLive(t, f, 1)
			publish(t, log, news(first), news("begun"))
			awaitLive(t, f, 0)
			publish(t, log, news("3"), news("4"), news("5"), news("6"), eventlog.Record{Topics: []string{"other"}, Data: strings.Repeat("x", 100<<10)})
			awaitWindow(f, log)
			want := "opened 0\n1 " + first + "\n2 begun\ngap to 3\n4 4\n5 5\n6 6\ncheckpoint 7\n"
			for client.read(1) && !strings.HasSuffix(client.text(), "checkpoint 7\n") {
				runtime.Gosched()
			}
			if got := client.text(); got != want {
				t.Errorf("the client gets ...%q, want ...%q", got[max(0, len(got)-100):], want[len(want)-100:])
			}
		})
	}
}

// isWhole matches the text of an event.
var isWhole = regexp.MustCompile(`^\d+ [A-Z]*\n`)

// TestSlowSubscriberOverTLSMissesNothingUnreported: as TestSlowSubscriberMissesNothingUnreported, with records that end anywhere in an event.
func TestSlowSubscriberOverTLSMissesNothingUnreported(t *testing.T) {
	gaps, begun := 0, 0
	for range 40 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			letters := letters(2 * maxRecord)
			log := fewEvents(t)
			f := startOn(t, log, func(o *Options) {
				o.Window, o.WriteTimeout = []int64{1, 64 << 10, 1 << 20}[random.IntN(3)], time.Hour
				if o.SkipSlow = random.IntN(3) == 0; o.SkipSlow {
					o.Window, o.MaxLag = 1<<20, 32<<10
				}
			})
			s := subscription()
			s.Encoding = gapEncoding{silent: random.IntN(2) == 0}
			s.FailOnGap, s.Gzip = random.IntN(6) == 0, random.IntN(4) == 0
			if random.IntN(2) == 0 {
				s.Heartbeat = 10 * time.Second
			}
			b := newBehind(t, f, s)
			now := caughtUp
			for range 40 {
				if now == caughtUp {
					b.cursor.fellBehind(0)
				}
				for range random.IntN(6) * random.IntN(2) {
					size := random.IntN(30)
					switch random.IntN(4) {
					case 0:
						size = random.IntN(2 * maxRecord)
					case 1: // the next write may have an event that begins with the last byte of a record
						size = max(maxRecord-len(b.rest.text)-len(fmt.Sprint(log.Head().Seq+1, " \n"))-random.IntN(3), 0)
					}
					publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: letters[:size]})
				}
				if random.IntN(2) == 0 {
					b.client.read(random.IntN(4))
				}
				if random.IntN(2) == 0 {
					b.shard.await(b.heartbeatBehind)
				}
				if now = b.turn(t); now == finished {
					break
				}
				if b.owed && isWhole.MatchString(b.rest.text) {
					begun++
				}
			}
			if now != finished {
				now = b.finish(t)
			}
			b.client.read(100)
			n, err := missesNothing(b.client.text(), log.Head().Seq, s.FailOnGap)
			if gaps += n; err == nil && (now == finished) != (s.FailOnGap && n > 0) {
				err = fmt.Errorf("it ended, or did not end, against its FailOnGap: %d", now)
			}
			if err != nil {
				t.Errorf("gzip %v, fail on gap %v: %v", s.Gzip, s.FailOnGap, err)
			}
		})
	}
	if gaps == 0 || begun == 0 {
		t.Errorf("there were %d gaps, and %d events of which only the first byte was sealed", gaps, begun)
	}
}
