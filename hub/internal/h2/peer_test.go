package h2_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tidings-sse/tidings/hub/internal/h2"
	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// patience is how long a test waits before it fails. It measures nothing.
const patience = time.Minute

// ways are the ways in which bytes reach the socket: without TLS, through TLS with sends that do not block, and through TLS whose writes block.
var ways = []string{"plain", "tls", "blocking"}

// serve starts a server with HTTP/2 of this package.
func serve(t *testing.T, way string, handler http.Handler, change func(*http.Server)) *httptest.Server {
	t.Helper()
	return serveWith(t, way, handler, func(hs *http.Server) {
		if change != nil {
			change(hs)
		}
		h2.Configure(hs, h2.Options{WriteTimeout: patience})
	})
}

func serveWith(t *testing.T, way string, handler http.Handler, change func(*http.Server)) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.Protocols = new(http.Protocols)
	change(s.Config)
	s.TLS = s.Config.TLSConfig
	switch way {
	case "plain":
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		s.Client().Transport.(*http.Transport).Protocols = s.Config.Protocols
	case "tls":
		s.Listener = socket.Listen(s.Listener)
		fallthrough
	default:
		s.EnableHTTP2 = true
		s.Config.Protocols.SetHTTP2(true)
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s
}

// each runs a test in each way.
func each(t *testing.T, f func(t *testing.T, way string)) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			f(t, way)
		})
	}
}

// peer is a client that sends single frames.
type peer struct {
	*testing.T
	conn  net.Conn
	in    *http2.Framer
	block bytes.Buffer
	enc   *hpack.Encoder
	dec   *hpack.Decoder
}

// connect opens a connection, and exchanges the settings.
func connect(t *testing.T, s *httptest.Server, settings ...http2.Setting) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p := &peer{T: t, conn: conn}
	if s.TLS != nil {
		p.conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	}
	p.check(p.conn.SetDeadline(time.Now().Add(patience)))
	p.in = http2.NewFramer(p.conn, p.conn)
	p.in.AllowIllegalWrites = true
	p.in.SetMaxReadFrameSize(1 << 20)
	p.enc, p.dec = hpack.NewEncoder(&p.block), hpack.NewDecoder(4096, nil)
	_, err = io.WriteString(p.conn, http2.ClientPreface)
	p.check(err)
	p.check(p.in.WriteSettings(settings...))
	return p
}

func (p *peer) check(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// get opens a stream with a GET.
func (p *peer) get(id uint32, path string, more ...string) {
	p.Helper()
	p.open(id, true, "GET", path, more...)
}

// open opens a stream. more are pairs of names and values.
func (p *peer) open(id uint32, end bool, method, path string, more ...string) {
	p.Helper()
	p.check(p.in.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: p.fields(append([]string{":method", method, ":scheme", "http", ":authority", "localhost", ":path", path}, more...)...),
		EndHeaders: true, EndStream: end,
	}))
}

func (p *peer) fields(pairs ...string) []byte {
	p.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		p.check(p.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
	}
	return p.block.Bytes()
}

// next returns the next frame that is neither settings nor a window update. It answers pings and settings.
func (p *peer) next() http2.Frame {
	p.Helper()
	for {
		f, err := p.in.ReadFrame()
		p.check(err)
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				p.check(p.in.WriteSettingsAck())
			}
		case *http2.WindowUpdateFrame:
		default:
			return f
		}
	}
}

// head reads the header of an answer.
func (p *peer) head(id uint32) map[string]string {
	p.Helper()
	f, ok := p.next().(*http2.HeadersFrame)
	if !ok || f.StreamID != id {
		p.Fatalf("%v, want the header of stream %d", f, id)
	}
	fields, err := p.dec.DecodeFull(f.HeaderBlockFragment())
	p.check(err)
	all := make(map[string]string)
	for _, f := range fields {
		all[f.Name] = f.Value
	}
	return all
}

// data reads data of a stream until it has n bytes.
func (p *peer) data(id uint32, n int) string {
	p.Helper()
	var b []byte
	for len(b) < n {
		f, ok := p.next().(*http2.DataFrame)
		if !ok || f.StreamID != id {
			p.Fatalf("after %q: %v, want data of stream %d", b, f, id)
		}
		b = append(b, f.Data()...)
	}
	return string(b)
}

// goAway reads until the server ends the connection, and returns the code of its GOAWAY frame. Data and resets before it are skipped.
func (p *peer) goAway() http2.ErrCode {
	p.Helper()
	for {
		f, err := p.in.ReadFrame()
		if err != nil {
			p.Fatalf("the connection ends without GOAWAY: %v", err)
		}
		if f, ok := f.(*http2.GoAwayFrame); ok {
			return f.ErrCode
		}
	}
}

// announcement reads until the server announces that the connection will end, and returns the ping that the client has to answer.
func (p *peer) announcement() *http2.PingFrame {
	p.Helper()
	if code := p.goAway(); code != http2.ErrCodeNo {
		p.Fatal(code)
	}
	f, err := p.in.ReadFrame()
	ping, ok := f.(*http2.PingFrame)
	if !ok {
		p.Fatalf("after the announcement: %v, %v, want a ping", f, err)
	}
	return ping
}

// closed reads until the server closes the connection.
func (p *peer) closed() {
	p.Helper()
	for {
		if _, err := p.in.ReadFrame(); err != nil {
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				p.Fatal("the server does not close the connection")
			}
			return
		}
	}
}

// resetOf reads the reset of a stream, and returns its code.
func (p *peer) resetOf(id uint32) http2.ErrCode {
	p.Helper()
	f, ok := p.next().(*http2.RSTStreamFrame)
	if !ok || f.StreamID != id {
		p.Fatalf("%v, want a reset of stream %d", f, id)
	}
	return f.ErrCode
}
