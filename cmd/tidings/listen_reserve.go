package main

import (
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

// A process may open a bounded number of files (RLIMIT_NOFILE). Without a reserve, followers take them all, and then the log cannot open its next
// file. Two bounds keep files for the log:
//
//   - The hub refuses streams beyond a number, as with --max-connections, so that browsers come back later.
//   - Of the connections that are no streams, the system gives each new one the lowest number that is free. One whose number is too large
//     shows that those below are taken, and is closed at once.

// fileReserve returns how many of the files that a process may open are kept from connections, and how many of these the log may use for
// tables. Of few files the log gets a quarter.
func fileReserve(limit uint64) (reserve, tables int) {
	const most, others = 1100, 64 // others: write-ahead log, manifest, and what is not the log's, such as certificates that are read again
	reserve = int(min(limit/4, most))
	return reserve, max(reserve-others, reserve/2)
}

// streamsFor returns how many streams leave the log its files. A stream holds two for the moment in which the hub takes its connection over.
func streamsFor(limit uint64) int {
	reserve, _ := fileReserve(limit)
	free := int(limit) - reserve
	return max(free-min(free/8, 64), 1)
}

// boundStreams returns the bound of streams that holds: what was asked for, 0 being any number, or as many as there are files for.
func boundStreams(asked int) int {
	limit, ok := fileLimit()
	if !ok {
		return asked
	}
	if most := streamsFor(limit); asked == 0 || asked > most {
		return most
	}
	return asked
}

// reservedListener accepts connections as long as there are files enough.
type reservedListener struct {
	net.Listener
	bound  uintptr // the first number that is not for connections
	logger *slog.Logger

	mu   sync.Mutex
	said time.Time // when it was last said that there are too many
}

// reserveFiles keeps files from the connections of listeners. Where nobody knows how many there are it changes nothing.
func reserveFiles(listeners []net.Listener, logger *slog.Logger) {
	limit, ok := fileLimit()
	if !ok {
		return
	}
	reserve, _ := fileReserve(limit)
	for i, l := range listeners {
		listeners[i] = &reservedListener{Listener: l, bound: uintptr(limit) - uintptr(reserve), logger: logger}
	}
}

// Accept implements [net.Listener].
func (l *reservedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || l.fits(c) {
			return c, err
		}
		_ = c.Close() // it comes back, and has nothing to lose
		l.say()
	}
}

// fits reports whether a connection leaves the reserve alone.
func (l *reservedListener) fits(c net.Conn) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return true // it is closed already, and whoever reads it finds out
	}
	fits := true
	if err := raw.Control(func(fd uintptr) { fits = fd < l.bound }); err != nil {
		return true
	}
	return fits
}

// saidAgain is how long nothing is said about the next connections that are closed.
const saidAgain = time.Minute

func (l *reservedListener) say() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.said) < saidAgain {
		return
	}
	l.said = time.Now()
	l.logger.Warn("new connections are closed: nearly all files that the process may open are in use, and the log needs the others",
		"for connections", uint64(l.bound), "remedy", "raise the limit of open files (ulimit -n, LimitNOFILE), or lower --max-connections")
}
