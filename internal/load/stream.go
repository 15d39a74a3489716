package load

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// streams is the carrier for everything: net/http, and a goroutine for each connection.
type streams struct {
	run     *run
	running sync.WaitGroup

	mu      sync.Mutex
	clients map[int]*http.Client
}

func newStreams(r *run) *streams { return &streams{run: r, clients: make(map[int]*http.Client)} }

func (s *streams) open(f *follower, req *http.Request) {
	ctx, cancel := context.WithCancel(s.run.ctx)
	f.wire = cancel
	conn := f.conn
	s.running.Go(func() {
		defer cancel()
		s.follow(f, conn, req.WithContext(ctx))
	})
}

func (s *streams) drop(f *follower) { f.wire.(context.CancelFunc)() }

func (s *streams) stop() {
	s.running.Wait() // the run's context is over
	for _, c := range s.clients {
		c.CloseIdleConnections()
	}
}

// follow follows one connection to its end.
func (s *streams) follow(f *follower, conn int, req *http.Request) {
	body, err := s.begin(f, req)
	if body != nil {
		defer func() { _ = body.Close() }() // it was only read
	}
	ours := f.on(conn, func() {
		if err == nil {
			s.run.opened(f)
		}
	})
	buf := make([]byte, 16<<10)
	for ours && err == nil {
		var n int
		n, err = s.read(f, req.Context(), body, buf)
		ours = f.on(conn, func() { f.receive(buf[:n], s.run.now()) })
	}
	f.on(conn, func() { s.run.closed(f, err) })
}

func (s *streams) begin(f *follower, req *http.Request) (io.ReadCloser, error) {
	resp, err := s.client(f).Do(req)
	if err != nil {
		return nil, err
	}
	return resp.Body, checkStream(resp)
}

// read reads what has come, or as much as a slow one may.
func (s *streams) read(f *follower, ctx context.Context, body io.Reader, buf []byte) (int, error) {
	if f.kind != slow {
		return body.Read(buf)
	}
	const sip = 100 * time.Millisecond
	if s.run.SlowBytes == 0 {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if err := sleep(ctx, sip); err != nil {
		return 0, err
	}
	return body.Read(buf[:min(len(buf), max(1, s.run.SlowBytes/int(time.Second/sip)))])
}

// on calls do if conn is still f's connection, with the ledger locked.
func (f *follower) on(conn int, do func()) bool {
	f.ledger.lock()
	defer f.ledger.unlock()
	if f.conn != conn || f.state == away {
		return false
	}
	do()
	return true
}

// client returns the client that f shares its connection with, if it shares one.
func (s *streams) client(f *follower) *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	switch {
	case f.kind == slow:
		n = -1
	case s.run.Streams > 0:
		n = f.number / s.run.Streams
	}
	if s.clients[n] == nil {
		s.clients[n] = &http.Client{Transport: s.run.transport(f.kind, f.number)}
	}
	return s.clients[n]
}

// transport returns one for streams.
func (r *run) transport(k kind, number int) *http.Transport {
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialer := net.Dialer{LocalAddr: r.source(number)}
			if r.Socket != "" {
				return new(net.Dialer).DialContext(ctx, "unix", r.Socket)
			}
			conn, err := dialer.DialContext(ctx, network, addr)
			if tcp, ok := conn.(*net.TCPConn); ok && k == slow {
				err = cmp.Or(err, tcp.SetReadBuffer(4<<10)) // or the kernel reads ahead for it
			}
			return conn, err
		},
		TLSClientConfig:    r.TLS.Clone(),
		DisableCompression: true,
		Protocols:          new(http.Protocols),
	}
	t.Protocols.SetHTTP1(r.Streams == 0)
	t.Protocols.SetHTTP2(r.Streams > 0)
	t.Protocols.SetUnencryptedHTTP2(r.Streams > 0)
	return t
}

// source returns the address to connect from, nil for any.
func (r *run) source(number int) net.Addr {
	if len(r.sources) == 0 {
		return nil
	}
	return r.sources[number%len(r.sources)]
}
