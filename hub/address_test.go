package hub_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestOnlyTrustedProxiesAreBelieved: the client's address is the last address in the field that is not a trusted proxy's.
func TestOnlyTrustedProxiesAreBelieved(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, test := range map[string]struct {
		trusted   []netip.Prefix
		peer      string
		forwarded []string // X-Forwarded-For
		standard  []string // Forwarded
		want      string
	}{
		"no proxies":                  {nil, "10.0.0.1:1", []string{"192.0.2.1"}, nil, "10.0.0.1"},
		"an untrusted peer":           {proxies, "203.0.113.9:1", []string{"192.0.2.1"}, []string{"for=192.0.2.1"}, "203.0.113.9"},
		"no header":                   {proxies, "10.0.0.1:1", nil, nil, "10.0.0.1"},
		"one proxy":                   {proxies, "10.0.0.1:1", []string{"192.0.2.1"}, nil, "192.0.2.1"},
		"an address that is forged":   {proxies, "10.0.0.1:1", []string{"127.0.0.1, 192.0.2.1"}, nil, "192.0.2.1"},
		"in a second field":           {proxies, "10.0.0.1:1", []string{"127.0.0.1", "192.0.2.1"}, nil, "192.0.2.1"},
		"two proxies":                 {proxies, "10.0.0.1:1", []string{"6.6.6.6, 192.0.2.1, 10.9.9.9"}, nil, "192.0.2.1"},
		"all hops are trusted":        {proxies, "10.0.0.1:1", []string{"10.0.0.3,10.0.0.2"}, nil, "10.0.0.3"},
		"with a port":                 {proxies, "10.0.0.1:1", []string{"192.0.2.1:4711"}, nil, "192.0.2.1"},
		"IPv6":                        {proxies, "[fd00::1]:1", []string{"2001:db8::1"}, nil, "2001:db8::1"},
		"IPv6 with a port":            {proxies, "[fd00::1]:1", []string{"[2001:db8::1]:80"}, nil, "2001:db8::1"},
		"IPv4 in IPv6":                {proxies, "[::ffff:10.0.0.1]:1", []string{"::ffff:192.0.2.1"}, nil, "192.0.2.1"},
		"garbage":                     {proxies, "10.0.0.1:1", []string{"192.0.2.1, unknown"}, nil, "10.0.0.1"},
		"empty":                       {proxies, "10.0.0.1:1", []string{""}, nil, "10.0.0.1"},
		"Forwarded":                   {proxies, "10.0.0.1:1", nil, []string{`for=192.0.2.1;proto=https, For="[2001:db8::1]:4711"`}, "2001:db8::1"},
		"Forwarded, two proxies":      {proxies, "10.0.0.1:1", nil, []string{`for=6.6.6.6, for=192.0.2.1`, `proto=http; for=10.0.0.2`}, "192.0.2.1"},
		"Forwarded, hidden address":   {proxies, "10.0.0.1:1", nil, []string{`for=_hidden`}, "10.0.0.1"},
		"both, and they agree":        {proxies, "10.0.0.1:1", []string{"192.0.2.1"}, []string{"for=192.0.2.1"}, "192.0.2.1"},
		"both, and one is forged":     {proxies, "10.0.0.1:1", []string{"192.0.2.1"}, []string{"for=6.6.6.6"}, "10.0.0.1"},
		"a Unix socket":               {nil, "@", nil, nil, ""},
		"a proxy on a Unix socket":    {proxies, "@", []string{"192.0.2.1"}, nil, "192.0.2.1"},
		"an interface in the address": {nil, "[fe80::1%eth0]:1", nil, nil, "fe80::1"},
	} {
		h := mustHub(t, mustMemory(t, nil), &hub.Options{TrustedProxies: test.trusted})
		r := &http.Request{RemoteAddr: test.peer, Header: http.Header{"X-Forwarded-For": test.forwarded, "Forwarded": test.standard}}
		if got := h.AddressOf(r); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestIPv6ClientsAreCountedByNetwork: a client with one IPv6 address usually has 2^64 of them, so limits count /64 networks.
func TestIPv6ClientsAreCountedByNetwork(t *testing.T) {
	t.Parallel()
	o := hub.Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, PublishPerAddress: hub.Rate{PerSecond: 0.01, Burst: 1}}
	s := serve(t, mustMemory(t, nil), &o, transports[0])
	for _, test := range []struct {
		from   string
		status int
	}{
		{"2001:db8::1", 200}, {"2001:db8::2", 429}, {"2001:db8:0:1::1", 200}, {"192.0.2.1", 200}, {"192.0.2.2", 200}, {"192.0.2.1", 429},
	} {
		a := s.send(request{path: "/events/news", body: "x", header: map[string]string{"X-Forwarded-For": test.from}})
		if a.status != test.status {
			t.Errorf("%s: %+v", test.from, a)
		}
	}
}
