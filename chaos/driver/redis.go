package driver

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// durableRedis are the arguments of a Redis that syncs each command before it answers.
var durableRedis = []string{"--save", "", "--appendonly", "yes", "--appendfsync", "always"}

// redis returns the node of a Redis (Debian's package redis-server) with arguments for its durability, and its address.
func (c *Config) redis(persist []string) (Node, string, error) {
	address, err := c.fixed(c.Hubs+1, 6379)
	if err != nil {
		return Node{}, "", err
	}
	host, port, err := net.SplitHostPort(address)
	dir := filepath.Join(c.Dir, "redis")
	return Node{
		Name: "redis", Dirs: []string{dir},
		Start: func() (*exec.Cmd, error) {
			args := append([]string{"--bind", host, "--port", port, "--dir", dir, "--protected-mode", "no"}, persist...)
			return exec.Command("redis-server", args...), os.MkdirAll(dir, 0o755)
		},
		Ready: func(ctx context.Context) bool { return pong(ctx, address) },
	}, address, err
}

// NewTidingsRedis returns hubs whose shared order is a Redis.
func NewTidingsRedis(c Config) (*Tidings, error) {
	t, err := NewTidings(c)
	if err != nil {
		return nil, err
	}
	node, address, err := c.redis(durableRedis)
	if err != nil {
		return nil, err
	}
	key, err := t.key()
	t.nodes, t.mirror, t.resets = []Node{node}, mirrorDir, true
	t.extra = func(hub int) []string {
		return []string{"--redis", "redis://" + address, "--cluster-name", fmt.Sprintf("hub%d", hub), "--cluster-key-file", key}
	}
	return t, err
}

// pong reports whether a Redis answers, and has loaded its data.
func pong(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return false
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && strings.HasPrefix(answer, "+PONG")
}
