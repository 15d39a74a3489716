package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for a result that should come at once, or after an election, on a busy machine.
const patience = 3 * time.Minute

// awaited collects the output of a program, so that tests can wait for a text in it.
type awaited struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed by the next Write
}

func newAwaited() *awaited { return &awaited{changed: make(chan struct{})} }

func (a *awaited) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.changed)
	a.changed = make(chan struct{})
	return a.text.Write(b)
}

func (a *awaited) now() (string, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.String(), a.changed
}

// await waits until the output matches a pattern, and returns the match.
func (a *awaited) await(t *testing.T, pattern string) string {
	t.Helper()
	enough := time.After(patience)
	for {
		text, changed := a.now()
		if match := regexp.MustCompile(pattern).FindString(text); match != "" {
			return match
		}
		select {
		case <-changed:
		case <-enough:
			t.Fatalf("no output matches %s:\n%s", pattern, text)
		}
	}
}

// served is a running tidings serve.
type served struct {
	out, log *awaited
	url      string
	stop     func() // stops it and waits
}

// startServe runs tidings serve with its events in memory, on a free port unless args say otherwise.
func startServe(t *testing.T, env environ, args ...string) *served {
	t.Helper()
	return startServing(t, env, append([]string{"--memory"}, args...)...)
}

// startServeIn runs tidings serve with its events in a directory.
func startServeIn(t *testing.T, dir string, env environ, args ...string) *served {
	t.Helper()
	return startServing(t, env, append([]string{"--data", dir}, args...)...)
}

func startServing(t *testing.T, env environ, args ...string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &served{out: newAwaited(), log: newAwaited()}
	p := program{stdio: stdio{in: strings.NewReader(""), out: s.out, err: s.log}, environ: env}
	ended := make(chan int, 1)
	go func() { ended <- p.run(ctx, append([]string{"serve", "--addr", "localhost:0"}, args...)) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if code := <-ended; code != 0 {
			text, _ := s.log.now()
			t.Errorf("tidings serve ends with exit code %d:\n%s", code, text)
		}
	})
	t.Cleanup(s.stop)
	line := s.out.await(t, `tidings serve listens on \S+, .*\n`)
	s.url = strings.TrimSuffix(strings.Fields(line)[4], ",")
	if n := strings.Count(line, "\n"); n != 1 {
		t.Errorf("it says %d lines", n)
	}
	return s
}

// ask sends a request and returns the answer and its body.
func ask(t *testing.T, client *http.Client, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// clientOf returns a client with its own connections, which accepts any certificate.
func clientOf(t *testing.T, change func(*http.Transport)) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	if change != nil {
		change(transport)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// hangup sends this process SIGHUP.
func hangup(t *testing.T) {
	t.Helper()
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGHUP)
	}
	if err != nil {
		t.Fatal(err)
	}
}
