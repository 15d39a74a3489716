//go:build programs

package redislog_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
)

// certificate writes a certificate for 127.0.0.1 that signs itself, with its key, and returns the files and who trusts it.
func certificate(t *testing.T) (cert, key string, trusted *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trusted = x509.NewCertPool()
	trusted.AddCert(parsed)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, trusted
}

// TestRedissUsesTLSAndChecksTheCertificate: also for the connection on which a hub listens to the others.
func TestRedissUsesTLSAndChecksTheCertificate(t *testing.T) {
	t.Parallel()
	cert, key, trusted := certificate(t)
	s := startServer(t, "--tls-port", "0", "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	port := strconv.Itoa(freePort(t))
	s.do(t, "CONFIG", "SET", "tls-port", port)

	o := created(t, &redislog.Options{URL: "rediss://127.0.0.1:" + port, TLS: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}})
	received := make(chan struct{}, 1)
	stop, err := o.Listen(func([]byte) { received <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	publish(t, o, "x")
	follow(t, o, 1).next(t)
	if err := o.Broadcast(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	<-received

	for _, scheme := range []string{"rediss", "redis"} { // this machine does not trust the certificate; the server wants TLS
		if _, err := open(t, &redislog.Options{URL: scheme + "://127.0.0.1:" + port}).Bounds(t.Context()); err == nil {
			t.Errorf("%s:// was accepted", scheme)
		}
	}
}
