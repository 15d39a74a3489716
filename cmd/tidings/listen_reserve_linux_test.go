package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFollowersLeaveTheLogItsFiles: followers could take all files that the process may open. The log failed at its next file then,
// and took no more events.
func TestFollowersLeaveTheLogItsFiles(t *testing.T) {
	t.Parallel()
	const files = 400
	hub := startWithFiles(t, files)
	publisher := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}} // has its connection before all others
	publish := func(size int) {
		t.Helper()
		resp, body := ask(t, publisher, http.MethodPost, hub.url+"/events/news", strings.Repeat("x", size))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("publishing: %s %s", resp.Status, body)
		}
	}
	publish(1)
	var followers []net.Conn
	closed := 0
	for range files {
		c, err := net.Dial("tcp", strings.TrimPrefix(hub.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if !follows(t, c) {
			closed++
			continue
		}
		followers = append(followers, c)
	}
	if least := files / 2; len(followers) < least || closed == 0 {
		t.Fatalf("%d follow, want %d at the least, and %d were closed", len(followers), least, closed)
	}
	for range 40 { // the log needs several new files for that
		publish(1 << 20)
	}
	if resp, body := ask(t, publisher, http.MethodGet, hub.url+"/readyz", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("with its files taken the hub is not ready: %s %s", resp.Status, body)
	}
	hub.log.await(t, "new connections are closed")
	for _, c := range followers {
		_ = c.Close()
	}
	for deadline := time.Now().Add(patience); ; { // the hub hears of that
		c, err := net.Dial("tcp", strings.TrimPrefix(hub.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		again := follows(t, c)
		_ = c.Close()
		if again {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody can follow, although all others have left")
		}
	}
	if text, _ := hub.log.now(); strings.Contains(text, "too many open files") {
		t.Errorf("files ran out:\n%s", text)
	}
}

// follows asks for a stream, and reports whether it begins. If not the connection has to be closed.
func follows(t *testing.T, c net.Conn) bool {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, err := io.WriteString(c, "GET /events/none HTTP/1.1\r\nHost: localhost\r\n\r\n")
	var line string
	if err == nil {
		line, err = bufio.NewReader(c).ReadString('\n')
	}
	switch {
	case strings.HasPrefix(line, "HTTP/1.1 200 "):
		return true
	case strings.HasPrefix(line, "HTTP/1.1 503 "): // too many streams; the connection stays
		return false
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		return false
	}
	t.Fatalf("a follower gets %q, %v", line, err)
	return false
}

// startWithFiles runs tidings serve as a process that may open so many files.
func startWithFiles(t *testing.T, files int) *served {
	t.Helper()
	dir := t.TempDir()
	binary, err := os.Executable()
	if err == nil {
		err = os.Symlink(binary, filepath.Join(dir, "tidings")) // by which name it is that program, see TestMain
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d && exec ./tidings serve --addr localhost:0 --data log --min-free 0 --log-level warn`, files))
	cmd.Dir = dir
	s := &served{out: newAwaited(), log: newAwaited()}
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
