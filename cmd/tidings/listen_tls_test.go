package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A certificate that could not be read at first was never read again: a new file mode changes neither the time nor the size of a file.
func TestCertificateIsRetriedUntilItLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		certFile, keyFile := writePair(t, dir, 1)
		log := newAwaited()
		c, err := loadCertificate(certFile, keyFile, (&reportFlags{LogLevel: "info"}).logger(log))
		if err != nil {
			t.Fatal(err)
		}
		writePair(t, dir, 2)
		good, err := os.ReadFile(keyFile)
		if err != nil {
			t.Fatal(err)
		}
		when := time.Now()
		write := func(text []byte) {
			t.Helper()
			if err := errors.Join(os.WriteFile(keyFile, text, 0o600), os.Chtimes(keyFile, when, when)); err != nil {
				t.Fatal(err)
			}
		}
		go c.watch(t.Context(), nil)
		write(bytes.Repeat([]byte("x"), len(good)))
		pass(time.Hour)
		write(good)
		pass(certificatePoll)
		text, _ := log.now()
		if n := c.pair.Load().Leaf.SerialNumber.Int64(); n != 2 || strings.Count(text, "not replaced") != 1 {
			t.Errorf("certificate %d, want 2, and one complaint:\n%s", n, text)
		}
	})
}

// The program that renews a certificate need not notify the hub.
func TestCertificateIsReplacedWithoutASignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		certFile, keyFile := writePair(t, dir, 1)
		log := newAwaited()
		c, err := loadCertificate(certFile, keyFile, (&reportFlags{LogLevel: "info"}).logger(log))
		if err != nil {
			t.Fatal(err)
		}
		number := func() int64 { return c.pair.Load().Leaf.SerialNumber.Int64() }
		logged := func() int { text, _ := log.now(); return strings.Count(text, "\n") }
		go c.watch(t.Context(), nil)
		pass(time.Hour)
		if number() != 1 || logged() != 0 {
			t.Errorf("files that do not change: certificate %d, %d lines in the log", number(), logged())
		}
		if err := os.WriteFile(certFile, []byte("the first half"), 0o600); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if number() != 1 || logged() != 1 {
			t.Errorf("half a change: certificate %d, %d lines in the log, want 1 once", number(), logged())
		}
		if err := os.Remove(certFile); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		writePair(t, dir, 2)
		pass(certificatePoll)
		if number() != 2 || logged() != 2 {
			t.Errorf("another pair: certificate %d, %d lines in the log, want 2 once more", number(), logged())
		}
	})
}

// TestCertificateThatExpiresIsLoggedOnce: when it expires while the hub runs.
func TestCertificateThatExpiresIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		certFile, keyFile := writePairFor(t, t.TempDir(), 1, -time.Hour, time.Hour)
		log := newAwaited()
		c, err := loadCertificate(certFile, keyFile, (&reportFlags{LogLevel: "info"}).logger(log))
		if err != nil {
			t.Fatal(err)
		}
		go c.watch(t.Context(), nil)
		pass(time.Hour - time.Minute)
		if text, _ := log.now(); text != "" {
			t.Errorf("it is still valid: %s", text)
		}
		pass(time.Hour)
		if text, _ := log.now(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "the certificate has expired at 2000-01-01T01:00:00Z, and clients refuse it") {
			t.Errorf("it has expired: %q", text)
		}
	})
}
