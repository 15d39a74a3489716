package natsnode_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
)

func TestListOfPeers(t *testing.T) {
	tests := map[string]struct {
		list []string
		want []string
		says string // in the error
	}{
		"names":                {[]string{"a:1", "B:2", "c"}, []string{"a:1", "b:2", "c:4248"}, ""},
		"spaces":               {[]string{" a ", "b:1\t"}, []string{"a:4248", "b:1"}, ""},
		"addresses":            {[]string{"10.0.0.1", "10.0.0.2:99", "[::1]:5", "::2", "[::3]"}, []string{"10.0.0.1:4248", "10.0.0.2:99", "[::1]:5", "[::2]:4248", "[::3]:4248"}, ""},
		"pods":                 {[]string{"tidings-{0..2}.tidings:4249"}, []string{"tidings-0.tidings:4249", "tidings-1.tidings:4249", "tidings-2.tidings:4249"}, ""},
		"pods without a port":  {[]string{"t-{9..10}"}, []string{"t-9:4248", "t-10:4248"}, ""},
		"ports":                {[]string{"127.0.0.1:{4248..4250}"}, []string{"127.0.0.1:4248", "127.0.0.1:4249", "127.0.0.1:4250"}, ""},
		"ports of five digits": {[]string{"a:{9999..10000}"}, []string{"a:9999", "a:10000"}, ""},
		"none":                 {nil, nil, "is empty"},
		"an empty entry":       {[]string{"a", ""}, nil, `"" is not the address of a hub`},
		"twice":                {[]string{"a", "b", "A:4248"}, nil, `"a:4248" is twice`},
		"address twice":        {[]string{"::1", "[0:0::1]:4248"}, nil, "twice"},
		"pods twice":           {[]string{"t-{0..2}", "t-1"}, nil, `"t-1:4248" is twice`},
		"unspecified":          {[]string{"0.0.0.0:4248", "b"}, nil, "stands for every address"},
		"unspecified, IPv6":    {[]string{"[::]:4248", "b"}, nil, "stands for every address"},
		"no host":              {[]string{":4248"}, nil, "is not the address"},
		"port zero":            {[]string{"a:0"}, nil, "a port is a number from 1 to 65535"},
		"port too large":       {[]string{"a:65536"}, nil, "a port is"},
		"port is a name":       {[]string{"a:nats"}, nil, "a port is"},
		"URL":                  {[]string{"nats://a:4248"}, nil, "is not the address"},
		"two colons":           {[]string{"a:b:c"}, nil, "is not the address"},
		"user":                 {[]string{"me@a:4248"}, nil, "is not the address"},
		"open brace":           {[]string{"a-{0..2"}, nil, "the pattern is such as"},
		"two patterns":         {[]string{"a-{0..2}-{0..2}"}, nil, "the pattern is such as"},
		"backwards":            {[]string{"a-{2..0}"}, nil, "must stand for 1 to 64 hubs"},
		"too many":             {[]string{"a-{0..64}"}, nil, "must stand for 1 to 64 hubs"},
		"too many in all":      {[]string{"a-{0..40}", "b-{0..40}"}, nil, "82 peers are too many"},
		"names with a newline": {[]string{"a\nb"}, nil, "is not the address"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := natsnode.ParsePeers(test.list)
			if !cmp.Equal(got, test.want) || (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %q, %v; want %q, %q", got, err, test.want, test.says)
			}
		})
	}
}

