//go:build !nonats

package main

import (
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestHubsAuthenticateEachOtherWithGivenCertificates(t *testing.T) {
	certFile, keyFile := writeCertificate(t, t.TempDir(), &x509.Certificate{
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	key := writeFile(t, "key", strings.Repeat("k", 64))
	peers := []string{freeAddr(t), freeAddr(t)}
	hubs := make([]*served, len(peers))
	var all sync.WaitGroup
	for i, peer := range peers {
		all.Go(func() {
			hubs[i] = startServeIn(t, t.TempDir(), nil, "--cluster-peers="+strings.Join(peers, ","), "--cluster-listen="+peer, "--cluster-key-file="+key, "--keep-bytes=16MiB",
				"--cluster-tls-cert="+certFile, "--cluster-tls-key="+keyFile, "--cluster-tls-ca="+certFile)
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	publishTo(t, hubs[0].url, "news", "0")
	publishTo(t, hubs[1].url, "news", "1")
	if got := retained(t, hubs[1].url, "news"); got != "0 1" {
		t.Errorf("a hub has %q", got)
	}
	other, _ := writePair(t, t.TempDir(), 2)
	c := peerTLSFlags{certFile, keyFile, other}
	config, stop, err := c.load(slog.New(slog.DiscardHandler), false)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	cert, err := config.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: config.ClientCAs}); err == nil {
		t.Error("a certificate of another authority is trusted")
	}
}

// TestSIGHUPLoadsTheCertificateBetweenHubs: the hub logged that there is no certificate to load again, and loaded it up to ten seconds later.
func TestSIGHUPLoadsTheCertificateBetweenHubs(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, 1)
	s := startServeIn(t, t.TempDir(), nil, "--cluster-peers="+freeAddr(t), "--cluster-tls-cert="+cert, "--cluster-tls-key="+key, "--cluster-tls-ca="+cert, "--keep-bytes=16MiB")
	hangup(t)
	s.log.await(t, "SIGHUP: the hub loads --cluster-tls-cert and --cluster-tls-key again; restart it")
	s.log.await(t, "the certificate is replaced.*"+regexp.QuoteMeta(cert))
	if err := os.WriteFile(key, []byte("half a ke"), 0o600); err != nil {
		t.Fatal(err)
	}
	hangup(t)
	s.log.await(t, "the certificate is not replaced.*"+regexp.QuoteMeta(cert))
}

// TestHubSaysWhatSIGHUPLoads for every combination of certificates.
func TestHubSaysWhatSIGHUPLoads(t *testing.T) {
	t.Parallel()
	var c serveCmd
	for _, want := range []string{"no certificate to load again", "loads --cluster-tls-cert and --cluster-tls-key again", "loads --tls-cert and --tls-key, --cluster-tls-cert and --cluster-tls-key again"} {
		if got := c.onHangup(); !strings.Contains(got, want) || !strings.Contains(got, "restart") {
			t.Errorf("%s\nwant %s", got, want)
		}
		c.TLSCert, c.ClusterTLSCert = c.ClusterTLSCert, "cert"
	}
}
