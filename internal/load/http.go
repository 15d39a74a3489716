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

// httpConnector is the connector for all other connections. It uses net/http and one goroutine per connection.
type httpConnector struct {
	run     *run
	running sync.WaitGroup

	mu      sync.Mutex
	clients map[kind]*http.Client
}

func newHTTPConnector(r *run) *httpConnector {
	return &httpConnector{run: r, clients: make(map[kind]*http.Client)}
}

func (s *httpConnector) open(sub *subscriber, req *http.Request) {
	ctx, cancel := context.WithCancel(s.run.ctx)
	sub.wire = cancel
	conn := sub.conn
	s.running.Go(func() {
		defer cancel()
		s.follow(sub, conn, req.WithContext(ctx))
	})
}

func (s *httpConnector) drop(sub *subscriber) { sub.wire.(context.CancelFunc)() }

func (s *httpConnector) stop() {
	s.running.Wait() // the run's context is done, which ends them
	for _, c := range s.clients {
		c.CloseIdleConnections()
	}
}

// follow reads one connection until its end.
func (s *httpConnector) follow(sub *subscriber, conn int, req *http.Request) {
	body, err := s.begin(sub, req)
	if body != nil {
		defer func() { _ = body.Close() }() // an error after reading does not matter
	}
	ours := sub.on(conn, func() {
		if err == nil {
			s.run.opened(sub)
		}
	})
	buf := make([]byte, 16<<10)
	for ours && err == nil {
		var n int
		n, err = s.read(sub, req.Context(), body, buf)
		ours = sub.on(conn, func() { sub.receive(buf[:n], s.run.now()) })
	}
	sub.on(conn, func() { s.run.closed(sub, err) })
}

func (s *httpConnector) begin(sub *subscriber, req *http.Request) (io.ReadCloser, error) {
	resp, err := s.client(sub).Do(req)
	if err != nil {
		return nil, err
	}
	return resp.Body, checkStream(resp)
}

// read reads available bytes. For a slow consumer it reads at most Options.SlowBytes per second.
func (s *httpConnector) read(sub *subscriber, ctx context.Context, body io.Reader, buf []byte) (int, error) {
	if sub.kind != slow {
		return body.Read(buf)
	}
	const interval = 100 * time.Millisecond
	if s.run.SlowBytes == 0 {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if err := sleep(ctx, interval); err != nil {
		return 0, err
	}
	return body.Read(buf[:min(len(buf), max(1, s.run.SlowBytes/int(time.Second/interval)))])
}

// on locks the shard and calls do, if conn is still sub's connection. It reports whether it is.
func (sub *subscriber) on(conn int, do func()) bool {
	sub.shard.lock()
	defer sub.shard.unlock()
	if sub.conn != conn || sub.state == disconnected {
		return false
	}
	do()
	return true
}

// client returns the HTTP client for sub. Slow consumers have their own, because their connections differ.
func (s *httpConnector) client(sub *subscriber) *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[sub.kind] == nil {
		s.clients[sub.kind] = &http.Client{Transport: s.run.transport(sub.kind, sub.number)}
	}
	return s.clients[sub.kind]
}

// transport returns a transport for a subscriber of kind k with the given number, or for publishers.
func (r *run) transport(k kind, number int) *http.Transport {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return r.dial(ctx, k, number, addr)
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

// dial opens a connection for a subscriber of kind k with the given number.
func (r *run) dial(ctx context.Context, k kind, number int, addr string) (net.Conn, error) {
	if r.Socket != "" {
		return new(net.Dialer).DialContext(ctx, "unix", r.Socket)
	}
	dialer := net.Dialer{LocalAddr: r.source(number)}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if tcp, ok := conn.(*net.TCPConn); ok && k == slow {
		err = cmp.Or(err, tcp.SetReadBuffer(4<<10)) // keeps the kernel from reading ahead
	}
	return conn, err
}

// source returns the local address of a subscriber, nil for any.
func (r *run) source(number int) net.Addr {
	if len(r.sources) == 0 {
		return nil
	}
	return r.sources[number%len(r.sources)]
}
