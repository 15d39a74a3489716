package deploy

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/internal/acme"
)

const patience = 4 * time.Minute // how long to wait for what should come soon: on a busy machine a check may time out, and is repeated after a minute

var names atomic.Int64

// newName returns a domain that leads to this machine. Each test has its own, because certmagic has one memory of domains for the whole process.
func newName() string { return fmt.Sprintf("hub%d.example.com", names.Add(1)) }

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"} {
		if err := os.Setenv(name, value); err != nil { // Pebble reads them: no waiting, no failures by chance, no checks that it skips
			panic(err)
		}
	}
	code := m.Run()
	if program, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(program))
	}
	os.Exit(code)
}

// site is a TLS server with a manager of certificates.
type site struct {
	*acme.Manager
	addr string // where it serves TLS
	t    *testing.T
}

// startSite starts a server for some domains, to which the CA's connections lead. plain also answers over HTTP.
func startSite(t *testing.T, a *authority, folder string, plain bool, domains ...string) *site {
	t.Helper()
	m, err := acme.New(acme.Options{
		Domains: domains, Folder: folder, Directory: a.url, Roots: a.server, Check: 50 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	secure, err := tls.Listen("tcp", "127.0.0.1:0", m.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	serve(t, secure, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s := &site{m, secure.Addr().String(), t}
	a.secure.leadTo(s.addr)
	if !plain {
		if err := m.Start(secure.Addr(), nil); err != nil {
			t.Fatal(err)
		}
		return s
	}
	clear, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(secure.Addr(), clear.Addr()); err != nil {
		t.Fatal(err)
	}
	serve(t, clear, m.HTTPHandler())
	a.plain.leadTo(clear.Addr().String())
	return s
}

func serve(t *testing.T, l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}

// serial returns the number of the certificate for a name, and the error of the handshake. The certificate may have expired.
func (s *site) serial(a *authority, name string) (serial string, err error) {
	config := &tls.Config{ServerName: name, NextProtos: []string{"h2"}, InsecureSkipVerify: true, VerifyConnection: func(c tls.ConnectionState) error {
		leaf, others := c.PeerCertificates[0], x509.NewCertPool()
		for _, ca := range c.PeerCertificates[1:] {
			others.AddCert(ca)
		}
		serial = leaf.SerialNumber.String()
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: a.issued, Intermediates: others, CurrentTime: leaf.NotBefore})
		return err
	}}
	conn, err := tls.Dial("tcp", s.addr, config)
	if err != nil {
		return "", err
	}
	return serial, conn.Close()
}

// await waits until a condition holds.
func (s *site) await(what string, holds func() bool) {
	s.t.Helper()
	for enough := time.Now().Add(patience); !holds(); {
		if time.Now().After(enough) {
			s.t.Fatalf("%s: it never happens; the state is %+v", what, s.Status())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// certified waits for the first certificate of a name, and returns its number.
func (s *site) certified(a *authority, name string) (serial string) {
	s.t.Helper()
	s.await("a certificate for "+name, func() bool {
		got, err := s.serial(a, name)
		serial = got
		return err == nil
	})
	return serial
}

func TestCertificateComesFromTheCAAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	name, other := newName(), newName()
	a, folder := startCA(t, quarter, nil), filepath.Join(t.TempDir(), "acme")
	first := startSite(t, a, folder, false, name, other)
	serial := first.certified(a, name)
	if serial == first.certified(a, other) {
		t.Error("two names have one certificate")
	}
	orders := a.orders.Load()
	first.Close()

	again := startSite(t, a, folder, false, name, other)
	if got := again.certified(a, name); got != serial || a.orders.Load() != orders {
		t.Errorf("after a restart: certificate %s with %d orders, want %s with %d", got, a.orders.Load(), serial, orders)
	}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode()&0o077 != 0 {
			t.Errorf("others may use %s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestHandshakeForAForeignNameIsRefused(t *testing.T) {
	t.Parallel()
	name := newName()
	a := startCA(t, quarter, nil)
	s := startSite(t, a, t.TempDir(), false, name)
	serial, orders := s.certified(a, name), a.orders.Load()
	for _, foreign := range []string{"evil.example.com", "sub." + name, "localhost"} {
		if _, err := s.serial(a, foreign); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: %v", foreign, err)
		}
	}
	for _, same := range []string{"", strings.ToUpper(name)} { // health checks often name no host
		if got, err := s.serial(a, same); got != serial || err != nil {
			t.Errorf("%q: certificate %s, %v, want %s", same, got, err, serial)
		}
	}
	if n := a.orders.Load(); n != orders {
		t.Errorf("there were %d orders, and then %d", orders, n)
	}
}

func TestCertificateIsRenewedBeforeItExpires(t *testing.T) {
	t.Parallel()
	name := newName()
	a := startCA(t, 4, nil)
	s := startSite(t, a, t.TempDir(), false, name)
	serial := s.certified(a, name)
	s.await("the renewal", func() bool {
		got, err := s.serial(a, name)
		if err != nil {
			t.Fatal(err)
		}
		return got != serial
	})
	if err := s.Status()[0].Err; err != nil {
		t.Error(err)
	}
}

// TestOldCertificateStaysWhenTheCADoesNotRenewIt: also when it has expired. The CA is not asked again and again.
func TestOldCertificateStaysWhenTheCADoesNotRenewIt(t *testing.T) {
	t.Parallel()
	for how, refuse := range map[string]func(http.ResponseWriter, *http.Request, int64) bool{"the CA refuses": refuseAfter(1), "the CA does not answer": breakAfter(1)} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			name := newName()
			a, folder := startCA(t, 3, refuse), t.TempDir()
			s := startSite(t, a, folder, false, name)
			serial := s.certified(a, name)
			s.await("the failure", func() bool { return s.Status()[0].Err != nil })
			s.await("the end of the certificate", func() bool { return time.Now().After(s.Status()[0].NotAfter) })
			asked := a.orders.Load()
			for range 10 {
				if got, err := s.serial(a, name); err != nil || got != serial {
					t.Fatalf("certificate %s, %v, want %s", got, err, serial)
				}
				time.Sleep(50 * time.Millisecond) // a check for renewals
			}
			if n := a.orders.Load(); n > asked+1 { // the minute after the first failure may end just now
				t.Errorf("the CA was asked %d times, and %d times in half a second", n, n-asked)
			}
			s.Close()

			again := startSite(t, a, folder, false, name)
			if got := again.certified(a, name); got != serial {
				t.Errorf("after a restart: certificate %s, want the old one, %s", got, serial)
			}
		})
	}
}

func TestReasonOfTheCAIsReported(t *testing.T) {
	t.Parallel()
	for want, test := range map[string]struct {
		domain string
		refuse func(http.ResponseWriter, *http.Request, int64) bool
	}{
		`resolve url "wrong.example.com"`: {"wrong.example.com", nil}, // it leads nowhere
		"this ca is closed today":         {newName(), refuseAfter(0)},
	} {
		a := startCA(t, quarter, test.refuse)
		s := startSite(t, a, t.TempDir(), false, test.domain)
		s.await("the failure", func() bool { return s.Status()[0].Err != nil })
		if err := s.Status()[0].Err; !strings.Contains(strings.ToLower(err.Error()), want) {
			t.Errorf("%s: %v, want %q", test.domain, err, want)
		}
		if _, err := s.serial(a, test.domain); err == nil {
			t.Errorf("%s: there is a certificate", test.domain)
		}
	}
}

func TestCAComesToPort80IfPort443LeadsElsewhere(t *testing.T) {
	t.Parallel()
	name := newName()
	a := startCA(t, quarter, nil)
	s := startSite(t, a, t.TempDir(), true, name)
	a.secure.leadTo("")
	s.certified(a, name)

	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, test := range []struct {
		method, host, path string
		status             int
		location           string
	}{
		{"GET", name, "/events/news?last=5", 308, "https://" + name + "/events/news?last=5"},
		{"HEAD", strings.ToUpper(name) + ":80", "/", 308, "https://" + name + "/"},
		{"POST", name, "/events/news", 403, ""}, // its body has crossed the network already
		{"GET", "evil.example.com", "/", 421, ""},
		{"GET", name, "/.well-known/acme-challenge/none", 308, "https://" + name + "/.well-known/acme-challenge/none"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, "http://"+a.plain.listener.Addr().String()+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = test.host
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != test.status || answer.Header.Get("Location") != test.location {
			t.Errorf("%s %s%s: %s to %q, want %d to %q", test.method, test.host, test.path, answer.Status, answer.Header.Get("Location"), test.status, test.location)
		}
	}
}

// TestDamagedCertificateIsReplaced: certmagic neither uses nor replaces one, and a hub had no certificate for ever, or did not start.
func TestDamagedCertificateIsReplaced(t *testing.T) {
	t.Parallel()
	for what, damage := range map[string]func(t *testing.T, stem, other string){
		"half a certificate": func(t *testing.T, stem, _ string) { rewrite(t, stem+".crt", "half a cert") },
		"an empty key":       func(t *testing.T, stem, _ string) { rewrite(t, stem+".key", "") },
		"half a description": func(t *testing.T, stem, _ string) { rewrite(t, stem+".json", `{"sans":`) },
		"another domain's": func(t *testing.T, stem, other string) {
			for _, kind := range []string{".crt", ".key"} {
				text, err := os.ReadFile(other + kind)
				if err != nil {
					t.Fatal(err)
				}
				rewrite(t, stem+kind, string(text))
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			a, name, other, folder := startCA(t, quarter, nil), newName(), newName(), t.TempDir()
			s := startSite(t, a, folder, false, name, other)
			old := s.certified(a, name)
			s.certified(a, other)
			s.Close()
			folders, err := filepath.Glob(filepath.Join(folder, "certificates", "*"))
			if err != nil || len(folders) != 1 {
				t.Fatal(folders, err)
			}
			damage(t, filepath.Join(folders[0], name, name), filepath.Join(folders[0], other, other))
			s = startSite(t, a, folder, false, name, other)
			if got := s.certified(a, name); got == old {
				t.Error("the damaged certificate is in use")
			}
			if aside, err := filepath.Glob(filepath.Join(folders[0], name+".damaged-*")); err != nil || len(aside) != 1 {
				t.Errorf("the damaged files are in %q, %v", aside, err)
			}
		})
	}
}

// TestDamagedAccountIsReplaced: each renewal, and each certificate for another domain, failed.
func TestDamagedAccountIsReplaced(t *testing.T) {
	t.Parallel()
	a, name, other, folder := startCA(t, quarter, nil), newName(), newName(), t.TempDir()
	s := startSite(t, a, folder, false, name)
	serial := s.certified(a, name)
	s.Close()
	keys, err := filepath.Glob(filepath.Join(folder, "acme", "*", "users", "*", "*.key"))
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	rewrite(t, keys[0], "half a key")
	s = startSite(t, a, folder, false, name, other)
	s.certified(a, other)
	if got := s.certified(a, name); got != serial {
		t.Errorf("certificate %s, want the stored one, %s", got, serial)
	}
}

// TestAccountThatIsNotStoredYetIsNoAddress: a hub took the name of its folder for an email address, and had no certificate until it was started again.
func TestAccountThatIsNotStoredYetIsNoAddress(t *testing.T) {
	t.Parallel()
	a, name, other, folder := startCA(t, quarter, nil), newName(), newName(), t.TempDir()
	s := startSite(t, a, folder, false, name)
	s.certified(a, name)
	s.Close()
	files, err := filepath.Glob(filepath.Join(folder, "acme", "*", "users", "default", "*"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	s = startSite(t, a, folder, false, name, other)
	s.certified(a, other)
}

func rewrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
