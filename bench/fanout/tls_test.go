package fanout

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strconv"
	"testing"
	"time"
)

// tidingsTLS is Tidings with a certificate that the clients do not check. With its type of key, 18,000 handshakes take seconds.
func tidingsTLS(b *testing.B, port int) []string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		b.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.Fatal(err)
	}
	file := func(kind string, der []byte) string {
		return written(b, b.TempDir(), "x.pem", string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	return []string{
		program(b, tidingsProgram), "serve", "--memory", "--addr", "127.0.0.1:" + strconv.Itoa(port), "--log-level", "warn",
		"--tls-cert", file("CERTIFICATE", cert), "--tls-key", file("PRIVATE KEY", private),
	}
}

func tidingsTLSFlags(port int) []string {
	return []string{"--hub", "https://127.0.0.1:" + strconv.Itoa(port), "--insecure"}
}
