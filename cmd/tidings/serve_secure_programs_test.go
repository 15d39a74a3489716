//go:build programs

package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCurlHintFitsTheCertificate: the hint was curl https://localhost:…, which fails with a certificate of one's own, and with one for another name.
func TestCurlHintFitsTheCertificate(t *testing.T) {
	for _, names := range [][]string{{"localhost"}, {"hub.example.com", "news.example.com"}, {"*.example.com"}} {
		for _, flags := range [][]string{nil, {"--insecure"}} { // a hub without either answers requests for localhost only
			dir := filepath.Join(t.TempDir(), "it's a folder")
			now := time.Now()
			cert, key := writeCertificate(t, dir, &x509.Certificate{
				Subject: pkix.Name{CommonName: "test"}, DNSNames: names, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
			})
			s := startServe(t, nil, append(flags, "--tls-cert", cert, "--tls-key", key)...)
			line, _ := s.out.now()
			_, command, found := strings.Cut(strings.TrimSpace(line), " & ")
			if !found {
				t.Fatalf("there is no hint: %s", line)
			}
			out, err := exec.Command("sh", "-c", command).CombinedOutput()
			if err != nil || !strings.Contains(string(out), `"id":"`) {
				t.Errorf("%s %s: %s: %v, %s", names, flags, command, err, out)
			}
			s.stop()
		}
	}
}
