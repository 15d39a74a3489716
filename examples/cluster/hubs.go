package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	hubCount     = 3
	restartAfter = 5 * time.Second
)

// hub is a process of tidings serve.
type hub struct {
	name, addr, peer string
	args             []string
	process          *exec.Cmd // nil: it does not run
	kills            int
	backend          backend // of the balancer
}

// hubs are the hubs of the cluster.
type hubs struct {
	program string

	mu      sync.Mutex // guards the following, and the fields of the hubs
	all     []*hub
	stopped bool
	running sync.WaitGroup
}

// startHubs starts the hubs, each with a data directory of its own. Each listens on two of the ports, for clients and for the other hubs.
func startHubs(program, dir string, ports []int) (*hubs, error) {
	key := filepath.Join(dir, "cluster.key")
	if out, err := exec.Command(program, "cluster", "key", key).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making the key of the cluster: %w: %s", err, out)
	}
	h := &hubs{program: program}
	var peers []string
	for i := range hubCount {
		peers = append(peers, fmt.Sprint("127.0.0.1:", ports[hubCount+i]))
	}
	for i := range hubCount {
		one := &hub{name: fmt.Sprint("hub-", i+1), addr: fmt.Sprint("localhost:", ports[i]), peer: peers[i]}
		one.args = []string{
			"serve", "--addr", one.addr, "--data", filepath.Join(dir, one.name), "--log-level", "error", "--log-requests", "never",
			"--cluster-peers", strings.Join(peers, ","), "--cluster-listen", one.peer, "--cluster-name", one.name, "--cluster-key-file", key,
		}
		h.all = append(h.all, one)
	}
	for _, one := range h.all {
		if err := h.start(one); err != nil {
			h.stop()
			return nil, err
		}
	}
	return h, nil
}

// freePorts returns ports of this machine that nothing uses.
func freePorts(count int) (ports []int, err error) {
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // after the last one, so that no port comes twice
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// start starts a hub, and starts it again some time after it has ended.
func (h *hubs) start(one *hub) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return nil
	}
	cmd := exec.Command(h.program, one.args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	one.process = cmd
	h.running.Go(func() {
		_ = cmd.Wait() // "signal: killed", as a rule
		h.mu.Lock()
		one.process = nil
		h.mu.Unlock()
		time.AfterFunc(restartAfter, func() {
			if err := h.start(one); err != nil {
				log.Printf("%s does not start again: %v", one.name, err)
			}
		})
	})
	return nil
}

// stop ends all hubs.
func (h *hubs) stop() {
	h.mu.Lock()
	h.stopped = true
	for _, one := range h.all {
		if one.process != nil {
			_ = one.process.Process.Signal(os.Interrupt) // it may have ended
		}
	}
	h.mu.Unlock()
	h.running.Wait()
}

// list answers which hubs run.
func (h *hubs) list(w http.ResponseWriter, _ *http.Request) {
	type state struct {
		Name    string `json:"name"`
		Addr    string `json:"addr"`
		Running bool   `json:"running"`
		Kills   int    `json:"kills"`
		Streams int64  `json:"streams"`
	}
	h.mu.Lock()
	var all []state
	for _, one := range h.all {
		all = append(all, state{one.name, one.addr, one.process != nil, one.kills, one.backend.streams.Load()})
	}
	h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(all) // the browser has gone if it fails
}

// kill kills a hub's process, without a chance to say goodbye.
func (h *hubs) kill(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range h.all {
		if one.name == r.PathValue("name") && one.process != nil {
			one.kills++
			if err := one.process.Process.Kill(); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
			return
		}
	}
	http.Error(w, "no such hub runs", http.StatusNotFound)
}
