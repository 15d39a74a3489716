package load

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestFramesMayArriveInAnyPieces: a stream gets the same bytes, however the network cuts the frames, and padding is no data.
func TestFramesMayArriveInAnyPieces(t *testing.T) {
	var sent bytes.Buffer
	frames := http2.NewFramer(&sent, nil)
	magic := magic(7)
	for seq := range uint32(3) {
		text := append(appendMark([]byte("data: "), magic, mark{seq: seq}, 40), "\n\n"...)
		if seq == 1 {
			_ = frames.WriteDataPadded(1, false, text, make([]byte, 9)) // writing to a buffer does not fail
			continue
		}
		_ = frames.WriteData(1, false, text[:5]) // as above
		_ = frames.WriteData(1, false, nil)
		_ = frames.WriteData(1, seq == 2, text[5:])
	}
	for size := 1; size <= sent.Len(); size++ {
		r, err := newRun(&Options{Subscribers: 1, Publishers: 1, Streams: 1, Subscribe: "http://hub/{topic}"})
		if err != nil {
			t.Fatal(err)
		}
		r.ctx = t.Context()
		sub := r.subscribers[0]
		sub.magic, sub.shard, sub.state = magic, r.shards[0], open
		s := newHTTP2Connector(r)
		sub.via = s
		c := s.newConn(sub)
		st := &http2Stream{conn: c, sub: sub, id: 1, answer: http2Answer{begun: true}}
		c.streams, c.count = []*http2Stream{st}, 1
		c.in.conn = &inPieces{rest: sent.Bytes(), size: size}
		for err = nil; err == nil; {
			err = c.read()
		}
		if got := sub.shard.counts[live]; !errors.Is(err, io.EOF) || got.events != 3 || got.again+got.late+got.other > 0 || sub.state != disconnected {
			t.Fatalf("pieces of %d bytes: %+v, %v", size, got, err)
		}
	}
}

// inPieces is a connection from which reads get a fixed number of bytes.
type inPieces struct {
	net.Conn
	rest []byte
	size int
}

func (p *inPieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// TestReadingDataDoesNotAllocate: a run with a million streams must not be limited by the garbage of its own frames.
func TestReadingDataDoesNotAllocate(t *testing.T) {
	var sent bytes.Buffer
	frames := http2.NewFramer(&sent, nil)
	for range 100 {
		_ = frames.WriteData(1, false, []byte("id: 1\ndata: x\n\n")) // writing to a buffer does not fail
	}
	r, err := newRun(&Options{Subscribers: 1, Publishers: 1, Streams: 1, Subscribe: "http://hub/{topic}"})
	if err != nil {
		t.Fatal(err)
	}
	sub := r.subscribers[0]
	sub.shard = r.shards[0]
	c := newHTTP2Connector(r).newConn(sub)
	c.streams = []*http2Stream{{conn: c, sub: sub, id: 1, answer: http2Answer{begun: true}}}
	if n := testing.AllocsPerRun(100, func() {
		c.in.b = append(c.in.buf[:0], sent.Bytes()...)
		c.takeData(time.Second)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
