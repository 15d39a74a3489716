package hubs

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// BenchmarkPostHTTP2 measures the same rate as BenchmarkPost over one connection of HTTP/2 without TLS, which has 64 requests under way at any time.
func BenchmarkPostHTTP2(b *testing.B) {
	for _, name := range []string{"net/http", "tidings-memory", "tidings"} {
		b.Run("publishers=64/by="+name, func(b *testing.B) {
			p := dialHTTP2(b, start(b, name, "--h2c"))
			b.ResetTimer()
			if err := p.post(b.N, 64); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// publisher2 is a connection of HTTP/2 with minimal cost: it sends the same request again and again, and writes when it has read all answers that
// have arrived.
type publisher2 struct {
	in     *bufio.Reader
	out    *bufio.Writer
	frames *http2.Framer
	answer *hpack.Decoder
	header []byte
	body   []byte
	next   uint32 // the stream of the next request
}

func dialHTTP2(b *testing.B, addr string) *publisher2 {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	p := &publisher2{
		in: bufio.NewReaderSize(conn, 64<<10), out: bufio.NewWriterSize(conn, 64<<10), answer: hpack.NewDecoder(4096, nil),
		body: []byte(strings.Repeat("x", size)), next: 1,
	}
	p.frames = http2.NewFramer(p.out, p.in)
	var block bytes.Buffer
	header := hpack.NewEncoder(&block)
	header.SetMaxDynamicTableSize(0) // each request has the same bytes
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: "/events/news"},
		{Name: ":authority", Value: "localhost"},
		{Name: "content-length", Value: fmt.Sprint(size)},
	} {
		if err := header.WriteField(f); err != nil {
			b.Fatal(err)
		}
	}
	p.header = block.Bytes()
	if _, err := p.out.WriteString(http2.ClientPreface); err != nil {
		b.Fatal(err)
	}
	if err := p.frames.WriteSettings(); err != nil {
		b.Fatal(err)
	}
	if err := p.frames.WriteWindowUpdate(0, 1<<30); err != nil {
		b.Fatal(err)
	}
	return p
}

// post sends n requests, of which at most so many are under way, and reads their answers.
func (p *publisher2) post(n, most int) error {
	for sent, done := 0, 0; done < n; {
		for ; sent < n && sent-done < most; sent++ {
			if err := p.send(); err != nil {
				return err
			}
		}
		if err := p.out.Flush(); err != nil {
			return err
		}
		for read := false; !read || p.in.Buffered() > 0; read = true {
			ended, err := p.read()
			if err != nil {
				return err
			}
			if ended {
				done++
			}
		}
	}
	return nil
}

func (p *publisher2) send() error {
	stream := p.next
	p.next += 2
	if err := p.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.header, EndHeaders: true}); err != nil {
		return err
	}
	return p.frames.WriteData(stream, true, p.body)
}

// read reads a frame, and reports whether it ends an answer.
func (p *publisher2) read() (ended bool, err error) {
	frame, err := p.frames.ReadFrame()
	if err != nil {
		return false, err
	}
	switch f := frame.(type) {
	case *http2.HeadersFrame:
		fields, err := p.answer.DecodeFull(f.HeaderBlockFragment())
		if err != nil {
			return false, err
		}
		if fields[0] != (hpack.HeaderField{Name: ":status", Value: "200"}) {
			return false, fmt.Errorf("the answer begins with %v", fields[0])
		}
		return f.StreamEnded(), nil
	case *http2.DataFrame:
		return f.StreamEnded(), nil
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return false, p.frames.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return false, p.frames.WritePing(true, f.Data)
		}
	case *http2.RSTStreamFrame, *http2.GoAwayFrame:
		return false, fmt.Errorf("the server sends %v", f)
	}
	return false, nil
}
