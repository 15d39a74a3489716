package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/tidings-sse/tidings/internal/acme"
	"github.com/tidings-sse/tidings/internal/address"
)

// client returns a client for the hub that the arguments name, or for the hub of this machine.
func (c *healthCmd) client(env environ) (*hubClient, error) {
	named := c.URL != "" || c.Hub != ""
	switch {
	case c.Config == "" && named:
		return c.connectTo(c.URL, "health")
	case c.URL != "" || c.Hub != "" && c.Hub != os.Getenv(hubVariable):
		return nil, &exitError{exitUsage, errors.New("there are two hubs: that of --config, and the one whose address is given\nhint: leave one of them out")}
	}
	own, err := ownHubOf(env, c.Config)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return own.client(&c.hubFlags)
}

// ownHub is where a hub on this machine listens, according to its settings.
type ownHub struct {
	addr   string // the setting
	origin string // where it comes from; "" for the default
	secure bool
	domain string // in its certificate; "" if the certificate comes from a file
}

// ownHubOf reads the settings of a hub that say where it listens, in a configuration file and the environment. It ignores all other settings:
// a mistake in one, made while the hub runs, does not make the hub unhealthy.
func ownHubOf(env environ, file string) (ownHub, error) {
	h := ownHub{addr: strings.TrimPrefix(address.Default, "http://")}
	said, err := env.settings(file, map[string]bool{"addr": false, "tls-cert": false, "acme-domain": true})
	if err != nil {
		return h, err
	}
	for _, s := range said {
		if len(s.values) == 0 {
			continue
		}
		switch s.key {
		case "addr":
			h.addr, h.origin = s.values[0], s.origin
		case "tls-cert":
			h.secure = s.values[0] != ""
		case "acme-domain":
			domain, err := acme.Domain(s.values[0])
			if err != nil {
				return h, fmt.Errorf("%s: %w", s.origin, err)
			}
			h.secure, h.domain = true, domain
		}
	}
	return h, h.check()
}

// check refuses addresses at which nothing can be asked.
func (h ownHub) check() error {
	err := checkAddr(h.addr)
	if err == nil && !isUnix(h.addr) {
		if _, port, _ := splitAddr(h.addr); strings.Trim(port, "0") == "" {
			err = fmt.Errorf("--addr %q: the system chooses the port, so it is not known here\nhint: --hub names the hub", h.addr)
		}
	}
	if err != nil && h.origin != "" {
		return fmt.Errorf("%s: %w", h.origin, err)
	}
	return err
}

// client returns a client for the hub. The client sends no token and uses no proxy. It checks the certificate only with --ca, because a
// certificate has the hub's public name, and seldom that of this machine.
func (h ownHub) client(f *hubFlags) (*hubClient, error) {
	at := address.Hub{URL: &url.URL{Scheme: "http", Host: "localhost"}}
	var dial []string // for TCP: where the hub listens
	if path, unix := strings.CutPrefix(h.addr, unixPrefix); unix {
		at.Socket = path
	} else {
		host, port, err := splitAddr(h.addr)
		if err != nil {
			return nil, err
		}
		hosts := []string{host}
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsUnspecified() {
			// Without the name, for a container without /etc/hosts. The order does not matter, because a hub listens on both addresses if it can.
			host, hosts = "localhost", []string{"127.0.0.1", "::1"}
		}
		at.URL.Host = net.JoinHostPort(host, port)
		for _, host := range hosts {
			dial = append(dial, net.JoinHostPort(host, port))
		}
	}
	config, err := f.tlsConfig()
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	if h.secure {
		at.URL.Scheme = "https"
		config.ServerName = h.domain // a hub with ACME refuses other names
		config.InsecureSkipVerify = f.Insecure || f.CA == ""
	}
	transport := at.Transport(http.DefaultTransport.(*http.Transport))
	transport.Proxy, transport.TLSClientConfig = nil, config
	if at.Socket == "" {
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) { return dialFirst(ctx, network, dial) }
	}
	return &hubClient{Hub: at, http: &http.Client{Transport: transport}, name: "tidings-health"}, nil
}

// dialFirst connects to the first of some addresses that accepts. Its error is that of the first one.
func dialFirst(ctx context.Context, network string, addrs []string) (net.Conn, error) {
	var first error
	for _, addr := range addrs {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			return conn, nil
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}
