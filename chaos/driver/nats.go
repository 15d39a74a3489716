package driver

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// natsConfig is a server of NATS that syncs each message before it acknowledges it.
const natsConfig = `server_name: %q
listen: %q
jetstream { store_dir: %q, sync_interval: always, max_file_store: 64G }
cluster { name: chaos, listen: %q, routes: [%s], no_advertise: true }
max_payload: 8M
`

// NewTidingsNATS returns hubs whose shared order is a NATS cluster of three servers. The program nats-server has to be in the path.
func NewTidingsNATS(c Config) (*Tidings, error) {
	t, err := NewTidings(c)
	if err != nil {
		return nil, err
	}
	const servers = 3
	var clients, routes []string
	for i := range servers {
		client, err := c.fixed(c.Hubs+i+1, 4222)
		if err != nil {
			return nil, err
		}
		route, err := c.fixed(c.Hubs+i+1, 6222)
		if err != nil {
			return nil, err
		}
		clients, routes = append(clients, client), append(routes, route)
	}
	list := strings.Join(quoted("nats://", routes), ", ")
	for i := range servers {
		name := fmt.Sprintf("nats%d", i+1)
		dir := filepath.Join(c.Dir, name)
		config := fmt.Sprintf(natsConfig, name, clients[i], dir, routes[i], list)
		t.nodes = append(t.nodes, Node{
			Name: name, Dirs: []string{dir}, Grace: time.Minute,
			Start: func() (*exec.Cmd, error) {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return nil, err
				}
				file := filepath.Join(c.Dir, name+".conf")
				return exec.Command("nats-server", "-c", file), os.WriteFile(file, []byte(config), 0o600)
			},
			Ready: func(ctx context.Context) bool { return accepts(ctx, clients[i]) },
		})
	}
	key, err := t.key()
	if err != nil {
		return nil, err
	}
	t.mirror = mirrorDir
	t.broker = "nats://" + strings.Join(clients, ",nats://")
	t.extra = func(hub int) []string {
		return []string{"--nats", t.broker, "--nats-replicas", "3", "--nats-durable", "--cluster-name", fmt.Sprintf("hub%d", hub), "--cluster-key-file", key}
	}
	return t, nil
}

func quoted(prefix string, texts []string) (all []string) {
	for _, text := range texts {
		all = append(all, fmt.Sprintf("%q", prefix+text))
	}
	return all
}

// accepts reports whether an address accepts connections.
func accepts(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	return err == nil && conn.Close() == nil
}
