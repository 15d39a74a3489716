package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/tidings-sse/tidings/internal/address"
)

// listenFunc is net.Listen, or a replacement in tests.
type listenFunc func(network, addr string) (net.Listener, error)

// listenLocal listens at addr, HOST:PORT. A port alone is on localhost, never on all addresses.
//
// The name localhost has two addresses, and browsers try IPv6 first. So listenLocal listens on both. Otherwise a browser could show another
// program that uses the same port on the other address, as development servers often do.
func listenLocal(listen listenFunc, addr string) ([]net.Listener, error) {
	host, port, err := splitAddr(addr)
	if err != nil {
		return nil, err
	}
	if host != "localhost" {
		l, err := listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			return nil, listenError(err, host, port)
		}
		return []net.Listener{l}, nil
	}
	listeners, err := listenBoth(listen, port)
	for tries := 0; port == "0" && inUse(err) && tries < 20; tries++ { // what the system chooses on one address may be in use on the other
		listeners, err = listenBoth(listen, port)
	}
	if err != nil {
		return nil, listenError(err, host, port)
	}
	return listeners, nil
}

// listenBoth listens on a port of both addresses of localhost, or of the only one that the machine has.
func listenBoth(listen listenFunc, port string) (listeners []net.Listener, err error) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		l, e := listen("tcp", net.JoinHostPort(ip, port))
		switch {
		case e == nil:
			listeners = append(listeners, l)
			_, port, _ = net.SplitHostPort(l.Addr().String()) // for port 0 the system chooses a port, and both addresses use it
		case inUse(e):
			for _, l := range listeners {
				_ = l.Close() // it has no connections yet
			}
			return nil, e
		default:
			err = e // a machine may have only one of the two addresses
		}
	}
	if len(listeners) > 0 {
		return listeners, nil
	}
	return nil, err
}

// splitAddr splits localhost:3001, [::1]:3001, :3001 or 3001 into host and port.
func splitAddr(addr string) (host, port string, err error) {
	full := addr
	if addr != "" && strings.Trim(addr, "0123456789") == "" {
		full = ":" + addr
	}
	host, port, err = net.SplitHostPort(full)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", "", &exitError{exitUsage, addrError(addr, port)}
	}
	return cmp.Or(host, "localhost"), port, nil
}

// addrError describes what is wrong with an address. port is the port that net.SplitHostPort has found, or "".
func addrError(addr, port string) error {
	switch ip := net.ParseIP(strings.Trim(addr, "[]")); {
	case port != "" && !strings.Contains(port, "/"):
		return fmt.Errorf("--addr %q: %s is not a port, which is a number up to 65535\nhint: --addr localhost:3001", addr, port)
	case ip != nil:
		return fmt.Errorf("--addr %q has no port\nhint: --addr %s", addr, net.JoinHostPort(ip.String(), "3000"))
	case addr != "" && !strings.ContainsAny(addr, ":/ "):
		return fmt.Errorf("--addr %q has no port\nhint: --addr %s:3000", addr, addr)
	}
	if h, err := address.ParseHub(addr); err == nil && h.URL.Port() != "" {
		return fmt.Errorf("--addr %q is not HOST:PORT\nhint: --addr %s", addr, h.URL.Host)
	}
	return fmt.Errorf("--addr %q is not HOST:PORT\nhint: --addr localhost:3001", addr)
}

// listenError describes the failure to listen, with a hint.
func listenError(err error, host, port string) error {
	addr := net.JoinHostPort(host, port)
	n, _ := strconv.Atoi(port) // splitAddr has checked it
	switch {
	case inUse(err):
		other := net.JoinHostPort(host, strconv.Itoa(n%65535+1))
		return fmt.Errorf("%s is in use by another program\nhint: --addr %s", addr, other)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("this system does not let you listen on %s\nhint: --addr %s", addr, net.JoinHostPort(host, "3000"))
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("--addr %s: the name %s cannot be resolved: %s", addr, host, dns.Err)
	}
	return fmt.Errorf("cannot listen on %s: %w", addr, err)
}

// inUse reports whether another program listens on the address.
func inUse(err error) bool {
	const windows syscall.Errno = 10048 // WSAEADDRINUSE; other systems have no number this large
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, windows)
}

// urlOf returns the URL of listeners from listenLocal.
func urlOf(listeners []net.Listener, addr string) string {
	host, _, _ := splitAddr(addr) // listenLocal has split it before
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	return "http://" + net.JoinHostPort(host, port)
}
