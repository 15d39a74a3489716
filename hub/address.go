package hub

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// address is where a request comes from: an IP address in its 16 bytes. The zero address is not known, as that of a Unix socket.
type address [16]byte

func (a address) known() bool { return a != address{} }

func (a address) String() string {
	if !a.known() {
		return ""
	}
	return netip.AddrFrom16(a).Unmap().String()
}

// network is what limits count as one: an address of IPv4, and the /64 that whoever has one address of IPv6 has as a whole.
func (a address) network() address {
	if !netip.AddrFrom16(a).Is4In6() {
		clear(a[8:])
	}
	return a
}

// addressOf returns the address of who sends a request: of the last one on its way here who is not a trusted proxy. What stands
// before that in the header anybody may have written.
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

// ClientAddress returns the IP address that a request comes from, as limits count it: through proxies that are trusted, that for which they
// ask. It is empty if it is not known.
func (h *Hub) ClientAddress(r *http.Request) string { return h.addressOf(r).String() }

// trusted reports whether an address is that of a proxy that is believed. One that is not known is that of a Unix socket.
func (h *Hub) trusted(at netip.Addr) bool {
	return !at.IsValid() || slices.ContainsFunc(h.opts.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(at) })
}

// forwarded returns for whom a trusted proxy asks. Most proxies write one of the two fields and let the other one pass as it came: when
// they do not agree, one may be forged, and the proxy stands for all of its clients.
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

// walk goes back from proxy to proxy, as long as they are trusted and say something that is an address.
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

// parseAddress reads an address, with a port or without.
func parseAddress(text string) (at netip.Addr, ok bool) {
	if pair, err := netip.ParseAddrPort(text); err == nil {
		at = pair.Addr()
	} else if at, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err != nil {
		return netip.Addr{}, false
	}
	return at.Unmap().WithZone(""), true
}
