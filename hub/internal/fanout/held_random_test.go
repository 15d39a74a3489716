package fanout

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// slowLog is a log that keeps few events, and whose reads may take longer than the interval of heartbeats.
type slowLog struct {
	eventlog.Log
	mu     sync.Mutex // guards random
	random *rand.Rand
}

func (l *slowLog) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	l.mu.Lock()
	wait := time.Duration(l.random.IntN(4)/2) * time.Duration(l.random.IntN(90)) * time.Second
	l.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return eventlog.Answer{}, ctx.Err()
	}
	return l.Log.Read(ctx, q)
}

// TestSlowSubscriberMissesNothingUnreported: whatever it accepts at a time, however long reads of the log take, and whenever heartbeats are due. It gets
// the events in order and once, and a gap for those that are missing. With FailOnGap it gets nothing after the gap.
func TestSlowSubscriberMissesNothingUnreported(t *testing.T) {
	gaps := 0
	for range 20 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			log := &slowLog{Log: fewEvents(t), random: rand.New(rand.NewPCG(seed, 1))}
			f := startOn(t, log, oneWindow, func(o *Options) {
				if o.SkipSlow = random.IntN(3) == 0; o.SkipSlow {
					o.MaxLagTime = time.Minute
				}
			})
			l, closed := newFakeLane(new(fakeConnection), 1000), make(chan End, 1)
			s := subscription()
			s.Client, s.Encoding = anyone{closed}, gapEncoding{silent: random.IntN(2) == 0}
			s.FailOnGap, s.Gzip = random.IntN(4) == 0, random.IntN(3) == 0
			if random.IntN(2) == 0 {
				s.Heartbeat = 10 * time.Second
			}
			stream(t, f, s).AttachLane(l)
			synctest.Wait()
			l.limit(0)
			const events = 60
			for i := 0; i < events; {
				for range random.IntN(8) * random.IntN(2) {
					publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: strings.Repeat("x", random.IntN(30))})
					i++
				}
				l.grant(random.IntN(40) * random.IntN(2))
				time.Sleep(time.Duration(random.IntN(40)) * time.Second)
			}
			l.grant(1 << 20)
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			text := l.text()
			if s.Gzip {
				text = unzipped(t, text)
			}
			ended, _ := l.ended()
			n, err := missesNothing(text, log.Head().Seq, s.FailOnGap)
			if gaps += n; err == nil && ended != (s.FailOnGap && n > 0) {
				err = errors.New("it ended, or did not end, against its FailOnGap")
			}
			if err != nil {
				t.Errorf("seed %d, gzip %v, fail on gap %v: %v\n%s", seed, s.Gzip, s.FailOnGap, err, text)
			}
		})
	}
	if gaps == 0 {
		t.Error("no stream had a gap")
	}
}

// missesNothing checks what a client has got of a topic that has all events up to a sequence number. It returns the number of gaps.
func missesNothing(text string, head uint64, failOnGap bool) (gaps int, err error) {
	var at, told uint64 // the client has, or was told that it misses, everything up to here
	for line := range strings.Lines(text) {
		var seq uint64
		switch {
		case gaps > 0 && failOnGap:
			return gaps, fmt.Errorf("%q comes after the gap", line)
		case scan(line, "gap to %d\n", &seq):
			gaps++
			told = max(told, seq)
		case scan(line, "checkpoint %d\n", &seq):
			if seq < at || seq > max(at, told) {
				return gaps, fmt.Errorf("%q comes after %d, and gaps up to %d", line, at, told)
			}
			at = seq
		case scan(line, "%d ", &seq):
			if seq <= at || seq > max(at, told)+1 {
				return gaps, fmt.Errorf("%q comes after %d, and gaps up to %d", line, at, told)
			}
			at = seq
		case !strings.HasPrefix(line, "opened") && line != "heartbeat 0\n":
			return gaps, fmt.Errorf("%q is torn", line)
		}
	}
	if max(at, told) != head && (gaps == 0 || !failOnGap) {
		err = fmt.Errorf("it has everything up to %d, of %d", max(at, told), head)
	}
	return gaps, err
}

func scan(line, format string, seq *uint64) bool {
	n, err := fmt.Sscanf(line, format, seq)
	return n == 1 && err == nil
}

// unzipped returns the text of a stream that may not have ended.
func unzipped(t *testing.T, packed string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := io.Copy(&text, r); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return text.String()
}
