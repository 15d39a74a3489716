//go:build programs

package main

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startRedis starts a redis-server on a port of its own, and returns its address.
func startRedis(t *testing.T, settings ...string) (addr string) {
	t.Helper()
	addr = freeAddr(t)
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	args := append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir()}, settings...)
	cmd := exec.Command(commandPath(t, "redis-server"), args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "Ready to accept connections") {
				ready <- true
			}
		}
		ready <- false
	}()
	select {
	case ok := <-ready:
		if !ok {
			t.Fatal("redis-server does not start")
		}
	case <-time.After(patience):
		t.Fatal("redis-server takes too long to start")
	}
	return addr
}

// TestRedisThatWouldLoseTheLogStopsTheHub: the error tells the operator what to change.
func TestRedisThatWouldLoseTheLogStopsTheHub(t *testing.T) {
	evicts := startRedis(t, "--maxmemory-policy", "allkeys-lru")
	closed := startRedis(t, "--requirepass", "open-sesame")
	for addr, words := range map[string]string{evicts: "maxmemory-policy", closed: "password"} {
		f := redisFlags{Redis: redisURL("redis://:wrong@" + addr)}
		if addr == evicts {
			f.Redis = redisURL("redis://" + addr)
		}
		_, err := f.openRedis(t.Context(), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%v, want an error that says %q and not the password", err, words)
		}
	}
	password := writeFile(t, "password", "open-sesame\n")
	f := redisFlags{Redis: redisURL("redis://" + closed), RedisPasswordFile: password}
	order, err := f.openRedis(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := order.Close(); err != nil {
		t.Error(err)
	}
}

// TestRestartWhileRedisIsAwayChangesNothing: the new process asked nothing of Redis before it was prepared. The running hub ended its streams, closed
// its copy of the log, and could not open it again, either.
func TestRestartWhileRedisIsAwayChangesNothing(t *testing.T) {
	addr, config := startRedis(t), writeFile(t, "hub.yaml", "")
	point := func(addr string) {
		t.Helper()
		if err := os.WriteFile(config, []byte("redis: redis://"+addr+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	point(addr)
	r := runServe(t, "tidings", nil, "--cluster-name=a", "--config="+config)
	client := clientOf(t, nil)
	r.publish(t, client, "before")
	r.restart(t)
	point("127.0.0.1:1") // where no program listens
	r.signal(t, syscall.SIGUSR2)
	r.log.await(t, `(?s)cannot use the shared log: --redis: .*restart when that is mended.*the restart failed.*ended before it was prepared: exit status 1`)
	r.publish(t, client, "between")
	point(addr)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.WriteString(conn, "SHUTDOWN NOSAVE NOW FORCE\r\n"); err == nil {
		_, _ = io.Copy(io.Discard, conn) // it ends the connection
	}
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	r.signal(t, syscall.SIGUSR2)
	r.log.await(t, `(?s)(cannot use the shared log: --redis: .*the restart failed.*){2}`)
	if got := r.stored(t, client); !slices.Equal(got, []string{"before", "between"}) {
		t.Errorf("stored are %q", got)
	}
	if text, _ := r.log.now(); strings.Count(text, "msg=stopping") != 1 {
		t.Errorf("it has ended its streams:\n%s", text)
	}
}
