package fanout

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"strconv"
	"testing"
	"time"
)

// secured are the contestants over TLS 1.3, all with the same type of certificate. The first is the yardstick: it calls SSL_write of OpenSSL for each
// event and subscriber.
var secured = []contestant{
	{"c-loop", yardstickTLS, yardstickTLSFlags, "{data}", 0},
	{"tidings-memory", tidingsTLS, tidingsTLSFlags, ndjson, 0},
	{"nchan", nchanTLS, nchanTLSFlags, "", 1},
	{"centrifugo", centrifugoTLS, centrifugoTLSFlags, "", 0},
}

func speaksHTTP2(c contestant) bool { return c.name == "tidings-memory" || c.name == "centrifugo" }

// certificate returns the files of a certificate that the clients do not check, and of its key. With this type of key, ECDSA on P-256, 18,000
// handshakes take seconds.
func certificate(b *testing.B) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		b.Fatal(err)
	}
	coded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	file := func(name, kind string, der []byte) string {
		return written(b, dir, name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	return file("cert.pem", "CERTIFICATE", signed), file("key.pem", "PRIVATE KEY", coded)
}

func secureURL(port int) string { return "https://127.0.0.1:" + strconv.Itoa(port) }

func yardstickTLS(b *testing.B, port int) []string {
	path, err := yardstickTLSProgram()
	if err != nil { // OpenSSL's headers are not installed
		b.Log(err)
		return nil
	}
	cert, key := certificate(b)
	return []string{path, strconv.Itoa(port), cert, key}
}

func yardstickTLSFlags(port int) []string {
	url := secureURL(port) + "/events/{topic}"
	return []string{"--subscribe", url, "--publish", url, "--insecure"}
}

func tidingsTLS(b *testing.B, port int) []string {
	cert, key := certificate(b)
	return []string{
		program(b, tidingsProgram), "serve", "--memory", "--addr", "127.0.0.1:" + strconv.Itoa(port), "--log-level", "warn",
		"--tls-cert", cert, "--tls-key", key,
	}
}

func tidingsTLSFlags(port int) []string { return []string{"--hub", secureURL(port), "--insecure"} }

func nchanTLS(b *testing.B, port int) []string {
	cert, key := certificate(b)
	return nchanListening(b, port, fmt.Sprintf(` ssl;
    ssl_certificate %s;
    ssl_certificate_key %s;
    ssl_protocols TLSv1.3`, cert, key))
}

func nchanTLSFlags(port int) []string { return append(nchanFlagsAt(secureURL(port)), "--insecure") }

func centrifugoTLS(b *testing.B, port int) []string {
	cert, key := certificate(b)
	return centrifugoServing(b, port, fmt.Sprintf(`, "tls": {"enabled": true, "cert_pem": %q, "key_pem": %q}`, cert, key))
}

func centrifugoTLSFlags(port int) []string {
	return append(centrifugoFlagsAt(secureURL(port)), "--insecure")
}
