package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestSubscribersLeaveConnectionsForOthers: with too many subscribers, new connections of publishers, health checks and administrators
// were reset. The limit of streams ignored the files of the log, and refused subscribers kept their connections for minutes. So all clients
// in this test open new connections after the subscribers.
func TestSubscribersLeaveConnectionsForOthers(t *testing.T) {
	t.Parallel()
	for _, files := range []int{256, 400} {
		t.Run(strconv.Itoa(files), func(t *testing.T) {
			t.Parallel()
			hub := startWithFiles(t, files)
			var followers []net.Conn
			for range files + 50 {
				c := hub.dial(t)
				if follows(t, c) {
					followers = append(followers, c)
				}
			}
			if least := files / 2; len(followers) < least {
				t.Fatalf("%d subscribers, want at least %d", len(followers), least)
			}
			hub.answersAll(t)
			for range 40 { // the log needs several new files for that
				hub.publish(t, 1<<20)
			}
			hub.answersAll(t)
			for _, c := range followers {
				_ = c.Close()
			}
			for deadline := time.Now().Add(patience); !follows(t, hub.dial(t)); { // the hub notices the closed connections
				if time.Now().After(deadline) {
					t.Fatal("no subscriber can connect, although all others have disconnected")
				}
			}
			if text, _ := hub.log.now(); strings.Contains(text, "too many open files") || strings.Contains(text, "connections are closed") {
				t.Errorf("files ran out:\n%s", text)
			}
		})
	}
}

// TestIdleConnectionsCloseWhenFilesRunOut: a client keeps an idle connection only while there are free places.
func TestIdleConnectionsCloseWhenFilesRunOut(t *testing.T) {
	t.Parallel()
	const files = 256
	hub := startWithFiles(t, files)
	for range files + 50 {
		c := hub.dial(t)
		if status := statusLine(t, c, "GET /healthz"); !strings.HasPrefix(status, "HTTP/1.1 200 ") {
			t.Fatalf("a probe gets %q", status)
		}
	}
	hub.answersAll(t)
	if !follows(t, hub.dial(t)) {
		t.Error("idle connections keep a subscriber out")
	}
}

// TestIdleConnectionsOverHTTP2CloseWhenFilesRunOut, as those over HTTP/1.1 do. Each client reads, and closes its connection when the hub does.
func TestIdleConnectionsOverHTTP2CloseWhenFilesRunOut(t *testing.T) {
	t.Parallel()
	const files = 256
	hub := startWithFiles(t, files, "--h2c")
	for range files + 50 {
		c := hub.dial(t)
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		frames := requestHTTP2(t, c, "/healthz", largeWindow)
		if !isAnswered(t, frames) {
			t.Fatal("a request over HTTP/2 is not answered")
		}
		go func() {
			for {
				if _, err := frames.ReadFrame(); err != nil {
					_ = c.Close()
					return
				}
			}
		}()
	}
	hub.answersAll(t)
	if !follows(t, hub.dial(t)) {
		t.Error("idle connections keep a subscriber out")
	}
}

// isAnswered reads until the answer to a request begins, or the connection ends.
func isAnswered(t *testing.T, frames *http2.Framer) bool {
	t.Helper()
	for {
		f, err := frames.ReadFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the hub does not answer")
		}
		if err != nil {
			return false
		}
		if _, ok := f.(*http2.HeadersFrame); ok {
			return true
		}
	}
}

// TestAdministrationHasReservedConnections: it works even if clients with incomplete requests use all other connections.
func TestAdministrationHasReservedConnections(t *testing.T) {
	t.Parallel()
	const files = 256
	hub := startWithFiles(t, files)
	for range files {
		if _, err := io.WriteString(hub.dial(t), "GET /events/none HTTP/1.1\r\nHost: local"); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
	}
	hub.log.await(t, "new connections are closed")
	for range 20 {
		hub.administers(t)
	}
}

// statusLine sends a request and returns the first line of the answer, or "" if the connection is closed instead.
func statusLine(t *testing.T, c net.Conn, request string) string {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, err := io.WriteString(c, request+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	var line string
	if err == nil {
		line, err = bufio.NewReader(c).ReadString('\n')
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%s is not answered", request)
	}
	return line
}

// follows asks for a stream, and reports whether it begins. Otherwise the hub has to close the connection.
func follows(t *testing.T, c net.Conn) bool {
	t.Helper()
	line := statusLine(t, c, "GET /events/none")
	switch {
	case strings.HasPrefix(line, "HTTP/1.1 200 "):
		return true
	case strings.HasPrefix(line, "HTTP/1.1 503 "), line == "": // too many streams
		return false
	}
	t.Fatalf("a follower gets %q", line)
	return false
}

// limited is a hub whose process may open few files.
type limited struct {
	*served
	admin string // the socket of its administration
}

// dial opens a connection to the hub.
func (s *limited) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// anew is a client that opens a connection for each request.
var anew = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (s *limited) publish(t *testing.T, size int) {
	t.Helper()
	if resp, body := ask(t, anew, http.MethodPost, s.url+"/events/news", strings.Repeat("x", size)); resp.StatusCode != http.StatusOK {
		t.Fatalf("publishing: %s %s", resp.Status, body)
	}
}

func (s *limited) administers(t *testing.T) {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.admin)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
	if resp, body := ask(t, client, http.MethodGet, "http://localhost/api/v1/stats", ""); resp.StatusCode != http.StatusOK {
		t.Fatalf("administration: %s %s", resp.Status, body)
	}
}

// answersAll checks that the hub answers publishers, health checks and administrators.
func (s *limited) answersAll(t *testing.T) {
	t.Helper()
	for range 30 {
		s.publish(t, 1)
		for _, path := range []string{"/healthz", "/readyz"} {
			if resp, body := ask(t, anew, http.MethodGet, s.url+path, ""); resp.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s %s", path, resp.Status, body)
			}
		}
		s.administers(t)
	}
}

// startWithFiles runs tidings serve as a process with a limit of open files, and some more flags.
func startWithFiles(t *testing.T, files int, flags ...string) *limited {
	t.Helper()
	dir := t.TempDir()
	binary, err := os.Executable()
	if err == nil {
		err = os.Symlink(binary, filepath.Join(dir, "tidings")) // under this name the test binary runs tidings, see TestMain
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d && exec ./tidings serve --addr localhost:0 --admin-addr unix:admin --data log --min-free 0 --log-level warn %s`, files, strings.Join(flags, " ")))
	cmd.Dir = dir
	s := &limited{served: &served{out: newAwaited(), log: newAwaited()}, admin: filepath.Join(dir, "admin")}
	cmd.Stdout, cmd.Stderr = s.out, s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := cmd.Wait(); err != nil {
			text, _ := s.log.now()
			t.Errorf("the hub ends with %v:\n%s", err, text)
		}
	})
	s.url = strings.TrimSuffix(strings.Fields(s.out.await(t, `tidings serve listens on \S+, .*\n`))[4], ",")
	return s
}
