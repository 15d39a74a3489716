package hubs

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/bench/ready"
	"github.com/tidings-sse/tidings/internal/cutproxy"
)

// The server runs on core 0, the load generator on core 1. Each process has GOMAXPROCS=1.
const (
	serverCore = "0"
	loadCore   = "1"
	pinned     = "BENCH_PINNED"
	plainAddr  = "BENCH_PLAIN"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(plainAddr); addr != "" {
		servePlain(addr)
		return
	}
	if os.Getenv(pinned) == "" {
		if taskset, err := exec.LookPath("taskset"); err == nil {
			env := append(os.Environ(), pinned+"=1", "GOMAXPROCS=1")
			err = syscall.Exec(taskset, append([]string{"taskset", "-c", loadCore}, os.Args...), env)
			fmt.Fprintln(os.Stderr, "not pinned to a core:", err)
		}
	}
	os.Exit(m.Run())
}

var tidings = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tidings-bench")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "tidings")
	cmd := exec.Command("go", "build", "-o", program, "./cmd/tidings")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

// start starts a server on its core and returns where it listens. It ends with the benchmark. The hub gets the flags.
func start(b *testing.B, name string, flags ...string) (addr string) {
	b.Helper()
	addr = freeAddr(b)
	program, args := os.Args[0], []string{}
	env := []string{plainAddr + "=" + addr}
	if name != "net/http" {
		var err error
		if program, err = tidings(); err != nil {
			b.Fatal(err)
		}
		args = []string{"serve", "--addr", addr, "--data", filepath.Join(b.TempDir(), "data")}
		if name == "tidings-memory" {
			args = []string{"serve", "--addr", addr, "--memory"}
		}
		args = append(append(args, "--log-level", "warn"), flags...) // the other servers do not log requests
		env = nil
	}
	cmd := exec.Command("taskset", append([]string{"-c", serverCore, program}, args...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") }), env...) // that of the load
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	serves := ready.Hub
	if name == "net/http" {
		serves = ready.Server
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if serves(b.Context(), "http://"+addr) {
			return addr
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s does not serve", name)
		}
	}
}

func freeAddr(b *testing.B) string {
	b.Helper()
	addr, err := cutproxy.FreeAddress()
	if err != nil {
		b.Fatal(err)
	}
	return addr
}

// servePlain is the yardstick: POST reads the body and sends it to the channels of the subscribers; NDJSON is split into lines. It stores
// nothing, has no positions, and drops events if a channel is full.
func servePlain(addr string) {
	var mu sync.Mutex
	followers := make(map[string]map[chan string]bool)
	publish := func(topic, data string) {
		mu.Lock()
		defer mu.Unlock()
		for ch := range followers[topic] {
			select {
			case ch <- data:
			default:
			}
		}
	}
	http.HandleFunc("/events/", func(w http.ResponseWriter, r *http.Request) {
		topic := strings.TrimPrefix(r.URL.Path, "/events/")
		if r.Method == http.MethodPost {
			n := 0
			if r.Header.Get("Content-Type") == "application/x-ndjson" {
				for lines := bufio.NewScanner(r.Body); lines.Scan(); n++ {
					publish(topic, lines.Text())
				}
			} else {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return
				}
				publish(topic, string(body))
			}
			_, _ = fmt.Fprintf(w, "{\"count\":%d}\n", n)
			return
		}
		ch := make(chan string, 1000)
		mu.Lock()
		if followers[topic] == nil {
			followers[topic] = make(map[chan string]bool)
		}
		followers[topic][ch] = true
		mu.Unlock()
		defer func() {
			mu.Lock()
			delete(followers[topic], ch)
			mu.Unlock()
		}()
		w.Header().Set("Content-Type", "text/event-stream")
		flush := w.(http.Flusher)
		flush.Flush()
		for {
			select {
			case data := <-ch:
				_, _ = fmt.Fprintf(w, "data: %s\n\n", data)
				flush.Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	server := http.Server{Addr: addr, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
}
