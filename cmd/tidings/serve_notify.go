package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// supervisor is the service manager that has started this process: systemd, or another one that understands sd_notify(3). The zero value is
// none.
type supervisor struct {
	socket   string        // where it listens; "" for none
	watchdog time.Duration // how often it wants to hear from the process; 0: never
	logger   *slog.Logger
}

// supervisorOf reads what a service manager says in the environment.
func supervisorOf(env environ, logger *slog.Logger) *supervisor {
	s := &supervisor{socket: env.lookup("NOTIFY_SOCKET"), logger: logger}
	micros, err := strconv.ParseInt(env.lookup("WATCHDOG_USEC"), 10, 64)
	pid := env.lookup("WATCHDOG_PID")
	if err == nil && micros > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.watchdog = time.Duration(micros) * time.Microsecond
	}
	return s
}

// tell sends assignments such as READY=1, all in one message.
func (s *supervisor) tell(assignments ...string) {
	if s.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"}) // a first @ is an abstract socket
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(assignments, "\n")))
		_ = conn.Close() // after a datagram there is nothing left to send
	}
	if err != nil {
		s.logger.Warn("the service manager cannot be told about the state of the hub", "socket", s.socket, "state", assignments[0], "error", err.Error())
	}
}

// beat tells a watchdog that the process runs, twice as often as it asks, until ctx is done.
func (s *supervisor) beat(ctx context.Context) {
	if s.socket == "" || s.watchdog == 0 {
		return
	}
	tick := time.NewTicker(max(s.watchdog/2, time.Millisecond))
	defer tick.Stop()
	for {
		s.tell("WATCHDOG=1")
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
