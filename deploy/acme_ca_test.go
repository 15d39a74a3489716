package deploy

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// authority is Pebble, the ACME server for tests, with a DNS server in which all names of example.com lead to this machine.
type authority struct {
	url    string         // of its directory
	file   string         // the certificate of its own server, for --acme-ca
	server *x509.CertPool // the same
	issued *x509.CertPool // the root of the certificates that it issues

	secure, plain *door // the ports 443 and 80 of all names

	orders atomic.Int64                                         // requests for a certificate
	gate   sync.Mutex                                           // they wait while it is locked
	refuse func(http.ResponseWriter, *http.Request, int64) bool // answers the request with a number, or returns false; nil: refuses none
}

// quarter is the life of a usual certificate in seconds. A CA that suggests when to renew (RFC 9773) names any time in the life of one that is much shorter.
const quarter = 90 * 24 * 3600

// refuseAfter returns a refuse for all but the first requests.
func refuseAfter(issued int64) func(http.ResponseWriter, *http.Request, int64) bool {
	return func(w http.ResponseWriter, _ *http.Request, n int64) bool {
		if n <= issued {
			return false
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","status":403,"detail":"this CA is closed today"}`)
		return true
	}
}

// breakAfter returns a refuse that breaks the connections of all but the first requests.
func breakAfter(issued int64) func(http.ResponseWriter, *http.Request, int64) bool {
	return func(_ http.ResponseWriter, _ *http.Request, n int64) bool {
		if n > issued {
			panic(http.ErrAbortHandler)
		}
		return false
	}
}

// startCA starts an authority whose certificates are valid for some seconds.
func startCA(t *testing.T, seconds uint64, refuse func(http.ResponseWriter, *http.Request, int64) bool) *authority {
	t.Helper()
	a := &authority{secure: openDoor(t), plain: openDoor(t), refuse: refuse}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "short", ValidityPeriod: seconds}})
	checks := va.New(quiet, a.plain.port(), a.secure.port(), false, startDNS(t), store)
	front := wfe.New(quiet, store, checks, issuer, []string{"ca.example"}, false, false, 0, 0)
	pebble := front.Handler()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/order-plz") {
			n := a.orders.Add(1)
			a.gate.Lock()
			a.gate.Unlock() //nolint:staticcheck // only waits
			if a.refuse != nil && a.refuse(w, r, n) {
				return
			}
		}
		pebble.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	a.url = server.URL + wfe.DirectoryPath
	a.server, a.issued = x509.NewCertPool(), x509.NewCertPool()
	a.server.AddCert(server.Certificate())
	a.issued.AddCert(issuer.GetRootCert(0).Cert)
	a.file = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(a.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// startDNS starts a DNS server, in which the names of newName lead to this machine. No other name exists.
func startDNS(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		answer := new(dns.Msg).SetReply(question)
		switch q := question.Question[0]; {
		case !strings.HasPrefix(q.Name, "hub"):
			answer.Rcode = dns.RcodeNameError
		case q.Qtype == dns.TypeA:
			header := dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}
			answer.Answer = []dns.RR{&dns.A{Hdr: header, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(answer) // fails only if Pebble has gone
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// door accepts connections, and forwards them to an address that may change.
type door struct {
	listener net.Listener
	mu       sync.Mutex
	to       string // "": nowhere
}

func openDoor(t *testing.T) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{listener: l}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { d.forward(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		open.Wait()
	})
	return d
}

func (d *door) port() int { return d.listener.Addr().(*net.TCPAddr).Port }

// leadTo makes the door lead to a listener's address.
func (d *door) leadTo(addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = addr
}

func (d *door) forward(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	d.mu.Lock()
	to := d.to
	d.mu.Unlock()
	if to == "" {
		return
	}
	onward, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(conn, onward) // ends when either side closes
		_ = conn.Close()
	})
	_, _ = io.Copy(onward, conn)
	_ = onward.Close()
	back.Wait()
}
