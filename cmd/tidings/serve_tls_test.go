package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// writePair writes a certificate for localhost with a serial number, and its key.
func writePair(t *testing.T, dir string, number int64) (certFile, keyFile string) {
	t.Helper()
	return writePairFor(t, dir, number, -time.Hour, 24*time.Hour)
}

// writePairFor writes the same, with times of validity after now.
func writePairFor(t *testing.T, dir string, number int64, from, until time.Duration) (certFile, keyFile string) {
	t.Helper()
	return writeCertificate(t, dir, &x509.Certificate{
		SerialNumber: big.NewInt(number), NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until),
	})
}

// writeCertificate writes a self-signed certificate, for localhost unless template has names, and its key.
func writeCertificate(t *testing.T, dir string, template *x509.Certificate) (certFile, keyFile string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if template.DNSNames == nil {
		template.DNSNames = []string{"localhost"}
	}
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(1)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// serial returns the serial number of the certificate of a new connection.
func serial(t *testing.T, url string) int64 {
	t.Helper()
	answer, _ := ask(t, clientOf(t, nil), http.MethodGet, url+"/api/v1/topics", "")
	return answer.TLS.PeerCertificates[0].SerialNumber.Int64()
}

func TestServeSpeaksHTTP2OverTLSAndHTTP1(t *testing.T) {
	cert, key := writePair(t, t.TempDir(), 1)
	s := startServe(t, nil, "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(s.url, "https://localhost:") {
		t.Errorf("it listens on %s", s.url)
	}
	for want, change := range map[string]func(*http.Transport){
		"HTTP/2.0": nil,
		"HTTP/1.1": func(tr *http.Transport) {
			tr.ForceAttemptHTTP2 = false
			tr.TLSClientConfig.NextProtos = []string{"http/1.1"}
		},
	} {
		answer, text := ask(t, clientOf(t, change), http.MethodPost, s.url+"/events/news", "hello")
		if answer.StatusCode != http.StatusOK || answer.Proto != want {
			t.Errorf("%s %s, want 200 %s: %s", answer.Proto, answer.Status, want, text)
		}
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), old); err == nil {
		_ = conn.Close()
		t.Error("it speaks TLS 1.1")
	}
}

// TestTLSClientsResumeTheirSessions: the hub sends tickets.
func TestTLSClientsResumeTheirSessions(t *testing.T) {
	cert, key := writePair(t, t.TempDir(), 1)
	s := startServe(t, nil, "--tls-cert", cert, "--tls-key", key)
	config := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for _, resumed := range []bool{false, true} {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || len(answer) == 0 {
			t.Fatalf("%q, %v", answer, err)
		}
		if got := conn.ConnectionState().DidResume; got != resumed {
			t.Errorf("resumed: %v, want %v", got, resumed)
		}
		_ = conn.Close()
	}
}

// A certificate is renewed while the hub runs, and its two files change one after the other.
func TestServeLoadsANewCertificateOnSIGHUP(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, 1)
	s := startServe(t, nil, "--tls-cert", cert, "--tls-key", key)
	if got := serial(t, s.url); got != 1 {
		t.Fatalf("certificate %d, want 1", got)
	}
	hangup(t)
	s.log.await(t, "the certificate is replaced.*localhost")

	if err := os.WriteFile(key, []byte("half a ke"), 0o600); err != nil {
		t.Fatal(err)
	}
	hangup(t)
	s.log.await(t, "the certificate is not replaced.*"+regexp.QuoteMeta(key))
	if got := serial(t, s.url); got != 1 {
		t.Errorf("certificate %d while the new one is of no use, want 1", got)
	}

	writePair(t, dir, 2)
	hangup(t)
	s.log.await(t, "(?s)not replaced.*certificate is replaced")
	if got := serial(t, s.url); got != 2 {
		t.Errorf("certificate %d, want 2", got)
	}
}

