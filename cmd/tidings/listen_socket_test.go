package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func throughSocket(path string) func(*http.Transport) {
	return func(tr *http.Transport) {
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	}
}

func TestServeListensOnAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	s := startServe(t, nil, "--addr", "unix:"+path, "--socket-mode", "0600")
	if s.url != "unix:"+path {
		t.Errorf("it listens on %s", s.url)
	}
	s.out.await(t, regexp.QuoteMeta("curl -N --unix-socket "+path+" http://localhost/events/news"))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	client := clientOf(t, throughSocket(path))
	if answer, text := ask(t, client, http.MethodPost, "http://localhost/events/news", "hello"); answer.StatusCode != http.StatusOK {
		t.Errorf("%s %s", answer.Status, text)
	}
	code, _, complaint := say(t, "serve", "--memory", "--addr", "unix:"+path)
	if code != exitFailure || !strings.Contains(complaint, path+" is in use by another program") {
		t.Errorf("a second hub on it: exit code %d, %s", code, complaint)
	}
	client.CloseIdleConnections()
	s.stop()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// A hub that stopped removed the socket of the hub that had replaced it.
func TestServeKeepsTheSocketOfItsSuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	first, err := listenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil { // as a hub does that found no listener before
		t.Fatal(err)
	}
	second, err := listenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the second hub has no socket: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("its socket is still there: %v", err)
	}
}

// TestSocketIsUnreachableBeforeItHasItsMode: for a moment, the umask decided who could connect.
func TestSocketIsUnreachableBeforeItHasItsMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	stop, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		for {
			if info, err := os.Lstat(path); err == nil && info.Mode().Perm() != 0o600 {
				t.Errorf("its mode was %v", info.Mode())
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for range 100 {
		l, err := listenUnix(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-looked
}

// TestOneOfSeveralStartingHubsGetsTheSocket: each mistook the new socket of another for the socket of a killed hub, and removed it.
func TestOneOfSeveralStartingHubsGetsTheSocket(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "hub.sock")
		stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		stale.SetUnlinkOnClose(false)
		if err := stale.Close(); err != nil {
			t.Fatal(err)
		}
		got := make(chan net.Listener, 8)
		var begun sync.WaitGroup
		for range cap(got) {
			begun.Go(func() {
				if l, err := listenUnix(path, 0o600); err == nil {
					got <- l
				}
			})
		}
		begun.Wait()
		close(got)
		n := 0
		for l := range got {
			n++
			if conn, err := net.Dial("unix", path); err != nil {
				t.Errorf("no hub listens at the path: %v", err)
			} else {
				_ = conn.Close() // it was only a probe
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		if n != 1 {
			t.Fatalf("%d listen", n)
		}
	}
}

// TestKilledStartDoesNotBlockTheSocket: its private directory blocks others only for a short time, in which the program might still run.
func TestKilledStartDoesNotBlockTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(path, 0o600); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("at once: %v", err)
	}
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path+".new", old, old); err != nil {
		t.Fatal(err)
	}
	l, err := listenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// A killed hub leaves its socket in the file system.
func TestServeReplacesOnlyUnusedSockets(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	startServe(t, nil, "--addr", "unix:"+stale)

	file := filepath.Join(dir, "diary")
	if err := os.WriteFile(file, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, complaint := say(t, "serve", "--memory", "--addr", "unix:"+file)
	if text, err := os.ReadFile(file); code != exitFailure || !strings.Contains(complaint, "is not a socket") || err != nil || string(text) != "dear" {
		t.Errorf("exit code %d, %s; the file has %q (%v)", code, complaint, text, err)
	}
	for _, addr := range []string{"unix:", "unix:" + filepath.Join(dir, "no/such/dir.sock")} {
		if code, out, complaint := say(t, "serve", "--memory", "--addr", addr); code == 0 || out != "" {
			t.Errorf("--addr %s: exit code %d, %s", addr, code, complaint)
		}
	}
}

// TestSocketKeepsForeignFiles: a directory with the name of the private directory stays if it has other files.
func TestSocketKeepsForeignFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	theirs := filepath.Join(path+".new", "thesis")
	if err := os.Mkdir(path+".new", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(theirs, []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path+".new", old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(path, 0o600); err == nil {
		t.Error("it listens")
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
}

// TestLongSocketPathIsRefused: the error gives the maximum.
func TestLongSocketPathIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 107))
	if _, err := listenUnix(path, 0o600); err == nil || !strings.Contains(err.Error(), "the maximum is 101") {
		t.Errorf("%v", err)
	}
}
