package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// hubCommands is a command line for each command that uses a hub; tests append --hub. Each command ends at once if the hub refuses.
var hubCommands = [][]string{
	{"pub", "news", "hello"},
	{"pub", "news", "--whole"},
	{"sub", "news", "--once"},
	{"topics"},
	{"presence"},
	{"bench", "--subscribers=1", "--publishers=0", "--duration=1ms", "--warm-up=0s"},
	{"bench", "--subscribers=0", "--publishers=1", "--duration=250ms", "--warm-up=0s", "--rate=1000"},
}

// complaints runs each of hubCommands. It requires that the command fails, that each text of want occurs once in its error, and that no line
// names the program twice.
func complaints(t *testing.T, hub string, flags []string, want ...string) {
	t.Helper()
	for _, command := range hubCommands {
		args := append(slices.Concat(command, flags), "--hub", hub)
		code, _, complaint := say(t, args...)
		if code == 0 || code == exitUsage {
			t.Errorf("%q: exit code %d", args, code)
		}
		for _, words := range want {
			if strings.Count(complaint, words) != 1 {
				t.Errorf("%q: %q is not once in\n%s", args, words, complaint)
			}
		}
		for line := range strings.Lines(complaint) {
			if strings.Count(line, "tidings: ") > 1 || strings.Contains(line, "sse: ") {
				t.Errorf("%q: the program is named more than once in %q", args, line)
			}
		}
	}
}

// startWith starts a server with a certificate, for HTTPS.
func startWith(t *testing.T, template *x509.Certificate) string {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile := writeCertificate(t, dir, template)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

func TestUntrustedCertificateGivesAHint(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writePair(t, dir, 1)
	s := startServe(t, nil, "--tls-cert", certFile, "--tls-key", keyFile)
	complaints(t, s.url, nil, "signed by an authority that is unknown here", "--ca FILE", "--insecure")
	complaints(t, strings.Replace(s.url, "localhost", "127.0.0.1", 1), []string{"--ca", certFile},
		"its certificate is not for 127.0.0.1, but for localhost", "use a name that the certificate has")
	for _, flags := range [][]string{{"--ca", certFile}, {"--insecure"}} {
		for _, args := range [][]string{
			{"pub", s.url, "news", "hello"},
			{"sub", s.url, "news", "--last=1", "-n1"},
			{"sub", s.url + "/events/news?last=1", "-n1"},
			{"topics", s.url},
			{"bench", s.url, "--subscribers=1", "--duration=50ms", "--warm-up=0s"},
		} {
			if code, out, complaint := say(t, append(args, flags...)...); code != 0 || out == "" || complaint != "" {
				t.Errorf("%q %q: exit code %d, output %q, %s", args, flags, code, out, complaint)
			}
		}
	}
}

func TestExpiredCertificateIsExplained(t *testing.T) {
	day := 24 * time.Hour
	old := startWith(t, &x509.Certificate{NotBefore: time.Now().Add(-2 * day), NotAfter: time.Now().Add(-day)})
	complaints(t, old, nil, "its certificate has expired, on 20", "is the clock right?")
	early := startWith(t, &x509.Certificate{NotBefore: time.Now().Add(day), NotAfter: time.Now().Add(2 * day)})
	complaints(t, early, nil, "its certificate is not valid before 20", "is the clock right?")
}

func TestWrongSchemeGivesAHint(t *testing.T) {
	certFile, keyFile := writePair(t, t.TempDir(), 1)
	secure := startServe(t, nil, "--tls-cert", certFile, "--tls-key", keyFile)
	complaints(t, strings.Replace(secure.url, "https://", "http://", 1), nil, secure.url)
	plain := startServe(t, nil)
	complaints(t, strings.Replace(plain.url, "http://", "https://", 1), nil, "it speaks HTTP, without TLS: "+plain.url)
}

// startAnswering starts a server that answers each connection with some bytes, and returns its address.
func startAnswering(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1))
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// Some HTTPS servers answer plain HTTP with a TLS alert.
func TestTLSAlertSuggestsHTTPS(t *testing.T) {
	alert := startAnswering(t, "\x15\x03\x01\x00\x02\x02\x46")
	for _, args := range [][]string{{"pub", "news", "hello"}, {"sub", "news", "--once"}, {"topics"}} {
		ctx, stop := context.WithCancel(t.Context())
		complaint, ended := newAwaited(), make(chan int)
		p := program{stdio: stdio{in: strings.NewReader(""), out: newAwaited(), err: complaint}}
		go func() { ended <- p.run(ctx, append(args, "--hub", alert)) }()
		complaint.await(t, "https://"+alert)
		stop() // pub would try again
		if code := <-ended; code == 0 {
			t.Errorf("%q: exit code 0", args)
		}
		if text, _ := complaint.now(); strings.Count(text, "https://"+alert) != 1 {
			t.Errorf("%q: %s", args, text)
		}
	}
}

func TestMissingOrWrongTokenGivesAHint(t *testing.T) {
	dir := t.TempDir()
	key := dir + "/key"
	if code, _, complaint := say(t, "token", "key", key); code != 0 {
		t.Fatal(complaint)
	}
	_, token, _ := say(t, "token", "mint", "--key-file", key, "--sub", "me", "--subscribe", "other", "--publish", "other")
	s := startServe(t, nil, "--key-file", key)
	complaints(t, s.url, nil, "give a token with --token or TIDINGS_TOKEN")
	complaints(t, s.url, []string{"--token", "nonsense"}, "tidings token explain says what is wrong with the token")
	// The hub lists topics, and streams of everything, as far as the token grants them, so they are not refused.
	for _, args := range [][]string{{"pub", "news", "hello"}, {"sub", "news", "--once"}} {
		code, _, complaint := say(t, append(args, "--hub", s.url, "--token", strings.TrimSpace(token))...)
		if code != exitRefused || !strings.Contains(complaint, "tidings token explain says what the token grants") {
			t.Errorf("%q: exit code %d, %s", args, code, complaint)
		}
	}
}

func TestTokenWithTheWordBearerIsRefused(t *testing.T) {
	for _, command := range hubCommands {
		t.Setenv("TIDINGS_TOKEN", "Bearer eyJhbGciOi")
		code, _, complaint := say(t, command...)
		if code != exitUsage || !strings.Contains(complaint, "leave out the word Bearer") || strings.Contains(complaint, "eyJ") {
			t.Errorf("%q: exit code %d, %s", command, code, complaint)
		}
	}
}

func TestCommandsAskWhetherThereIsAHub(t *testing.T) {
	hub := nowhere(t)
	for _, args := range [][]string{{"sub", "news", "--once"}, {"topics"}, hubCommands[4]} {
		if code, _, complaint := say(t, append(args, "--hub", hub)...); code != exitFailure || !strings.Contains(complaint, hubHint) {
			t.Errorf("%q: exit code %d, %s", args, code, complaint)
		}
	}
}

func TestUnreadableCAFileIsAUsageError(t *testing.T) {
	for _, file := range []string{"missing.pem", writeFile(t, "empty.pem", "no certificate")} {
		for _, command := range hubCommands {
			args := append(slices.Clone(command), "--ca", file)
			if code, _, complaint := say(t, args...); code != exitUsage || !strings.HasPrefix(complaint, "tidings: --ca: ") {
				t.Errorf("%q: exit code %d, %s", args, code, complaint)
			}
		}
	}
}
