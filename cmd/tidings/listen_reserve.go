package main

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A process may open a bounded number of files (RLIMIT_NOFILE), and each connection is one of them. They are divided, so that followers
// starve nobody:
//
//	limit = log and the program itself + administration + publishers and probes + streams
//
// Three bounds keep to that:
//
//   - The hub refuses streams over their part, as with --max-connections, so that browsers come back later.
//   - A listener counts its connections. When nearly all places are taken it closes idle connections, and the others after one
//     request. When all are taken, a new connection waits for a place, and is closed if there is none soon.
//   - The listener for administration has places of its own.

// share is how the files that a process may open are divided.
type share struct {
	log     int // the log, and everything that is no connection
	tables  int // how many of these the log may use for tables
	admin   int // connections to the listener for administration
	others  int // connections of publishers, probes and pages
	streams int
}

// public returns how many connections the listener of the hub may have.
func (s *share) public() int { return s.others + s.streams }

// shareFiles divides files. Of few the log gets a quarter.
func shareFiles(limit uint64) share {
	const most, notTables = 1100, 64 // notTables: write-ahead log, manifest, and what is not the log's, such as certificates that are read again
	s := share{log: int(min(limit/4, most))}
	s.tables = max(s.log-notTables, s.log/2)
	connections := int(limit) - s.log
	s.admin = max(min(connections/16, 16), 1)
	s.others = max(min(connections/8, 64), 1)
	s.streams = max(connections-s.admin-s.others, 1)
	return s
}

// boundStreams returns the bound of streams that holds: what was asked for, 0 being any number, or as many as there are files for.
func boundStreams(asked int) int {
	limit, ok := fileLimit()
	if !ok {
		return asked
	}
	if most := shareFiles(limit).streams; asked == 0 || asked > most {
		return most
	}
	return asked
}

// places bound the connections of a server.
type places struct {
	most   int // 0: any number
	crowd  int // from how many on connections are closed after one request
	server *http.Server
	taken  func() int // connections that the hub has taken over from the server
	logger *slog.Logger

	served atomic.Int64  // connections that the server has
	freed  chan struct{} // has a value when one of them has ended

	mu      sync.Mutex // guards the following
	crowded bool
	tidied  time.Time // when idle connections were closed last
	said    time.Time // when it was last said that there are too many
}

// bound gives a server so many places, of which the last few are for connections that end soon. Call it before the server serves.
func bound(server *http.Server, most, few int, taken func() int, logger *slog.Logger) *places {
	p := &places{most: most, crowd: most - few, server: server, taken: taken, logger: logger, freed: make(chan struct{}, 1)}
	server.ConnState = p.count
	return p
}

// boundPublic bounds the connections of a hub's server.
func boundPublic(server *http.Server, taken func() int, logger *slog.Logger) *places {
	s := currentShare()
	return bound(server, s.public(), s.others/2, taken, logger)
}

// boundAdmin bounds the connections of the server for administration.
func boundAdmin(server *http.Server, logger *slog.Logger) *places {
	s := currentShare()
	return bound(server, s.admin, s.admin/2, func() int { return 0 }, logger)
}

// currentShare divides the files of this process. Where nobody knows how many there are it is zero.
func currentShare() (s share) {
	if limit, ok := fileLimit(); ok {
		s = shareFiles(limit)
	}
	return s
}

// count is the server's ConnState.
func (p *places) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		p.served.Add(1)
	case http.StateClosed, http.StateHijacked:
		p.served.Add(-1)
		select {
		case p.freed <- struct{}{}:
		default: // nobody has noticed the last one yet
		}
	}
}

func (p *places) inUse() int { return int(p.served.Load()) + p.taken() }

// listener returns a listener that accepts connections as long as there are places.
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
		_ = c.Close() // its client comes back, and has lost nothing
		l.places.say()
	}
}

// placeWait is how long a new connection waits for a place. Refused followers leave theirs at once.
const placeWait = 250 * time.Millisecond

// await waits for a place, and reports whether there is one. It makes room when there are few.
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

// tidyEvery is how often idle connections are closed in a crowd.
const tidyEvery = time.Second

// tidy closes idle connections in a crowd, and lets no connection become idle until it is over.
func (p *places) tidy() {
	n := p.inUse()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch now := time.Now(); {
	case n >= p.crowd && (!p.crowded || now.Sub(p.tidied) >= tidyEvery):
		p.crowded, p.tidied = true, now
		p.server.SetKeepAlivesEnabled(false) // which closes those that are idle now
	case p.crowded && n < p.crowd:
		p.crowded = false
		p.server.SetKeepAlivesEnabled(true)
	}
}

// saidAgain is how long nothing is said about the next connections that are closed.
const saidAgain = time.Minute

func (p *places) say() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.said) < saidAgain {
		return
	}
	p.said = time.Now()
	p.logger.Warn("new connections are closed: nearly all files that the process may open are in use, and the log needs the others",
		"for connections", p.most, "remedy", "raise the limit of open files (ulimit -n, LimitNOFILE), or lower --max-connections")
}
