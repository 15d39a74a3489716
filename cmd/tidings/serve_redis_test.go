package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRedisFlagsThatDoNotFitAreRefused(t *testing.T) {
	for _, test := range []struct {
		flags redisFlags
		words string
	}{
		{redisFlags{RedisWait: 1}, "--redis-wait is for --redis"},
		{redisFlags{RedisPasswordFile: "f"}, "--redis-password-file is for --redis"},
		{redisFlags{Redis: "redis://h", RedisWait: -1}, "0 or more"},
		{redisFlags{Redis: "redis://h", RedisSentinelFile: "f"}, "?sentinel=NAME"},
		{redisFlags{RedisSentinelFile: "f"}, "?sentinel=NAME"},
		{redisFlags{Redis: "redis://h?sentinel=m", RedisSentinelUser: "u"}, "--redis-sentinel-password-file, which is missing"},
	} {
		if err := test.flags.checkRedis(); err == nil || !strings.Contains(err.Error(), test.words) {
			t.Errorf("%+v: %v, want an error that says %q", test.flags, err, test.words)
		}
	}
	var u redisURL
	if err := u.UnmarshalText([]byte("redis://u:se/cret@h")); err == nil || strings.Contains(err.Error(), "cret") {
		t.Errorf("an address that is wrong: %v", err)
	}
	if err := (&redisFlags{}).checkRedis(); err != nil {
		t.Errorf("without Redis: %v", err)
	}
}

func TestPasswordOfRedisIsNotPrinted(t *testing.T) {
	var u redisURL
	if err := u.UnmarshalText([]byte("rediss://user:secret@host/3")); err != nil {
		t.Fatal(err)
	}
	if text, err := u.MarshalText(); err != nil || string(text) != "rediss://user@host:6379/3" {
		t.Errorf("it is printed as %q, %v", text, err)
	}
}

// TestHubStartsWhileRedisIsAway: it serves its stored events. An unusable password file stops it.
func TestHubStartsWhileRedisIsAway(t *testing.T) {
	dir := t.TempDir()
	good, empty := filepath.Join(dir, "good"), filepath.Join(dir, "empty")
	for name, text := range map[string]string{good: "secret\n", empty: "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, nil))
	f := redisFlags{Redis: "redis://127.0.0.1:1", RedisPasswordFile: good} // no program listens on the first port
	order, err := f.openRedis(t.Context(), logger)
	if err != nil {
		t.Fatal(err)
	}
	if err := order.Close(); err != nil {
		t.Error(err)
	}
	if text := out.String(); !strings.Contains(text, "does not answer") || strings.Contains(text, "secret") {
		t.Errorf("the hub says %q", text)
	}
	for _, name := range []string{empty, filepath.Join(dir, "absent")} {
		f.RedisPasswordFile = name
		if _, err := f.openRedis(t.Context(), logger); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("password file %s: %v", name, err)
		}
	}
}

// TestHubThatWaitsForRedisSaysSoInOneSentence: /readyz chained four errors, with the names of packages.
func TestHubThatWaitsForRedisSaysSoInOneSentence(t *testing.T) {
	addr := freeAddr(t)
	ctx, stop := context.WithCancel(t.Context())
	log := newAwaited()
	p := program{stdio: stdio{in: strings.NewReader(""), out: newAwaited(), err: log}}
	ended := make(chan int, 1)
	go func() {
		ended <- p.run(ctx, []string{"serve", "--addr=" + addr, "--data=" + t.TempDir(), "--redis=redis://127.0.0.1:1"})
	}()
	log.await(t, "does not follow the shared log")
	want := `"the hub is not open yet: waiting for the shared log: dial tcp 127.0.0.1:1: connect: connection refused"`
	for deadline := time.Now().Add(patience); ; {
		answer, text := ask(t, http.DefaultClient, http.MethodGet, "http://"+addr+"/readyz", "")
		if strings.Contains(text, want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("/readyz answers %s: %s", answer.Status, text)
		}
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
	if text, _ := log.now(); strings.Contains(text, "redislog:") || strings.Contains(text, "eventlog:") {
		t.Errorf("the log has names of packages:\n%s", text)
	}
}

func TestPasswordOfTheSentinelsComesFromAFile(t *testing.T) {
	f := redisFlags{Redis: "redis://h?sentinel=m", RedisSentinelFile: writeFile(t, "password", "se:cret\n"), RedisSentinelUser: "hub"}
	o, err := f.redisOptions()
	if err != nil || o.SentinelPassword != "se:cret" || o.SentinelUsername != "hub" || o.Password != "" {
		t.Errorf("the password is %q for %q: %v", o.SentinelPassword, o.SentinelUsername, err)
	}
	if err := f.checkRedis(); err != nil {
		t.Error(err)
	}
	f.RedisSentinelFile += "x"
	if _, err := f.redisOptions(); err == nil || !strings.Contains(err.Error(), "--redis-sentinel-password-file") {
		t.Errorf("without the file: %v", err)
	}
}
