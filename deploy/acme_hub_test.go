package deploy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// built builds tidings once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tidings-acme-") // TestMain removes it
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tidings")
	build := exec.Command("go", "build", "-o", path, "./cmd/tidings")
	build.Dir = ".."
	build.Stderr = os.Stderr
	return path, build.Run()
})

// process is a running tidings serve.
type process struct {
	t                  *testing.T
	secure, plain, adm string // addresses
	log                *lines
	stop               func()
}

// lines are what a program has written to standard error.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) find(pattern string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return regexp.MustCompile(pattern).FindStringSubmatch(l.text.String())
}

// startHub starts a hub that gets its certificate for a name from an authority.
func startHub(t *testing.T, a *authority, name, data string, args ...string) *process {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{
		"serve", "--insecure", "--data", data, "--addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--min-free", "0",
		"--acme-domain", name, "--acme-directory", a.url, "--acme-ca", a.file, "--acme-email", "admin@example.com",
	}, args...)
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	p := &process{t: t, log: &lines{}}
	out := &lines{}
	command.Stdout, command.Stderr = out, p.log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p.stop = sync.OnceFunc(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("the hub ends with %v:\n%s", err, p.log.find("(?s).*"))
		}
	})
	t.Cleanup(p.stop)
	p.await("the hub's start", func() bool { return out.find("for administrators on") != nil })
	if shown := out.find(`listens on (\S+),`); shown[1] != "https://"+name {
		t.Errorf("the hub names itself %s", shown[1])
	}
	p.secure = p.log.find(` addr=https://(\S+)`)[1]
	p.plain = p.log.find(`http-addr=http://(\S+)`)[1]
	p.adm = out.find(`for administrators on http://([^\s,]+)`)[1]
	a.secure.leadTo(p.secure)
	a.plain.leadTo(p.plain)
	return p
}

func (p *process) await(what string, holds func() bool) {
	p.t.Helper()
	for enough := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(enough) {
			p.t.Fatalf("%s: it never happens:\n%s", what, p.log.find("(?s).*"))
		}
	}
}

// client returns a client for which all names lead to the hub.
func (p *process) client(roots *x509.CertPool, protocol string) *http.Client {
	tr := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, NextProtos: []string{protocol}},
		ForceAttemptHTTP2: protocol == "h2",
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", p.secure)
		},
	}
	p.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// ask sends a request, and returns the answer with its whole body.
func (p *process) ask(c *http.Client, method, url, body string) (*http.Response, string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer, string(text)
}

// certified waits until clients accept the hub's certificate, and returns its number.
func (p *process) certified(a *authority, name string) (serial string) {
	p.t.Helper()
	p.await("a certificate", func() bool {
		conn, err := tls.Dial("tcp", p.secure, &tls.Config{ServerName: name, RootCAs: a.issued})
		if err != nil {
			return false
		}
		defer conn.Close()
		serial = conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
		return true
	})
	return serial
}

// TestHubNeedsNoProxyForTLS: streams over HTTP/1.1, which a shard seals itself, and over HTTP/2; the redirect; the certificate after a restart.
func TestHubNeedsNoProxyForTLS(t *testing.T) {
	t.Parallel()
	a, data, name := startCA(t, quarter, nil), t.TempDir(), newName()
	p := startHub(t, a, name, data)
	serial := p.certified(a, name)
	orders := a.orders.Load()
	for protocol, version := range map[string]string{"http/1.1": "HTTP/1.1", "h2": "HTTP/2.0"} {
		c := p.client(a.issued, protocol)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+name+"/events/news", nil)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer, text := p.ask(c, http.MethodPost, "https://"+name+"/events/news", version); answer.StatusCode != http.StatusOK || stream.Proto != version {
			t.Errorf("%s: %s %s", stream.Proto, answer.Status, text)
		}
		for events := bufio.NewScanner(stream.Body); ; {
			if !events.Scan() {
				t.Fatalf("%s: the stream ends: %v", protocol, events.Err())
			}
			if events.Text() == "data: "+version {
				break
			}
		}
		_ = stream.Body.Close()
	}
	plain := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if answer, text := p.ask(plain, http.MethodGet, "http://"+p.plain+"/events/news", ""); answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("without the name: %s %s", answer.Status, text)
	}
	if _, text := p.ask(plain, http.MethodGet, "http://"+p.adm+"/readyz", ""); strings.TrimSpace(text) != `{"ready":true}` {
		t.Errorf("/readyz answers %s", text)
	}
	if _, text := p.ask(plain, http.MethodGet, "http://"+p.adm+"/metrics", ""); !strings.Contains(text, `tidings_certificate_failing{name="`+name+`"} 0`) {
		t.Errorf("the metrics are %s", text)
	}
	p.stop()

	p = startHub(t, a, name, data)
	if got := p.certified(a, name); got != serial || a.orders.Load() != orders {
		t.Errorf("after a restart: certificate %s and %d orders, want %s and %d", got, a.orders.Load(), serial, orders)
	}
	if answer, text := p.ask(p.client(a.issued, "h2"), http.MethodGet, "https://"+name+"/events/news?poll=1", ""); !strings.Contains(text, "data: HTTP/1.1\n") {
		t.Errorf("after a restart: %s %s", answer.Status, text)
	}
}

func TestHubSaysThatItHasNoCertificate(t *testing.T) {
	t.Parallel()
	a, name := startCA(t, quarter, refuseAfter(0)), newName()
	p := startHub(t, a, name, t.TempDir())
	p.await("the failure", func() bool {
		return p.log.find(`level=ERROR msg="the CA issues no certificate; the hub tries again" domain=`+name+` .*this CA is closed today`) != nil
	})
	if _, text := p.ask(http.DefaultClient, http.MethodGet, "http://"+p.adm+"/readyz", ""); !strings.Contains(text, `"ready":true`) || !strings.Contains(text, "the last attempt to get one failed") {
		t.Errorf("/readyz answers %s", text)
	}
	if _, text := p.ask(http.DefaultClient, http.MethodGet, "http://"+p.adm+"/metrics", ""); !strings.Contains(text, `tidings_certificate_failing{name="`+name+`"} 1`) {
		t.Errorf("the metrics are %s", text)
	}
}

// TestHubAnswersTheCAForAnotherHub: a domain leads to any of the hubs that share a folder.
func TestHubAnswersTheCAForAnotherHub(t *testing.T) {
	t.Parallel()
	a, name, folder := startCA(t, quarter, nil), newName(), t.TempDir()
	a.gate.Lock()
	asks := startHub(t, a, name, t.TempDir(), "--acme-dir", folder)
	asks.await("the order", func() bool { return a.orders.Load() > 0 })
	answers := startHub(t, a, name, t.TempDir(), "--acme-dir", folder) // the CA's connections now lead to it
	a.gate.Unlock()
	if one, two := asks.certified(a, name), answers.certified(a, name); one != two {
		t.Errorf("certificates %s and %s", one, two)
	}
}