// TestPeersAreFoundByName uses a table instead of DNS. This machine has the address 127.0.0.1.
func TestPeersAreFoundByName(t *testing.T) {
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	dns := map[string][]string{
		"a": {"10.0.0.1"}, "a.alias": {"10.0.0.1"}, "b": {"10.0.0.2"}, "c": {"10.0.0.3", "fd00::3"}, "own": {"127.0.0.1", "::1"},
		"all": {"10.0.0.1", "10.0.0.2", "10.0.0.3"}, "six": {"fd00::1", "fd00::2"},
	}
	natsnode.Resolve(t, func(_ context.Context, host string) (addresses []netip.Addr, err error) {
		if a, err := netip.ParseAddr(host); err == nil {
			return []netip.Addr{a}, nil
		}
		for _, text := range dns[host] {
			addresses = append(addresses, netip.MustParseAddr(text))
		}
		if addresses == nil {
			err = errors.New("no such host")
		}
		return addresses, err
	})
	tests := map[string]struct {
		o    natsnode.Options
		self string
		says string // in the error or the log
	}{
		"said":                                  {natsnode.Options{Peers: []string{"a", "b", "c"}, Self: "B"}, "b:4248", ""},
		"said, not in the list":                 {natsnode.Options{Peers: []string{"a", "b", "c"}, Self: "d"}, "", `this hub's own address, "d", is not in the list of peers, a:4248, b:4248, c:4248`},
		"said with another port":                {natsnode.Options{Peers: []string{"a", "b", "c"}, Self: "a:1"}, "", "is not in the list"},
		"by address":                            {natsnode.Options{Peers: []string{"a", "own", "c"}}, "own:4248", ""},
		"by literal address":                    {natsnode.Options{Peers: []string{"a", "127.0.0.1", "c"}}, "127.0.0.1:4248", ""},
		"by name of the machine":                {natsnode.Options{Peers: []string{"a", machine + ".hubs", "own"}}, strings.ToLower(machine) + ".hubs:4248", "not known yet"},
		"by its name":                           {natsnode.Options{Peers: []string{"a", "own", "c"}, Name: "A"}, "a:4248", ""},
		"by what it listens on":                 {natsnode.Options{Peers: []string{"own:1", "own:2", "own:3"}, Listen: "own:2"}, "own:2", ""},
		"by what it listens on, without a port": {natsnode.Options{Peers: []string{"127.0.1.1", "127.0.1.2", "127.0.1.3"}, Listen: "127.0.1.2"}, "127.0.1.2:4248", ""},
		"listening elsewhere":                   {natsnode.Options{Peers: []string{"a", "b", "c"}, Listen: "10.0.0.9:4248"}, "", `none is "10.0.0.9:4248", where it listens`},
		"several on this machine":               {natsnode.Options{Peers: []string{"own:1", "own:2", "own:3"}}, "", "several peers are on this machine, own:1, own:2, own:3"},
		"several, listening elsewhere":          {natsnode.Options{Peers: []string{"own:1", "own:2", "own:3"}, Listen: "own:9"}, "", `none is "own:9", where this hub listens`},
		"none on this machine":                  {natsnode.Options{Peers: []string{"a", "b", "c"}}, "", "this hub is not in the list of peers"},
		"one name for three hubs":               {natsnode.Options{Peers: []string{"all"}}, "", `the name "all" has 3 addresses: list each hub by a name of its own`},
		"one name among others":                 {natsnode.Options{Peers: []string{"own", "all"}}, "", "has 3 addresses"},
		"one name with IPv6":                    {natsnode.Options{Peers: []string{"own", "six", "b"}}, "", "has 2 addresses"},
		"two names of one hub":                  {natsnode.Options{Peers: []string{"own", "a", "a.alias"}}, "", `"a:4248" and "a.alias:4248" are the same hub`},
		"name and address of one hub":           {natsnode.Options{Peers: []string{"own", "a", "10.0.0.1"}}, "", "are the same hub"},
		"one machine, two ports":                {natsnode.Options{Peers: []string{"own", "a:1", "a.alias:2"}}, "own:4248", ""},
		"a name that is not known":              {natsnode.Options{Peers: []string{"own", "later-1", "later-2"}}, "own:4248", "not known yet"},
		"an even number":                        {natsnode.Options{Peers: []string{"own", "a", "b", "c"}}, "own:4248", "a cluster of 4 hubs survives the loss of as many hubs as one of 3"},
		"alone":                                 {natsnode.Options{Peers: []string{"anything"}}, "anything:4248", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var logged strings.Builder
			test.o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			_, self, err := test.o.FindPeers(t.Context())
			said := logged.String()
			if err != nil {
				said = err.Error()
			}
			if self != test.self || (err == nil) != (test.self != "") || !strings.Contains(said, test.says) {
				t.Errorf("this hub is %q, %s; want %q, %q", self, said, test.self, test.says)
			}
		})
	}
}

func TestHubListensAtItsEntryAlsoWithoutAPort(t *testing.T) {
	for listen, want := range map[string]string{
		"": "127.0.1.2:5000", ":4248": "0.0.0.0:4248", "127.0.1.2": "127.0.1.2:5000", "127.0.1.2:1": "127.0.1.2:1", "::1": "[::1]:5000", "[::1]": "[::1]:5000", "4248": "", "a b": "",
	} {
		got, err := (&natsnode.Options{Listen: listen}).ListenAddress("127.0.1.2:5000")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q listens on %q, %v; want %q", listen, got, err, want)
		}
	}
}
