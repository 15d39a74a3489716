package driver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// NewTidingsCluster returns hubs that are their own shared order.
func NewTidingsCluster(c Config) (*Tidings, error) {
	t, err := NewTidings(c)
	if err != nil {
		return nil, err
	}
	t.order, t.mirror = "jetstream", mirrorDir
	targets := make([]string, c.Hubs)
	for i := range targets {
		if targets[i], err = c.fixed(i+1, 4248); err != nil {
			return nil, err
		}
	}
	key, err := t.key()
	if err != nil {
		return nil, err
	}
	args := make([][]string, c.Hubs)
	for i := range args {
		peers, err := c.links(i+1, targets)
		if err != nil {
			return nil, err
		}
		args[i] = []string{
			"--cluster-peers", strings.Join(peers, ","), "--cluster-listen", targets[i], "--cluster-name", fmt.Sprintf("hub%d", i+1), "--cluster-key-file", key,
		}
	}
	t.extra = func(hub int) []string { return args[hub-1] }
	return t, nil
}

// mirrorDir is the folder of a data directory that holds the log of a hub in a cluster.
const mirrorDir = "log"

// Replace implements [Driver]: it removes the old name through another hub, because the hub returns with a new one.
func (t *Tidings) Replace(ctx context.Context, hub int) error {
	if t.order == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(t.dir(hub), "cluster.json"))
	if err != nil {
		return err
	}
	var node struct{ Name string }
	if err := json.Unmarshal(text, &node); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, removeTime)
	defer cancel()
	other := hub%t.Hubs + 1
	for { // until the others have noticed that the hub has gone
		out, err := exec.CommandContext(ctx, t.Binary, "cluster", "remove", node.Name, "--hub", t.url(other, "", nil)).CombinedOutput()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove %s: %w: %s", node.Name, err, out)
		case <-time.After(time.Second):
		}
	}
}

// removeTime is how long the hubs may take to notice that one of them has gone, and to forget it.
const removeTime = 40 * time.Second

// links returns the addresses by which a hub reaches the targets, its own included.
func (c *Config) links(from int, targets []string) ([]string, error) {
	peers := append([]string(nil), targets...)
	if c.Link == nil {
		return peers, nil
	}
	for i := range peers {
		if i+1 == from {
			continue
		}
		address, err := c.Link(from, i+1, targets[i])
		if err != nil {
			return nil, err
		}
		peers[i] = address
	}
	return peers, nil
}

// fixed returns the address of a node at a port, or at any free one if the nodes share an address.
func (c *Config) fixed(node, port int) (string, error) {
	if c.Port != 0 {
		return net.JoinHostPort(c.Host(node), fmt.Sprint(port)), nil
	}
	return FreeAddress(c.Host(node))
}

// key writes the secret that the hubs share, and returns its file.
func (t *Tidings) key() (string, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	file := filepath.Join(t.Dir, "cluster.key")
	return file, os.WriteFile(file, []byte(base64.RawURLEncoding.EncodeToString(secret)+"\n"), 0o600)
}

// Whole implements [Mender].
func (t *Tidings) Whole(ctx context.Context, hub int) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url(hub, "/api/v1/cluster", nil), nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var said struct {
		Log struct{ Checked, Damaged bool }
	}
	return json.NewDecoder(resp.Body).Decode(&said) == nil && said.Log.Checked && !said.Log.Damaged
}
