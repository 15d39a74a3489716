package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/address"
)

// listenFlags say where a hub listens and which protocols it accepts.
type listenFlags struct {
	Addr       string     `default:"localhost:3000" placeholder:"HOST:PORT" help:"Address to listen on; ${default} by default. A port alone, such as :3001, is on localhost; unix:PATH is a Unix socket."`
	SocketMode socketMode `default:"0660" placeholder:"MODE" help:"Mode of a Unix socket, which decides who may connect; ${default} by default."`
	AdminAddr  string     `placeholder:"HOST:PORT" help:"A separate address for administration: the console, metrics, statistics, subscribers, revocation and profiles. It asks for no token, and --addr no longer serves them. An address that other machines can reach needs --insecure. By default --addr serves them, for tokens with admin: true."`
	TLSCert    string     `name:"tls-cert" type:"path" placeholder:"FILE" help:"Certificate chain for HTTPS (PEM). New connections use the new files when they change, or on SIGHUP."`
	TLSKey     string     `name:"tls-key" type:"path" placeholder:"FILE" help:"Private key of the certificate (PEM)."`
	H2C        bool       `name:"h2c" help:"Accept HTTP/2 without TLS, from a proxy that terminates TLS. With TLS, HTTP/2 is always on."`
}

// socketMode is the mode of a file, in octal.
type socketMode fs.FileMode

// UnmarshalText reads an octal number.
func (m *socketMode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || n > uint64(fs.ModePerm) {
		return fmt.Errorf("%q is not a mode such as 0660", text)
	}
	*m = socketMode(n)
	return nil
}

// MarshalText returns four octal digits.
func (m socketMode) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%04o", m), nil }

func (f *listenFlags) checkListen() error {
	if err := checkAddr(f.Addr); err != nil {
		return err
	}
	if f.AdminAddr != "" {
		if err := checkAddr(f.AdminAddr); err != nil {
			return ofAdmin(err)
		}
	}
	switch {
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together: a certificate, and its private key")
	case f.H2C && f.TLSCert != "":
		return errors.New("--h2c is HTTP/2 without TLS; with --tls-cert, HTTP/2 is always on")
	}
	return nil
}

// checkAddr returns an error if addr is not an address to listen on.
func checkAddr(addr string) error {
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
		if path == "" {
			return &exitError{exitUsage, errors.New("--addr unix: names no file\nhint: --addr unix:/run/tidings.sock")}
		}
		return nil
	}
	if address.IsPath(addr) || strings.HasPrefix(addr, "/") {
		return &exitError{exitUsage, fmt.Errorf("--addr %q is a path, not HOST:PORT\nhint: --addr unix:%s listens on a socket", addr, addr)}
	}
	_, _, err := splitAddr(addr)
	return err
}

// place is where a hub listens: the listeners of one address.
type place struct {
	role      string
	secure    *tls.Config    // nil: without TLS
	addr      string         // the value of the flag
	systemd   bool           // systemd holds the sockets
	sockets   []net.Listener // without TLS
	listeners []net.Listener // the same, with TLS if the place has it
	url       string         // the URL for clients
	socket    string         // the path of the Unix socket; "" for TCP
	public    string         // the URL for people, if the hub is reached at another one than url
	curls     curls
}

// curls is how curl reaches a hub, with a name that is in its certificate.
type curls struct {
	url   string // "": like people
	flags string
}

func (p *place) close() { closeAll(p.listeners) }

// curl returns the curl command for a path.
func (p *place) curl(flags, path string) string {
	words := []string{"curl", p.curls.flags, flags}
	if p.socket != "" {
		words = append(words, "--unix-socket "+p.socket)
	}
	words = append(words, cmp.Or(p.curls.url, p.public, p.url)+path)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// browse begins the sentence that says what to try. A browser cannot open a Unix socket.
func (p *place) browse() string {
	if p.socket != "" {
		return ""
	}
	return "open it in a browser, or "
}

// String returns the address in a form that other commands accept.
func (p *place) String() string {
	if p.socket != "" {
		return unixPrefix + p.socket
	}
	return cmp.Or(p.public, p.url)
}

// listenPlain listens without TCP keep-alive, as [hub.PaceAccept] recommends.
func listenPlain(network, addr string) (net.Listener, error) {
	return (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), network, addr)
}

// listen listens at an address, unless the process is given sockets for it. With secure, connections are TLS.
func (f *listenFlags) listen(role, addr string, secure *tls.Config, g given) (*place, error) {
	p := &place{role: role, addr: addr, secure: secure}
	path, unix := strings.CutPrefix(addr, unixPrefix)
	s := g.take(role, addr)
	var err error
	switch {
	case s != nil:
		if p.sockets, p.systemd = s.listeners, s.systemd; unix && !s.systemd {
			p.sockets, err = keepUnix(s.listeners, path, fs.FileMode(f.SocketMode))
		}
	case unix:
		var l net.Listener
		l, err = listenUnix(path, fs.FileMode(f.SocketMode))
		p.sockets = []net.Listener{l}
	default:
		p.sockets, err = listenLocal(listenPlain, addr)
	}
	if err != nil {
		return nil, g.explain(err, role, addr)
	}
	if p.url = "http://localhost"; unix {
		p.socket = path
	} else {
		p.url = urlOf(p.sockets, addr)
	}
	if secure != nil {
		p.url = "https" + strings.TrimSuffix(strings.TrimPrefix(p.url, "http"), ":443")
	}
	p.layer()
	return p, nil
}

// layer makes the listeners of the sockets.
func (p *place) layer() {
	p.listeners = slices.Clone(p.sockets)
	if p.secure == nil {
		return
	}
	for i, l := range p.listeners {
		p.listeners[i] = tls.NewListener(hub.BelowTLS(l), p.secure)
	}
}

// certificate loads the certificate and watches its files; with hangups also at SIGHUP. The caller closes it. It is nil without --tls-cert.
func (f *listenFlags) certificate(logger *slog.Logger, hangups bool) (*certificate, error) {
	if f.TLSCert == "" {
		return nil, nil
	}
	c, err := loadCertificate(f.TLSCert, f.TLSKey, logger)
	if err != nil {
		return nil, err
	}
	c.start(hangups)
	return c, nil
}

// isUnix reports whether an address is a Unix socket.
func isUnix(addr string) bool { return strings.HasPrefix(addr, unixPrefix) }

// local reports whether only programs on this machine can reach an address.
func local(addr string) bool {
	if isUnix(addr) {
		return true
	}
	host, _, err := splitAddr(addr)
	return err == nil && loopback(host)
}

// loopback reports whether only this machine can reach a host.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// resolvable returns an error if the name in an address cannot be resolved.
func resolvable(addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	host, port, err := splitAddr(addr)
	if err == nil {
		_, err = net.DefaultResolver.LookupHost(ctx, host) // an IP address resolves to itself
	}
	if err != nil {
		return listenError(err, host, port)
	}
	return nil
}

// closeAll closes listeners that have no connections yet.
func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // it has no connections yet
	}
}
