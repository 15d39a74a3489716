package main

import (
	"bytes"
	"context"
	"encoding/json"
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
	"time"

	"github.com/tidings-sse/tidings/bench/ready"
	"github.com/tidings-sse/tidings/internal/cutproxy"
)

// cluster is three hubs.
type cluster struct {
	hubs [3]*hub
}

type hub struct {
	program string
	args    []string
	url     string
	name    string
	process *exec.Cmd
	log     *os.File
}

// startCluster starts three hubs, and waits until all are ready.
func startCluster(ctx context.Context, program, dir string) (*cluster, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key := filepath.Join(dir, "cluster.key")
	if out, err := exec.CommandContext(ctx, program, "cluster", "key", key).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	ports, err := freePorts(6)
	if err != nil {
		return nil, err
	}
	c := &cluster{}
	var peers []string
	for i := range c.hubs {
		peers = append(peers, "127.0.0.1:"+ports[3+i])
	}
	for i := range c.hubs {
		h := &hub{program: program, url: "http://localhost:" + ports[i], name: fmt.Sprint("hub", i+1)}
		h.args = []string{
			"serve", "--addr", "localhost:" + ports[i], "--data", filepath.Join(dir, h.name), "--log-requests", "never",
			"--cluster-peers", strings.Join(peers, ","), "--cluster-listen", peers[i], "--cluster-name", h.name, "--cluster-key-file", key,
		}
		if h.log, err = os.Create(filepath.Join(dir, h.name+".log")); err != nil {
			return nil, err
		}
		c.hubs[i] = h
		if err := h.start(); err != nil {
			return nil, err
		}
	}
	for _, h := range c.hubs {
		if err := h.awaitReady(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func freePorts(count int) (ports []string, err error) {
	for range count {
		address, err := cutproxy.FreeAddress()
		if err != nil {
			return nil, err
		}
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

func (h *hub) start() error {
	h.process = exec.Command(h.program, h.args...)
	h.process.Stdout, h.process.Stderr = h.log, h.log
	return h.process.Start()
}

// end sends a signal and waits until the process has ended.
func (h *hub) end(signal os.Signal) {
	if h.process == nil {
		return
	}
	_ = h.process.Process.Signal(signal) // it may have ended by itself
	_ = h.process.Wait()
	h.process = nil
}

func (c *cluster) stop() {
	for _, h := range c.hubs {
		h.end(syscall.SIGKILL)
		_ = h.log.Close()
	}
}

const patience = time.Minute

func (h *hub) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if ready.Hub(ctx, h.url) {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			text, _ := os.ReadFile(h.log.Name()) // for a person
			return fmt.Errorf("%s is not ready: %w\n%s", h.name, ctx.Err(), text)
		}
	}
}

// memory returns the resident memory of the process, in MB.
func (h *hub) memory() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.process.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			return float64(kb) / 1000, err
		}
	}
	return 0, fmt.Errorf("no VmRSS for %s", h.name)
}

// processorTime returns the processor time of all hubs.
func (c *cluster) processorTime() (sum time.Duration, err error) {
	for _, h := range c.hubs {
		one, err := processorTime(h.process.Process.Pid)
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// processorTime returns the processor time of a process.
func processorTime(pid int) (sum time.Duration, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // the name before it may have spaces
	for _, field := range fields[11:13] {                                     // utime, stime
		ticks, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ticks) * time.Second / ticksPerSecond
	}
	return sum, nil
}

const ticksPerSecond = 100 // of /proc on every Linux that Go runs on

// leader returns the hub that leads the shared log.
func (c *cluster) leader(ctx context.Context) (*hub, error) {
	for _, h := range c.hubs {
		if h.process == nil {
			continue
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/api/v1/cluster", http.NoBody)
		if err != nil {
			return nil, err
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			continue
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			continue
		}
		var answer any
		if err := json.Unmarshal(text, &answer); err != nil {
			continue
		}
		name := find(answer, "streamLeader")
		for _, leader := range c.hubs {
			if name != "" && strings.HasPrefix(name, leader.name) {
				return leader, nil
			}
		}
	}
	return nil, fmt.Errorf("no hub says who leads the shared log")
}

// find returns the text of the first member with this name, at any depth.
func find(value any, name string) string {
	switch v := value.(type) {
	case map[string]any:
		if text, ok := v[name].(string); ok {
			return text
		}
		for _, inner := range v {
			if text := find(inner, name); text != "" {
				return text
			}
		}
	case []any:
		for _, inner := range v {
			if text := find(inner, name); text != "" {
				return text
			}
		}
	}
	return ""
}
