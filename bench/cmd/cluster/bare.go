package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// bareServers is the yardstick: three servers of JetStream without hubs, each in a process of its own like a hub, which write each message to
// disk before they acknowledge it. Their clients and routes use no TLS, unlike the routes of hubs.
type bareServers struct {
	dir     string
	servers []*bareServer
}

type bareServer struct {
	process *exec.Cmd
	input   io.Closer // the server ends when its input does
	url     string
}

// bareSettings are the settings of the process of a server.
type bareSettings struct {
	Name, Dir  string
	Port, Peer int
	Peers      []string
}

// bareArgument is the first argument of this program in the process of a server. The second one is bareSettings.
const bareArgument = "bare-server"

// serveBare is the process of a server.
func serveBare(text string) error {
	var s bareSettings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	o := &server.Options{
		ServerName: s.Name, Host: "127.0.0.1", Port: s.Port, NoSigs: true, NoLog: true, JetStream: true, StoreDir: s.Dir, SyncAlways: true,
		Cluster: server.ClusterOpts{Name: "bare", Host: "127.0.0.1", Port: s.Peer, PoolSize: 3},
	}
	for _, peer := range s.Peers {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: peer})
	}
	running, err := server.NewServer(o)
	if err != nil {
		return err
	}
	running.Start()
	_, err = io.Copy(io.Discard, os.Stdin)
	running.Shutdown()
	running.WaitForShutdown()
	return err
}

// startBare starts three servers.
func startBare() (*bareServers, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(6)
	if err != nil {
		return nil, err
	}
	b := new(bareServers)
	if b.dir, err = os.MkdirTemp("", "tidings-bare-"); err != nil {
		return nil, err
	}
	var peers []string
	for _, port := range ports[3:] {
		peers = append(peers, "127.0.0.1:"+port)
	}
	for i := range 3 {
		name := fmt.Sprint("bare", i+1)
		settings := fmt.Sprintf(`{"Name":%q,"Dir":%q,"Port":%s,"Peer":%s,"Peers":%s}`, name, filepath.Join(b.dir, name), ports[i], ports[3+i], mustJSON(peers))
		s := &bareServer{process: exec.Command(program, bareArgument, settings), url: "nats://127.0.0.1:" + ports[i]}
		s.process.Stderr = os.Stderr
		if s.input, err = s.process.StdinPipe(); err == nil {
			err = s.process.Start()
		}
		if err != nil {
			b.stop()
			return nil, err
		}
		b.servers = append(b.servers, s)
	}
	return b, nil
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// stop stops the servers and removes their data.
func (b *bareServers) stop() {
	for _, s := range b.servers {
		_ = s.input.Close()
		_ = s.process.Wait()
	}
	_ = os.RemoveAll(b.dir)
}

// processorTime returns the processor time of all servers.
func (b *bareServers) processorTime() (sum time.Duration, err error) {
	for _, s := range b.servers {
		one, err := processorTime(s.process.Process.Pid)
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// bareStream is the stream of the yardstick.
var bareStream = jetstream.StreamConfig{Name: "bare", Subjects: []string{"bare"}, Replicas: 3, MaxBytes: 1 << 30}

// open returns a publisher at one of the servers, of messages as large as so many records.
func (b *bareServers) open(ctx context.Context, i, records int) (publisher, error) {
	nc, err := nats.Connect(b.servers[i%len(b.servers)].url, nats.RetryOnFailedConnect(true), nats.ReconnectWait(50*time.Millisecond), nats.MaxReconnects(-1))
	if err != nil {
		return publisher{}, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return publisher{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for { // the servers have to find each other first
		trying, stop := context.WithTimeout(ctx, 2*time.Second)
		_, err = js.CreateStream(trying, bareStream)
		stop()
		if err == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		nc.Close()
		return publisher{}, err
	}
	message := []byte(strings.Join(texts(records, uint64(i)), ""))
	return publisher{
		publish: func(ctx context.Context) error { _, err := js.Publish(ctx, "bare", message); return err },
		close:   func() error { nc.Close(); return nil },
	}, nil
}
