package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// A hub may be given sockets that listen already: by systemd (socket activation, sd_listen_fds(3)), or by the process that it replaces
// (serve_restart.go). Connections that arrive while no process accepts them wait in the queue of such a socket.

// The roles of sockets. systemd calls them FileDescriptorName=.
const (
	rolePublic = "public"
	roleAdmin  = "admin"
	rolePlain  = "plain" // of --http-addr; never from systemd
)

// firstFile is the first descriptor that systemd passes. os/exec passes from this one on, too.
const firstFile = 3

// givenSockets are the sockets that a process is given for a role.
type givenSockets struct {
	addr      string // the value of --addr or --admin-addr for which they were opened
	systemd   bool   // from systemd, also if the process before passed them on
	listeners []net.Listener
}

// given has the sockets that a process is given, by role.
type given map[string]*givenSockets

// close closes all sockets, those in use included.
func (g given) close() {
	for _, s := range g {
		closeAll(s.listeners)
	}
}

// take returns the sockets for a role and an address, and forgets them; nil if there are none for this address.
func (g given) take(role, addr string) *givenSockets {
	s := g[role]
	if s == nil || s.addr != addr {
		return nil
	}
	delete(g, role)
	return s
}

// systemdSockets returns the sockets that systemd passes to this process. A name of systemd's own stands for the public address.
func systemdSockets(env environ) (given, error) {
	if pid := env.lookup("LISTEN_PID"); pid != strconv.Itoa(os.Getpid()) {
		return nil, nil // for another process, or none
	}
	n, err := strconv.Atoi(env.lookup("LISTEN_FDS"))
	if err != nil || n < 1 || n > mostGiven {
		return nil, fmt.Errorf("systemd passes LISTEN_FDS=%q; a hub takes 1 to %d sockets", env.lookup("LISTEN_FDS"), mostGiven)
	}
	names := make([]string, n)
	if text := env.lookup("LISTEN_FDNAMES"); text != "" {
		if names = strings.Split(text, ":"); len(names) != n {
			return nil, fmt.Errorf("systemd passes %d sockets and %d names for them: LISTEN_FDNAMES=%q", n, len(names), text)
		}
	}
	all := given{}
	for i, name := range names {
		role := name
		if name == "" || name == "unknown" || strings.HasSuffix(name, ".socket") {
			role = rolePublic
		}
		err := fmt.Errorf("a hub has sockets named %s and %s (FileDescriptorName=)", rolePublic, roleAdmin)
		if role == rolePublic || role == roleAdmin {
			err = all.add(role, firstFile+i)
		}
		if err != nil {
			all.close()
			return nil, fmt.Errorf("systemd passes descriptor %d, named %q: %w", firstFile+i, name, err)
		}
	}
	for _, s := range all {
		s.fromSystemd()
	}
	return all, nil
}

// mostGiven is more than a hub needs: IPv4, IPv6 and a Unix socket for each role.
const mostGiven = 16

// add adds a descriptor to those of a role.
func (g given) add(role string, fd int) error {
	l, err := listenerOf(fd)
	if err != nil {
		return err
	}
	if g[role] == nil {
		g[role] = &givenSockets{}
	}
	g[role].listeners = append(g[role].listeners, l)
	return nil
}

// listenerOf returns the listener for a descriptor, which it closes.
func listenerOf(fd int) (net.Listener, error) {
	closeOnExec(fd)
	if err := checkListens(fd); err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "socket")
	l, err := fileListener(file)
	return l, errors.Join(err, file.Close())
}

// fileListener returns a listener for a socket. The caller keeps the file.
func fileListener(file *os.File) (net.Listener, error) {
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	switch l := l.(type) {
	case *net.TCPListener:
		return &givenTCP{l}, nil
	case *net.UnixListener:
		return &socketListener{UnixListener: l}, nil
	}
	return nil, errors.Join(fmt.Errorf("it is a %s socket; a hub listens on TCP and Unix sockets", l.Addr().Network()), l.Close())
}

// givenTCP accepts connections without TCP keep-alive, as listenPlain does: net.FileListener cannot be told.
type givenTCP struct{ *net.TCPListener }

// Accept implements [net.Listener].
func (l *givenTCP) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	_ = c.SetKeepAlive(false) // fails only if the connection has failed, which its first use finds
	return c, nil
}

// fromSystemd sets the address of sockets from systemd: that of the one which most machines can reach, which becomes the first.
func (s *givenSockets) fromSystemd() {
	texts := make([]string, len(s.listeners))
	for i, l := range s.listeners {
		if texts[i] = l.Addr().String(); l.Addr().Network() == "unix" {
			texts[i] = unixPrefix + texts[i]
		}
	}
	first := slices.IndexFunc(texts, func(text string) bool { return !local(text) })
	if first < 0 {
		first = max(slices.IndexFunc(texts, func(text string) bool { return !strings.HasPrefix(text, unixPrefix) }), 0)
	}
	s.systemd, s.addr = true, texts[first]
	s.listeners[0], s.listeners[first] = s.listeners[first], s.listeners[0]
}

// adopt makes the addresses of sockets from systemd the settings. Otherwise --addr and the socket unit could say different things.
func (f *serveFlags) adopt(g given) error {
	for role, setting := range map[string]*string{rolePublic: &f.Addr, roleAdmin: &f.AdminAddr} {
		s := g[role]
		if s == nil || !s.systemd {
			continue
		}
		flag := map[string]string{rolePublic: "addr", roleAdmin: "admin-addr"}[role]
		if origin := f.origins[flag]; origin != "" && *setting != s.addr {
			return fmt.Errorf("systemd passes the socket %s, and --%s is %s (%s): remove that setting, or disable the socket unit", s.addr, flag, *setting, origin)
		}
		*setting, f.origins[flag] = s.addr, "socket of systemd"
	}
	return nil
}

// notASocket turns an error of a system call about a descriptor into words.
func notASocket(err error) error {
	if errors.Is(err, syscall.ENOTSOCK) {
		return errors.New("it is not a socket")
	}
	return err
}
