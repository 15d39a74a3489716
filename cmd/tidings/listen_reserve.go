package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A process may open a limited number of files (RLIMIT_NOFILE), and each connection is one. The hub divides them, so that streams leave enough
// files for everything else:
//
//	limit = log and the program itself + administration + publishers and probes + streams
//
// Three limits enforce this:
//
//   - The hub refuses streams over their share, as with --max-connections, and browsers reconnect later.
//   - A listener counts its connections. When nearly all places are in use, it closes idle connections, and other connections after one
//     request. When all places are in use, a new connection waits for a place, and is closed if none becomes free soon.
//   - The listener for administrators has places of its own.

// share is how the files that a process may open are divided.
type share struct {
	log     int // for the log, and everything else that is not a connection
	tables  int // how many of these the log may use for tables
	admin   int // for connections to the listener for administrators
	others  int // for connections of publishers, probes and pages
	streams int
}

// public returns the maximum number of connections to the main listener.
func (s *share) public() int { return s.others + s.streams }

// shareFiles divides a number of files. The log gets a quarter, but not more than it can use.
func shareFiles(limit uint64) share {
	const most, notTables = 1100, 64 // notTables: write-ahead log, manifest, and files of the program, such as certificates
	s := share{log: int(min(limit/4, most))}
	s.tables = max(s.log-notTables, s.log/2)
	connections := int(limit) - s.log
	s.admin = max(min(connections/16, 16), 1)
	s.others = max(min(connections/8, 64), 1)
	s.streams = max(connections-s.admin-s.others, 1)
	return s
}

// boundStreams returns the limit of all streams, and of those over HTTP/1.1, each of which needs a file. 0 for asked means as many as there are
// files. Streams over HTTP/2 may be more if asked is: they need memory, but few files.
func boundStreams(asked int) (all, http1 int) {
	limit, ok := fileLimit()
	if !ok {
		return asked, 0
	}
	most := shareFiles(limit).streams
	if asked == 0 {
		return most, most
	}
	return asked, most
}

// places limits the connections of a server.
type places struct {
	most   int // 0 means no limit
	crowd  int // with this many connections, each is closed after one request
	server *http.Server
	http2  func(bool) // sets keep-alives of HTTP/2; nil: net/http serves it
	taken  func() int // returns how many connections the hub has taken over from the server
	logger *slog.Logger

	served atomic.Int64  // connections of the server
	freed  chan struct{} // has a value after a connection has ended

	unread atomic.Int64  // the length of fresh
	quiet  chan struct{} // has a value after fresh has become empty

	mu     sync.Mutex        // guards the following
	fresh  map[net.Conn]bool // connections whose first request is not answered; true: it has arrived
	warned time.Time         // when the last warning was logged

	tidying sync.Mutex // guards the following; held before the locks of HTTP/2, which calls count under them
	crowded bool
	tidied  time.Time // when idle connections were last closed
}

// bound limits the connections of a server to most. From most-few connections on, connections end after one request. Call it before the server
// serves.
func bound(server *http.Server, most, few int, taken func() int, logger *slog.Logger) *places {
	p := &places{most: most, crowd: most - few, server: server, taken: taken, logger: logger, freed: make(chan struct{}, 1), quiet: make(chan struct{}, 1), fresh: map[net.Conn]bool{}}
	server.ConnState = p.count
	return p
}

// boundPublic limits the connections to the main listener. http2 sets keep-alives of HTTP/2.
func boundPublic(server *http.Server, http2 func(bool), taken func() int, logger *slog.Logger) *places {
	s := currentShare()
	p := bound(server, s.public(), s.others/2, taken, logger)
	p.http2 = http2
	return p
}

// boundAdmin limits the connections to the listener for administrators.
func boundAdmin(server *http.Server, logger *slog.Logger) *places {
	s := currentShare()
	return bound(server, s.admin, s.admin/2, func() int { return 0 }, logger)
}

// currentShare divides the files of this process. It is zero on systems without a limit of open files.
func currentShare() (s share) {
	if limit, ok := fileLimit(); ok {
		s = shareFiles(limit)
	}
	return s
}