// TestInvalidCertificateNeverReplacesAValidOne: an expired file replaced a valid certificate, without an error in the log.
func TestInvalidCertificateNeverReplacesAValidOne(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, 1)
	admin := "http://" + freeAddr(t)
	s := startServe(t, nil, "--tls-cert", cert, "--tls-key", key, "--admin-addr", strings.TrimPrefix(admin, "http://"))
	state := func() string {
		t.Helper()
		_, ready := ask(t, clientOf(t, nil), http.MethodGet, s.url+"/readyz", "")
		_, metrics := ask(t, clientOf(t, nil), http.MethodGet, admin+"/metrics", "")
		return ready + metrics
	}
	const failing = `tidings_certificate_failing{name="localhost"} `
	for why, times := range map[string][2]time.Duration{
		"it has expired at ":      {-2 * time.Hour, -time.Hour},
		"it is not valid before ": {time.Hour, 2 * time.Hour},
	} {
		writePairFor(t, dir, 2, times[0], times[1])
		hangup(t)
		s.log.await(t, `level=ERROR msg="the certificate is not replaced".*`+why+"20")
		if got := serial(t, s.url); got != 1 {
			t.Errorf("%s: certificate %d is used, want 1", why, got)
		}
		if text := state(); !strings.Contains(text, "the last attempt to replace it failed; the log messages of the hub have the cause") || !strings.Contains(text, failing+"1") {
			t.Errorf("%s: %s", why, text)
		}
	}
	writePair(t, dir, 3)
	hangup(t)
	s.log.await(t, "the certificate is replaced")
	if text := state(); strings.Contains(text, "warnings") || !strings.Contains(text, failing+"0") || serial(t, s.url) != 3 {
		t.Errorf("a valid certificate: %s", text)
	}
}

// TestStartWithAnInvalidCertificateSaysSo: nothing was logged, and /readyz led to the log.
func TestStartWithAnInvalidCertificateSaysSo(t *testing.T) {
	for why, times := range map[string][2]time.Duration{
		"has expired at ":      {-2 * time.Hour, -time.Hour},
		"is not valid before ": {time.Hour, 2 * time.Hour},
	} {
		cert, key := writePairFor(t, t.TempDir(), 1, times[0], times[1])
		s := startServe(t, nil, "--tls-cert", cert, "--tls-key", key)
		s.log.await(t, `level=WARN msg="the certificate `+why+`20.*, and clients refuse it; replace its files by valid ones, or correct the clock" file=`+regexp.QuoteMeta(cert))
		answer, text := ask(t, clientOf(t, nil), http.MethodGet, s.url+"/readyz", "")
		if answer.StatusCode != http.StatusOK || !strings.Contains(text, why+"20") || strings.Contains(text, "log messages") {
			t.Errorf("%s: %s %s", why, answer.Status, text)
		}
	}
}

func TestServeNeedsAValidCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, 1)
	for want, args := range map[string][]string{
		"--tls-cert and --tls-key go together":           {"--tls-cert", cert},
		"--h2c is HTTP/2 without TLS":                    {"--tls-cert", cert, "--tls-key", key, "--h2c"},
		"cannot be used: open " + dir + "/none: no such": {"--tls-cert", dir + "/none", "--tls-key", key},
		"cannot be used: tls: ":                          {"--tls-cert", key, "--tls-key", cert},
	} {
		code, out, complaint := say(t, append([]string{"serve", "--addr", "localhost:0"}, args...)...)
		if code == 0 || out != "" || !strings.Contains(complaint, want) {
			t.Errorf("%q: exit code %d, output %q, %s\nwant %s", args, code, out, complaint, want)
		}
	}
}

func TestServeAcceptsH2COnlyWithTheFlag(t *testing.T) {
	h2c := func(tr *http.Transport) {
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetUnencryptedHTTP2(true)
	}
	s := startServe(t, nil, "--h2c")
	for want, change := range map[string]func(*http.Transport){"HTTP/2.0": h2c, "HTTP/1.1": nil} {
		if answer, _ := ask(t, clientOf(t, change), http.MethodPost, s.url+"/events/news", "hello"); answer.StatusCode != http.StatusOK || answer.Proto != want {
			t.Errorf("%s %s, want 200 %s", answer.Proto, answer.Status, want)
		}
	}
	s = startServe(t, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/v1/topics", nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := clientOf(t, h2c).Do(r); err == nil {
		_ = answer.Body.Close()
		t.Errorf("without --h2c: %s", answer.Status)
	}
}
