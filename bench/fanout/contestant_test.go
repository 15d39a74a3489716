package fanout

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/bench/ready"
	"github.com/tidings-sse/tidings/internal/cutproxy"
)

// The hub runs on one core, the load generator on another.
const (
	hubCore  = "0"
	loadCore = "1"
)

// contestant is a hub, or a yardstick.
type contestant struct {
	name    string
	command func(b *testing.B, port int) []string // nil if it is not installed
	flags   func(port int) []string               // of tidings bench
	batches string                                // the body of a batch; "" if it accepts no batches
	workers int                                   // number of worker processes
}

var contestants = []contestant{
	{"c-loop", yardstick, plainFlags, "{data}", 0},
	{"tidings-memory", func(b *testing.B, port int) []string { return tidings(b, port, "--memory") }, tidingsFlags, ndjson, 0},
	{"tidings", func(b *testing.B, port int) []string {
		return tidings(b, port, "--data", filepath.Join(b.TempDir(), "data"))
	}, tidingsFlags, ndjson, 0},
	{"net/http", plain, plainFlags, "{data}", 0},
	{"nchan", nchan, nchanFlags, "", 1},
	{"centrifugo", centrifugo, centrifugoFlags, "", 0},
}

const ndjson = `{"data":"{data}"}`

// run runs a benchmark for those of some contestants that are installed and take part.
func run(b *testing.B, some []contestant, prefix string, takesPart func(contestant) bool, f func(b *testing.B, h *hub)) {
	for _, c := range some {
		if !takesPart(c) {
			continue
		}
		b.Run(prefix+"/by="+c.name, func(b *testing.B) {
			if h := c.start(b); h != nil {
				f(b, h)
			}
		})
	}
}

func all(contestant) bool { return true }

func among(names ...string) func(contestant) bool {
	return func(c contestant) bool {
		return slices.Contains(names, c.name)
	}
}

// hub is a running contestant.
type hub struct {
	contestant
	port int
	pids []string
}

// start starts the hub on its core. It ends with the benchmark.
func (c contestant) start(b *testing.B) *hub {
	b.Helper()
	h := &hub{contestant: c, port: freePort(b)}
	command := c.command(b, h.port)
	if command == nil {
		b.Logf("%s is not installed, and left out", c.name)
		return nil
	}
	cmd := exec.Command("taskset", append([]string{"-c", hubCore}, command...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	h.await(b, cmd.Process.Pid)
	return h
}

// await waits until the hub listens and all its processes run.
func (h *hub) await(b *testing.B, pid int) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", h.addr())
		if err == nil {
			_ = conn.Close()
			if h.pids = family(b, pid); len(h.pids) > h.workers && (h.name != "tidings" || ready.Hub(b.Context(), "http://"+h.addr())) {
				return
			}
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s does not listen", h.name)
		}
	}
}

func (h *hub) addr() string { return "127.0.0.1:" + strconv.Itoa(h.port) }

// family returns a process and its children: nginx has a worker process.
func family(b *testing.B, pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		b.Fatal(err)
	}
	return append([]string{strconv.Itoa(pid)}, strings.Fields(string(text))...)
}

func freePort(b *testing.B) int {
	b.Helper()
	addr, err := cutproxy.FreeAddress()
	if err != nil {
		b.Fatal(err)
	}
	return int(netip.MustParseAddrPort(addr).Port())
}

// built builds a program once.
func built(name string, command func(out string) *exec.Cmd) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		out := filepath.Join(scratch, name)
		if text, err := command(out).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s cannot be built: %w: %s", name, err, text)
		}
		return out, nil
	})
}

var (
	tidingsProgram = built("tidings", func(out string) *exec.Cmd {
		cmd := exec.Command("go", "build", "-o", out, "./cmd/tidings")
		cmd.Dir = "../.."
		return cmd
	})
	yardstickProgram    = built("yardstick", func(out string) *exec.Cmd { return exec.Command("cc", "-O2", "-o", out, "yardstick.c") })
	yardstickTLSProgram = built("yardstick-tls", func(out string) *exec.Cmd {
		return exec.Command("cc", "-O2", "-DTLS", "-o", out, "yardstick.c", "-lssl", "-lcrypto")
	})
)

func program(b *testing.B, build func() (string, error)) string {
	b.Helper()
	path, err := build()
	if err != nil {
		b.Fatal(err)
	}
	return path
}

func yardstick(b *testing.B, port int) []string {
	return []string{program(b, yardstickProgram), strconv.Itoa(port)}
}

func plainFlags(port int) []string {
	url := fmt.Sprintf("http://127.0.0.1:%d/events/{topic}", port)
	return []string{"--subscribe", url, "--publish", url}
}

func tidings(b *testing.B, port int, where ...string) []string {
	args := []string{program(b, tidingsProgram), "serve", "--addr", "127.0.0.1:" + strconv.Itoa(port), "--h2c", "--log-level", "warn"}
	return append(args, where...)
}

func tidingsFlags(port int) []string {
	return []string{"--hub", fmt.Sprintf("http://127.0.0.1:%d", port)}
}