// count is the server's ConnState.
func (p *places) count(c net.Conn, state http.ConnState) {
	if state != http.StateNew && p.unread.Load() > 0 {
		p.read(c, state)
	}
	switch state {
	case http.StateNew:
		p.served.Add(1)
		p.mu.Lock()
		p.fresh[c] = false
		p.unread.Add(1)
		p.mu.Unlock()
	case http.StateClosed, http.StateHijacked:
		p.served.Add(-1)
		wake(p.freed)
	}
}

// read notes that the first request of a connection has arrived or ended.
func (p *places) read(c net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.fresh[c]; !ok {
		return
	}
	if state == http.StateActive {
		p.fresh[c] = true // net/http may still drop it: it looks for a Shutdown after this
		return
	}
	delete(p.fresh, c)
	if p.unread.Add(-1) == 0 {
		wake(p.quiet)
	}
}

// wake sends a value to a channel with room for one, unless it has one.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// firstRequest is how long an accepted connection may take to send its first request when the server stops accepting.
const firstRequest = time.Second

// shutDown answers the requests that have begun, and closes the connections that are left when ctx ends: it then returns the error of ctx. Call it
// when no connections are accepted any more.
func (p *places) shutDown(ctx context.Context) error {
	p.awaitFirst(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.server.Shutdown(ctx) }() // it closes idle connections, which may block like Close
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		go p.server.Close() // TLS says goodbye, which may block
	}
	return err
}

// awaitFirst waits until the first requests are answered of the connections that were accepted last, and closes those that send none.
// [http.Server.Shutdown] would drop these requests without an answer, and wait 5 s for connections without one.
func (p *places) awaitFirst(ctx context.Context) {
	ctx, done := context.WithTimeout(ctx, firstRequest)
	defer done()
	for p.unread.Load() > 0 {
		select {
		case <-p.quiet:
		case <-ctx.Done():
			p.mu.Lock()
			defer p.mu.Unlock()
			for c, arrived := range p.fresh {
				if !arrived {
					go c.Close() // TLS says goodbye, which may block
				}
			}
			return
		}
	}
}

func (p *places) inUse() int { return int(p.served.Load()) + p.taken() }

// listener returns a listener that accepts connections while there are places.
func (p *places) listener(l net.Listener) net.Listener {
	if p.most == 0 {
		return l
	}
	return &boundListener{l, p}
}

type boundListener struct {
	net.Listener
	places *places
}

// Accept implements [net.Listener].
func (l *boundListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || l.places.await() {
			return c, err
		}
		_ = c.Close() // its client tries again, and has lost nothing
		l.places.warn()
	}
}

// placeWait is how long a new connection waits for a place. It is short, because the connections of refused streams close at once.
const placeWait = 250 * time.Millisecond

// await waits for a place for at most placeWait, and reports whether there is one. If there are few, it closes idle connections.
func (p *places) await() bool {
	p.tidy()
	if p.inUse() < p.most {
		return true
	}
	timeout := time.NewTimer(placeWait)
	defer timeout.Stop()
	for p.inUse() >= p.most {
		select {
		case <-p.freed:
		case <-timeout.C:
			return p.inUse() < p.most
		}
	}
	return true
}

// tidyEvery is the interval at which idle connections are closed while there are few places.
const tidyEvery = time.Second

// tidy closes idle connections while there are few places, and turns keep-alive off until there are more.
func (p *places) tidy() {
	n := p.inUse()
	p.tidying.Lock()
	defer p.tidying.Unlock()
	switch now := time.Now(); {
	case n >= p.crowd && (!p.crowded || now.Sub(p.tidied) >= tidyEvery):
		p.crowded, p.tidied = true, now
		p.setKeepAlives(false)
	case p.crowded && n < p.crowd:
		p.crowded = false
		p.setKeepAlives(true)
	}
}

// setKeepAlives turns keep-alive on, or turns it off and closes idle connections.
func (p *places) setKeepAlives(on bool) {
	p.server.SetKeepAlivesEnabled(on)
	if p.http2 != nil {
		p.http2(on)
	}
}

// warnEvery is the minimum time between two warnings.
const warnEvery = time.Minute

// warn logs that connections are closed.
func (p *places) warn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.warned) < warnEvery {
		return
	}
	p.warned = time.Now()
	p.logger.Warn("new connections are closed: nearly all files that the process may open are in use, and the log needs the others",
		"for connections", p.most, "remedy", "raise the limit of open files (ulimit -n, LimitNOFILE), or lower --max-connections")
}
