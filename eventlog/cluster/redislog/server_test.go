//go:build programs

package redislog_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
	"github.com/tidings-sse/tidings/internal/cutproxy"
)

// patience is how long a test waits for a condition. Only a failing test waits that long.
const patience = 25 * time.Second

// server is a redis-server, or a redis-sentinel, on a port of its own. Its data stays when it stops.
type server struct {
	program string
	dir     string
	port    int
	args    []string
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the program has ended
	log     *bytes.Buffer
}

// startServer starts a redis-server with settings such as "--appendonly", "yes". It ends with the test.
func startServer(t *testing.T, settings ...string) *server {
	t.Helper()
	s := &server{program: "redis-server", dir: t.TempDir()}
	s.args = append([]string{"--save", "", "--dir", s.dir, "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0"}, settings...)
	s.begin(t)
	return s
}

// freePort returns a port that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	addr, err := cutproxy.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return int(netip.MustParseAddrPort(addr).Port())
}

// begin finds a free port and starts the program. A port that redis-server adds for a Redis Cluster may be in use; then it tries again.
func (s *server) begin(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { s.kill(t) })
	for range 5 {
		s.port = freePort(t)
		if s.start(t) {
			return
		}
	}
	t.Fatalf("%s does not start:\n%s", s.program, s.log)
}

// start starts the program on its port, and waits until it answers. It returns false if the program ends instead.
func (s *server) start(t *testing.T) bool {
	t.Helper()
	path, err := exec.LookPath(s.program)
	if err != nil {
		t.Fatalf("%v; .ci/needs installs it", err)
	}
	args := append([]string{"--port", strconv.Itoa(s.port)}, s.args...)
	if s.program == "redis-sentinel" {
		args = append([]string{filepath.Join(s.dir, "sentinel.conf")}, args...)
	}
	s.log = new(bytes.Buffer)
	s.cmd = exec.Command(path, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, cmd := make(chan struct{}), s.cmd
	s.ended = ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		select {
		case <-ended:
			return false
		case <-time.After(5 * time.Millisecond):
		}
		c, err := net.Dial("tcp", s.addr())
		if err != nil {
			continue
		}
		fmt.Fprintf(c, "PING\r\n")
		answer := make([]byte, 64)
		n, _ := c.Read(answer)
		_ = c.Close()
		if text := string(answer[:n]); strings.HasPrefix(text, "+PONG") || strings.HasPrefix(text, "-NOAUTH") || strings.HasPrefix(text, "-DENIED") {
			return true
		}
	}
	t.Fatalf("%s does not answer:\n%s", s.program, s.log)
	return false
}

// kill ends the program as a crash does, and waits until it is gone.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

func (s *server) pause(t *testing.T)  { s.signal(t, syscall.SIGSTOP) }
func (s *server) resume(t *testing.T) { s.signal(t, syscall.SIGCONT) }

func (s *server) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

func (s *server) restart(t *testing.T) {
	t.Helper()
	s.kill(t)
	if !s.start(t) {
		t.Fatalf("%s does not start again:\n%s", s.program, s.log)
	}
}

func (s *server) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }
func (s *server) url() string  { return "redis://" + s.addr() }

// do sends a command as an administrator, and returns the answer.
func (s *server) do(t *testing.T, args ...any) any {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.addr(), DisableIdentity: true})
	defer func() { _ = c.Close() }()
	answer, err := c.Do(t.Context(), args...).Result()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return answer
}

// info returns a field of INFO.
func (s *server) info(t *testing.T, name string) string {
	t.Helper()
	text := fmt.Sprint(s.do(t, "INFO"))
	found := regexp.MustCompile(`(?m)^` + name + `:(.*?)\r?$`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("INFO has no %s", name)
	}
	return found[1]
}

// open returns a handle to the shared log, as a hub has one.
func open(t *testing.T, o *redislog.Options) *redislog.Order {
	t.Helper()
	order, err := redislog.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := order.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return order
}

// created returns a handle to a shared log that exists.
func created(t *testing.T, o *redislog.Options) *redislog.Order {
	t.Helper()
	order := open(t, o)
	if err := order.Create(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	bounds(t, order)
	return order
}

func bounds(t *testing.T, o *redislog.Order) cluster.Bounds {
	t.Helper()
	b, err := o.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var published atomic.Uint64

func newID() (id cluster.ID) {
	copy(id[:], "process1")
	id[15], id[14], id[13] = byte(published.Add(1)), byte(published.Load()>>8), byte(published.Load()>>16)
	return id
}

// publish publishes messages, and returns their identifiers.
func publish(t *testing.T, o *redislog.Order, data ...string) (ids []cluster.ID) {
	t.Helper()
	for _, text := range data {
		id := newID()
		if err := o.Publish(t.Context(), "", id, []byte(text)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// follower collects what Follow passes on until it returns.
type follower struct {
	messages chan cluster.Message
	err      chan error
}

func follow(t *testing.T, o *redislog.Order, from uint64) *follower {
	f := &follower{messages: make(chan cluster.Message, 10_000), err: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.err <- o.Follow(ctx, from, func(messages []cluster.Message) error {
			for _, m := range messages {
				f.messages <- m
			}
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return f
}

// next returns the next message.
func (f *follower) next(t *testing.T) cluster.Message {
	t.Helper()
	select {
	case m := <-f.messages:
		return m
	case err := <-f.err:
		t.Fatalf("Follow has returned %v", err)
	case <-time.After(patience):
		t.Fatal("no message came")
	}
	return cluster.Message{}
}

// end returns the error with which Follow returns.
func (f *follower) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-f.err:
		return err
	case <-time.After(patience):
		t.Fatal("Follow does not return")
		return nil
	}
}

// eventually waits until f returns true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long until %s", what)
		}
	}
}
