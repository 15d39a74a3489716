package hub_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// halfOpen is the number of requests that are never completed. Another process sends them, because one process may not open so many files.
const halfOpen = 10_000

// requesterVariable holds the address to which the test binary sends these requests, if it is set.
const requesterVariable = "TIDINGS_TEST_REQUESTER"

// TestMain lets the test binary send requests as a second process.
func TestMain(m *testing.M) {
	if addr := os.Getenv(requesterVariable); addr != "" {
		if err := beginRequests(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// beginRequests begins all requests and prints "begun". Then it waits, and prints how many of them the hub closed.
func beginRequests(addr string) error {
	conns := make([]net.Conn, halfOpen)
	for i := range conns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return fmt.Errorf("number %d: %w", i, err)
		}
		conns[i] = conn
		if err := conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
			return err
		}
		if _, err := io.WriteString(conn, "POST /events/news HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
			return fmt.Errorf("number %d: %w", i, err)
		}
	}
	fmt.Println("begun")
	ended := 0
	for _, conn := range conns {
		if n, err := io.Copy(io.Discard, conn); n == 0 && (err == nil || errors.Is(err, syscall.ECONNRESET)) {
			ended++
		}
	}
	fmt.Println("ended", ended)
	return nil
}

// patientListener holds back the read deadlines of its connections until the test lets them expire. This keeps all requests open at the same
// time, on slow machines too.
type patientListener struct {
	net.Listener
	mu    sync.Mutex // guards conns
	conns []*patientConn
}

// Accept implements [net.Listener].
func (l *patientListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &patientConn{Conn: conn}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, c)
	return c, nil
}

// due returns the connections with a read deadline.
func (l *patientListener) due() (due []*patientConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		if c.due.Load() {
			due = append(due, c)
		}
	}
	return due
}

type patientConn struct {
	net.Conn
	due atomic.Bool
}

// SetReadDeadline implements [net.Conn].
func (c *patientConn) SetReadDeadline(at time.Time) error {
	c.due.Store(time.Now().Before(at))
	if c.due.Load() {
		return nil
	}
	return c.Conn.SetReadDeadline(at)
}

// servePatiently serves a hub behind a patientListener. open is the number of open connections.
func servePatiently(t *testing.T) (s *site, listener *patientListener, open *atomic.Int64) {
	t.Helper()
	open = new(atomic.Int64)
	log := mustMemory(t, nil)
	h := mustHub(t, log, nil)
	server := httptest.NewUnstartedServer(h)
	listener = &patientListener{Listener: server.Listener}
	server.Listener = listener
	server.Config.ReadHeaderTimeout = time.Minute
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateHijacked, http.StateClosed:
			open.Add(-1)
		case http.StateActive, http.StateIdle:
		}
	}
	server.Start()
	t.Cleanup(func() {
		if err := h.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return &site{T: t, hub: h, log: log, url: server.URL, client: server.Client()}, listener, open
}

// TestHalfOpenRequestsDelayNoOthers: the server closes their connections at their deadline.
func TestHalfOpenRequestsDelayNoOthers(t *testing.T) {
	t.Parallel()
	s, listener, open := servePatiently(t)
	f := s.follow("/events/news", nil)
	f.want("tidings.checkpoint:{}")
	goroutines, connections := runtime.NumGoroutine(), open.Load()

	requester := exec.CommandContext(t.Context(), os.Args[0])
	requester.Env = append(os.Environ(), requesterVariable+"="+listener.Addr().String())
	var stderr strings.Builder
	requester.Stderr = &stderr
	out, err := requester.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := requester.Start(); err != nil {
		t.Fatal(err)
	}
	output := bufio.NewScanner(out)
	if !output.Scan() || output.Text() != "begun" {
		t.Fatalf("the requester: %q %s", output.Text(), stderr.String())
	}
	await(t, "all requests have a deadline", func() bool { return len(listener.due()) >= halfOpen })
	if n := open.Load(); n < halfOpen {
		t.Errorf("%d connections are open", n)
	}
	s.post("news", "in spite of them")
	f.want("in spite of them")
	s.follow("/events/news?since=earliest", nil).want("in spite of them")

	for _, c := range listener.due() { // the deadlines expire
		if err := c.Conn.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if output.Scan(); output.Text() != fmt.Sprint("ended ", halfOpen) {
		t.Errorf("the requester: %q %s", output.Text(), stderr.String())
	}
	if err := requester.Wait(); err != nil {
		t.Errorf("the requester: %v %s", err, stderr.String())
	}
	await(t, "their connections are closed", func() bool { return open.Load() <= connections+2 }) // the two streams of this test
	await(t, "their goroutines have returned", func() bool { return runtime.NumGoroutine() < goroutines+halfOpen/10 })
	wantEvents(t, s.log, "news in spite of them")
}
