package natsnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// DefaultPort is the port of peers that name none.
const DefaultPort = "4248"

// mostPeers limits how many peers a pattern may stand for.
const mostPeers = 64

// findPeers returns the checked addresses of all hubs, and this one's.
func (o *Options) findPeers(ctx context.Context) (peers []string, self string, err error) {
	if peers, err = ParsePeers(o.Peers); err != nil {
		return nil, "", err
	}
	if err := o.checkNames(ctx, peers); err != nil {
		return nil, "", err
	}
	if self, err = o.findSelf(ctx, peers); err != nil {
		return nil, "", err
	}
	if n := len(peers); n%2 == 0 {
		o.Logger.Warn(fmt.Sprintf("a cluster of %d hubs survives the loss of as many hubs as one of %d: use an odd number", n, n-1))
	}
	return peers, self, nil
}

// ParsePeers returns the addresses that a list stands for, with ports and in lower case. It refuses lists by which hubs cannot find each
// other, without a query to DNS.
func ParsePeers(list []string) (peers []string, err error) {
	for _, entry := range list {
		expanded, err := expand(strings.ToLower(strings.TrimSpace(entry)))
		if err != nil {
			return nil, err
		}
		for _, peer := range expanded {
			if peer, err = parsePeer(peer); err != nil {
				return nil, err
			}
			if slices.Contains(peers, peer) {
				return nil, fmt.Errorf("the hub %q is twice in the list of peers: it must have each hub once", peer)
			}
			peers = append(peers, peer)
		}
	}
	switch {
	case len(peers) == 0:
		return nil, errors.New("the list of peers is empty: it has the address of every hub, this one included")
	case len(peers) > mostPeers:
		return nil, fmt.Errorf("%d peers are too many: a cluster has at most %d hubs", len(peers), mostPeers)
	}
	return peers, nil
}

var span = regexp.MustCompile(`^([^{}]*)\{(\d{1,5})\.\.(\d{1,5})\}([^{}]*)$`)

// expand returns what an entry such as tidings-{0..2}.tidings stands for.
func expand(entry string) (peers []string, err error) {
	if !strings.ContainsAny(entry, "{}") {
		return []string{entry}, nil
	}
	m := span.FindStringSubmatch(entry)
	if m == nil {
		return nil, fmt.Errorf("%q is not a list of peers: the pattern is such as tidings-{0..2}.tidings:4248", entry)
	}
	from, _ := strconv.Atoi(m[2]) // the expression has checked them
	to, _ := strconv.Atoi(m[3])
	if to < from || to-from >= mostPeers {
		return nil, fmt.Errorf("%q is not a list of peers: {%d..%d} must stand for 1 to %d hubs", entry, from, to, mostPeers)
	}
	for i := from; i <= to; i++ {
		peers = append(peers, m[1]+strconv.Itoa(i)+m[4])
	}
	return peers, nil
}

// parsePeer returns an entry as host:port.
func parsePeer(entry string) (string, error) {
	host, port, err := net.SplitHostPort(entry)
	if err != nil {
		host, port = strings.Trim(entry, "[]"), DefaultPort
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", fmt.Errorf("%q is not the address of a hub, such as a:4248", entry)
		}
	}
	ip := net.ParseIP(host)
	number, err := strconv.Atoi(port)
	switch {
	case host == "" || strings.ContainsAny(host, "/@?#% \t\r\n"):
		return "", fmt.Errorf("%q is not the address of a hub, such as a:4248", entry)
	case err != nil || number < 1 || number > 65535:
		return "", fmt.Errorf("%q is not the address of a hub: a port is a number from 1 to 65535", entry)
	case ip != nil && ip.IsUnspecified():
		return "", fmt.Errorf("%q stands for every address of a machine: list the address at which the other hubs reach this one", entry)
	case ip != nil:
		host = ip.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(number)), nil
}

