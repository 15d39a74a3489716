package hub

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// address is the IP address of a client, as 16 bytes. The zero address is unknown, for example because the client uses a Unix socket.
type address [16]byte

func (a address) known() bool { return a != address{} }

func (a address) String() string {
	if !a.known() {
		return ""
	}
	return netip.AddrFrom16(a).Unmap().String()
}

// network returns what limits count as one client: an IPv4 address, or the /64 network of an IPv6 address. One client may have all of it.
func (a address) network() address {
	if !netip.AddrFrom16(a).Is4In6() {
		clear(a[8:])
	}
	return a
}

// addressOf returns the address of the client: the last hop of a request that is not a trusted proxy. Earlier hops in the header may be
// forged.
func (h *Hub) addressOf(r *http.Request) address {
	peer, _ := parseAddress(r.RemoteAddr)
	at := peer
	if len(h.opts.TrustedProxies) > 0 && h.trusted(peer) {
		at = h.forwarded(r.Header, peer)
	}
	if !at.IsValid() {
		return address{}
	}
	return at.As16()
}

// ClientAddress returns the IP address of the client of a request, as seen by the first of the trusted proxies. It is empty if the address
// is unknown.
func (h *Hub) ClientAddress(r *http.Request) string { return h.addressOf(r).String() }

// trusted reports whether an address belongs to a trusted proxy. An invalid address stands for a Unix socket, which is trusted.
func (h *Hub) trusted(at netip.Addr) bool {
	return !at.IsValid() || slices.ContainsFunc(h.opts.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(at) })
}

// forwarded returns the address of the client that a trusted proxy names. Most proxies write one of the two fields and pass on the other
// one unchanged. If the fields disagree, one may be forged. Then all clients of the proxy count as the proxy's address.
func (h *Hub) forwarded(header http.Header, peer netip.Addr) netip.Addr {
	ours, standard := header.Values("X-Forwarded-For"), header.Values("Forwarded")
	switch {
	case len(standard) == 0:
		return h.walk(ours, strings.TrimSpace, peer)
	case len(ours) == 0:
		return h.walk(standard, forOf, peer)
	}
	if at := h.walk(ours, strings.TrimSpace, peer); at == h.walk(standard, forOf, peer) {
		return at
	}
	return peer
}

// walk follows the hops backwards, from proxy to proxy. It stops at an address that is not trusted, or before a hop without an address.
func (h *Hub) walk(fields []string, address func(hop string) string, at netip.Addr) netip.Addr {
	for _, field := range slices.Backward(fields) {
		for more := true; more; {
			var hop string
			field, hop, more = cutLast(field)
			before, ok := parseAddress(address(hop))
			if !ok {
				return at
			}
			if at = before; !h.trusted(at) {
				return at
			}
		}
	}
	return at
}

func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	return list[:max(i, 0)], list[i+1:], i >= 0
}

// forOf returns the address in an element of Forwarded (RFC 7239, section 4), such as for="[2001:db8::1]:4711";proto=https
func forOf(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// parseAddress parses an IP address with or without a port.
func parseAddress(text string) (at netip.Addr, ok bool) {
	if pair, err := netip.ParseAddrPort(text); err == nil {
		at = pair.Addr()
	} else if at, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err != nil {
		return netip.Addr{}, false
	}
	return at.Unmap().WithZone(""), true
}
