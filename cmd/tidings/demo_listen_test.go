package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// say runs the program as main does, and returns its exit code and output.
func say(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e strings.Builder
	p := program{stdio: stdio{in: strings.NewReader(""), out: &o, err: &e}}
	code = p.run(t.Context(), args)
	return code, o.String(), e.String()
}

func TestDemoPortInUseSaysWhatToDo(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	port := other.Addr().(*net.TCPAddr).Port
	for _, addr := range []string{"localhost:%d", ":%d", "%d", "127.0.0.1:%d"} {
		addr := fmt.Sprintf(addr, port)
		code, out, complaint := say(t, "demo", "--addr", addr)
		if code != exitFailure || out != "" {
			t.Errorf("--addr %s: exit code %d, output %q", addr, code, out)
		}
		for _, want := range []string{
			"tidings: ", strconv.Itoa(port) + " is in use by another program\n",
			"hint: --addr ", ":" + strconv.Itoa(port%65535+1) + "\n",
		} {
			if !strings.Contains(complaint, want) {
				t.Errorf("--addr %s: %q does not contain %q", addr, complaint, want)
			}
		}
	}
}

// fakeNet is a machine on which only some addresses are free.
type fakeNet struct {
	refuse map[string]error // by IP
	open   []string
}

type fakeListener struct {
	net  *fakeNet
	addr string
}

func (n *fakeNet) listen(_, addr string) (net.Listener, error) {
	ip, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if err := n.refuse[ip]; err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	if port == "0" {
		port = "40000"
	}
	addr = net.JoinHostPort(ip, port)
	n.open = append(n.open, addr)
	return &fakeListener{n, addr}, nil
}

func (l *fakeListener) Accept() (net.Conn, error) { return nil, io.EOF }

func (l *fakeListener) Addr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", l.addr)
	return a
}

func (l *fakeListener) Close() error {
	l.net.open = slices.DeleteFunc(l.net.open, func(a string) bool { return a == l.addr })
	return nil
}

// Browsers try ::1 before 127.0.0.1 for localhost. A development server that listens only on ::1 would get the visitors of the demo.
func TestDemoListensOnIPv4AndIPv6(t *testing.T) {
	const v4, v6 = "127.0.0.1", "::1"
	for _, test := range []struct {
		name   string
		refuse map[string]error
		open   []string
		err    string
	}{
		{"both", nil, []string{"127.0.0.1:40000", "[::1]:40000"}, ""},
		{"no IPv6", map[string]error{v6: syscall.EADDRNOTAVAIL}, []string{"127.0.0.1:40000"}, ""},
		{"no IPv4", map[string]error{v4: syscall.EAFNOSUPPORT}, []string{"[::1]:40000"}, ""},
		{"neither", map[string]error{v4: syscall.EAFNOSUPPORT, v6: syscall.EAFNOSUPPORT}, nil, "cannot listen on localhost:0"},
		{"somebody on IPv4", map[string]error{v4: syscall.EADDRINUSE}, nil, "in use"},
		{"somebody on IPv6", map[string]error{v6: syscall.EADDRINUSE}, nil, "in use"},
		{"not for us", map[string]error{v4: syscall.EACCES, v6: syscall.EACCES}, nil, "--addr localhost:3000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := &fakeNet{refuse: test.refuse}
			listeners, err := listenLocal(n.listen, "localhost:0")
			if diff := cmp.Diff(test.open, n.open, cmp.Transformer("sorted", func(s []string) string { return fmt.Sprint(s) })); diff != "" {
				t.Errorf("open (-want +got):\n%s", diff)
			}
			switch {
			case test.err == "" && err != nil:
				t.Error(err)
			case test.err == "" && urlOf(listeners, "localhost:0") != "http://localhost:40000":
				t.Errorf("URL %s", urlOf(listeners, "localhost:0"))
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

// TestAnyPortIsFreeOnBothAddresses: the port that the system chose on IPv4 was sometimes that of a connection on IPv6, and the hub did not start.
func TestAnyPortIsFreeOnBothAddresses(t *testing.T) {
	n := &fakeNet{refuse: map[string]error{"::1": syscall.EADDRINUSE}}
	tries := 0
	listeners, err := listenLocal(func(network, addr string) (net.Listener, error) {
		if addr == "127.0.0.1:0" {
			if tries++; tries == 4 {
				clear(n.refuse)
			}
		}
		return n.listen(network, addr)
	}, "localhost:0")
	if err != nil || len(listeners) != 2 || len(n.open) != 2 || tries != 4 {
		t.Errorf("%d listeners after %d tries, open %q, error %v", len(listeners), tries, n.open, err)
	}
}

// Other machines can connect only if --addr says so.
func TestDemoListensOnLocalhostByDefault(t *testing.T) {
	for _, test := range []struct{ addr, open, url string }{
		{"localhost:3000", "127.0.0.1:3000 [::1]:3000", "http://localhost:3000"},
		{":3001", "127.0.0.1:3001 [::1]:3001", "http://localhost:3001"},
		{"3001", "127.0.0.1:3001 [::1]:3001", "http://localhost:3001"},
		{"[::1]:3001", "[::1]:3001", "http://[::1]:3001"},
		{"192.0.2.1:80", "192.0.2.1:80", "http://192.0.2.1:80"},
		{"0.0.0.0:3000", "0.0.0.0:3000", "http://localhost:3000"},
		{"[::]:3000", "[::]:3000", "http://localhost:3000"},
	} {
		n := new(fakeNet)
		listeners, err := listenLocal(n.listen, test.addr)
		if err != nil {
			t.Errorf("%s: %v", test.addr, err)
			continue
		}
		if got := strings.Join(n.open, " "); got != test.open {
			t.Errorf("--addr %s listens on %s, want %s", test.addr, got, test.open)
		}
		if got := urlOf(listeners, test.addr); got != test.url {
			t.Errorf("--addr %s: URL %s, want %s", test.addr, got, test.url)
		}
	}
	for _, addr := range []string{"", "nonsense", "localhost", "localhost:", "localhost:65536", "::1", "http://localhost:3000"} {
		_, err := listenLocal(new(fakeNet).listen, addr)
		if exit, ok := errors.AsType[*exitError](err); !ok || exit.code != exitUsage {
			t.Errorf("--addr %q: %v, want a usage error", addr, err)
		}
	}
}