// lookup returns the addresses of a host. Tests replace it.
var lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// checkNames refuses names that stand for several hubs, and hubs with several names. The length of the list determines the first majority.
// With a wrong length, two halves of a cluster could each elect a leader, or neither could. A name without an address is accepted, because
// containers get theirs when they start.
func (o *Options) checkNames(ctx context.Context, peers []string) error {
	owners := map[netip.AddrPort]string{}
	for _, peer := range peers {
		host, text, _ := net.SplitHostPort(peer)
		port, _ := strconv.ParseUint(text, 10, 16)
		addresses, err := lookup(ctx, host)
		if err != nil {
			o.Logger.Warn("the address of a hub is not known yet", "peer", peer, "error", err.Error())
			continue
		}
		var four, six int
		for _, a := range addresses {
			if a = a.Unmap(); a.Is4() {
				four++
			} else {
				six++
			}
			at := netip.AddrPortFrom(a, uint16(port))
			if other := owners[at]; other != "" && other != peer {
				return fmt.Errorf("%q and %q are the same hub, %v: the list of peers must have each hub once", other, peer, at)
			}
			owners[at] = peer
		}
		if four > 1 || six > 1 {
			return fmt.Errorf("the name %q has %d addresses: list each hub by a name of its own, such as tidings-{0..2}.tidings for the pods of a StatefulSet", host, len(addresses))
		}
	}
	return nil
}

// ErrSelf is in the error of Open and Identify if a hub cannot find itself in the list of peers. Options.Self or Options.Listen helps.
var ErrSelf = errors.New("say which one this hub is")

// findSelf returns this hub's entry in the list.
func (o *Options) findSelf(ctx context.Context, peers []string) (string, error) {
	for _, entry := range []string{o.Self, o.Listen} {
		if entry == "" {
			continue
		}
		peer, err := parsePeer(strings.ToLower(entry))
		switch {
		case err == nil && slices.Contains(peers, peer):
			return peer, nil
		case entry == o.Self:
			return "", fmt.Errorf("this hub's own address, %q, is not in the list of peers, %s: the list has every hub, this one included", entry, strings.Join(peers, ", "))
		}
	}
	machine, _ := os.Hostname() // without a name, its addresses remain
	var named, addressed []string
	own := ownAddresses()
	for _, peer := range peers {
		host, _, _ := net.SplitHostPort(peer)
		first, _, _ := strings.Cut(host, ".")
		if machine = strings.ToLower(machine); host == machine || first == machine || host == strings.ToLower(o.Name) || first == strings.ToLower(o.Name) {
			named = append(named, peer)
		}
		addresses, _ := lookup(ctx, host) // checkNames has logged the error
		if slices.ContainsFunc(addresses, func(a netip.Addr) bool { return own[a.Unmap()] }) {
			addressed = append(addressed, peer)
		}
	}
	switch {
	case len(named) == 1:
		return named[0], nil
	case len(named) == 0 && len(addressed) == 1:
		return addressed[0], nil
	case len(peers) == 1:
		return peers[0], nil
	case len(named)+len(addressed) == 0 && o.Listen != "":
		return "", fmt.Errorf("this hub is not in the list of peers, %s: none is %q, where it listens, or has the name %q or an address of this machine: %w", strings.Join(peers, ", "), o.Listen, machine, ErrSelf)
	case len(named)+len(addressed) == 0:
		return "", fmt.Errorf("this hub is not in the list of peers, %s: none has the name %q or an address of this machine: add it, or %w", strings.Join(peers, ", "), machine, ErrSelf)
	}
	several := strings.Join(append(named, addressed...), ", ")
	if o.Listen != "" {
		return "", fmt.Errorf("several peers are on this machine, %s, and none is %q, where this hub listens: %w", several, o.Listen, ErrSelf)
	}
	return "", fmt.Errorf("several peers are on this machine, %s: %w", several, ErrSelf)
}

func ownAddresses() map[netip.Addr]bool {
	own := map[netip.Addr]bool{}
	addresses, _ := net.InterfaceAddrs() // without them, the name remains
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			own[prefix.Addr().Unmap()] = true
		}
	}
	return own
}

// number reports whether text is a number, such as a port without its colon.
func number(text string) bool {
	_, err := strconv.Atoi(text)
	return err == nil
}

// ListenAddress returns the address at which the server of a hub with others listens for them. self is the hub's entry in Peers, as [Identify] returns it;
// it has the port if Listen has none.
func (o *Options) ListenAddress(self string) (string, error) {
	host, port, err := net.SplitHostPort(self)
	if err != nil {
		return "", err
	}
	if o.Listen == "" {
		if net.ParseIP(host) == nil {
			host = ""
		}
	} else if h, p, err := net.SplitHostPort(o.Listen); err == nil {
		host, port = h, p
	} else if peer, err := parsePeer(o.Listen); err == nil && !number(o.Listen) { // an entry of the list without a port
		if host, _, err = net.SplitHostPort(peer); err != nil {
			return "", err
		}
	} else {
		return "", fmt.Errorf("%q is not an address to listen on, such as :4248", o.Listen)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return net.JoinHostPort(host, port), nil
}
