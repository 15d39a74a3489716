package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A restart without downtime: SIGUSR2 makes a hub start its binary again, with its arguments, and give it the sockets.
//
//	old process                               new process
//	starts it                            ─▶   reads settings and keys, takes the sockets
//	                                     ◀─   prepared
//	ends its streams in waves, serves
//	everything else; stops accepting     ─▶   take: it accepts connections, and holds requests
//	answers what it has, closes the log  ─▶   open: it opens the log
//	ends                                 ◀─   ready: it serves
//
// The data directory has one owner at a time. If the new process ends or hangs before it is ready, the old one serves on: before it closed its log
// as if nothing had happened, after that with a new hub on the same log and the same sockets.
//
// Each process tells the other one by lines in a pipe. A pipe that ends says that its process has ended. If the old one has, the new one goes on.
const (
	sayPrepared = "prepared"
	sayTake     = "take"
	sayOpen     = "open"
	sayReady    = "ready"
)

// How long a new process may take. They are variables so that a test can shorten them.
var (
	prepareTime = 30 * time.Second
	readyTime   = time.Minute
	endTime     = 5 * time.Second // after it has closed its pipe
)

// invocation is how a process was started. Its zero value cannot be repeated.
type invocation struct {
	path string // of the binary, absolute, as the user wrote it: a link may lead to a newer version
	args []string
}

// invoked returns the invocation of this process.
func invoked() invocation {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return invocation{}
	}
	return invocation{path, os.Args[1:]}
}

// handOverVariable has what a process gives to the next one, as JSON. A version of the program that does not know it refuses to start, and the
// restart fails before anything has changed.
const handOverVariable = "TIDINGS_HANDOVER"

// handedOver is the value of handOverVariable. The descriptors are those of two pipes, and of the sockets in this order.
type handedOver struct {
	Version int            `json:"version"`
	PID     int            `json:"pid,omitempty"`  // of the older process
	Data    *dataPlace     `json:"data,omitempty"` // nil: an older version, which does not say it
	Sockets []handedSocket `json:"sockets"`
}

// handOverVersion changes when an older process cannot give its place to this one.
const handOverVersion = 1

type handedSocket struct {
	Role    string `json:"role"`
	Addr    string `json:"addr"`
	Systemd bool   `json:"systemd"`
}

// successor is a new process that takes the place of this one. Its methods are called by one goroutine.
type successor struct {
	cmd    *exec.Cmd
	logger *slog.Logger
	orders io.WriteCloser
	said   *os.File
	lines  chan string   // what it says; closed when its pipe has ended
	ended  chan struct{} // closed when it has ended
	how    error         // how it ended; set before
	files  map[*place][]*os.File
	spare  func() bool // ends what stopWith began
}

// succeed starts the successor of a process with its log in data, and waits until it is prepared.
func (i invocation) succeed(ctx context.Context, std stdio, env environ, logger *slog.Logger, data *dataPlace, places ...*place) (_ *successor, err error) {
	n := &successor{logger: logger, files: map[*place][]*os.File{}, lines: make(chan string), ended: make(chan struct{}), spare: func() bool { return false }}
	defer func() {
		if err != nil {
			n.release()
		}
	}()
	theirOrders, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	n.orders = orders
	said, theirReports, err := os.Pipe()
	if err != nil {
		_ = theirOrders.Close() // nothing was written
		return nil, err
	}
	n.cmd = exec.Command(i.path, i.args...)
	n.cmd.Stdin, n.cmd.Stdout, n.cmd.Stderr = std.in, std.out, std.err
	n.cmd.ExtraFiles = []*os.File{theirOrders, theirReports}
	h := handedOver{Version: handOverVersion, PID: os.Getpid(), Data: data}
	for _, p := range places {
		if n.files[p], err = p.share(); err != nil {
			break
		}
		n.cmd.ExtraFiles = append(n.cmd.ExtraFiles, n.files[p]...)
		for range n.files[p] {
			h.Sockets = append(h.Sockets, handedSocket{p.role, p.addr, p.systemd})
		}
	}
	if err == nil {
		if n.cmd.Env, err = h.environ(env); err == nil {
			err = n.cmd.Start()
		}
	}
	_, _ = theirOrders.Close(), theirReports.Close() // the new process has its own
	if err != nil {
		_ = said.Close() // nothing was read
		return nil, err
	}
	n.said = said
	go n.listen()
	go func() {
		if n.how = n.cmd.Wait(); n.how == nil {
			n.how = errors.New("exit status 0")
		}
		close(n.ended)
	}()
	if err := n.await(ctx, sayPrepared, prepareTime); err != nil {
		n.kill()
		return nil, err
	}
	return n, nil
}

// environ returns the environment of the new process.
func (h *handedOver) environ(env environ) (environ, error) {
	text, err := json.Marshal(h)
	ours := []string{handOverVariable, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"}
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(ours, name)
	})
	return append(env, handOverVariable+"="+string(text)), err
}

// listen passes on the lines of the new process.
func (n *successor) listen() {
	defer close(n.lines)
	for in := bufio.NewScanner(n.said); in.Scan(); {
		select {
		case n.lines <- in.Text():
		case <-n.ended:
			return
		}
	}
}

// await waits until the new process says something.
func (n *successor) await(ctx context.Context, want string, most time.Duration) error {
	late := time.NewTimer(most)
	defer late.Stop()
	select {
	case line, ok := <-n.lines:
		switch {
		case !ok:
			n.end(endTime) // it says why on its standard error, and ends
			return n.over(want)
		case line != want:
			return fmt.Errorf("the new process says %.40q instead of %s", line, want)
		}
		return nil
	case <-n.ended: // and left its pipe to others
		return n.over(want)
	case <-late.C:
		return fmt.Errorf("the new process was not %s within %v", want, most)
	case <-ctx.Done():
		return fmt.Errorf("the hub was asked to stop: %w", context.Cause(ctx))
	}
}

// over says how the new process ended.
func (n *successor) over(want string) error {
	return fmt.Errorf("the new process ended before it was %s: %w", want, n.how)
}

// tell tells the new process to go on. A process that has ended is found by await.
func (n *successor) tell(line string) { _, _ = io.WriteString(n.orders, line+"\n") }

// kill ends the new process, and waits until it holds nothing any more.
func (n *successor) kill() {
	_ = n.cmd.Process.Kill() // fails only if it has ended
	<-n.ended
}

// stopWith asks the new process to stop as soon as this one is asked, because it would go on if this one was then killed.
func (n *successor) stopWith(ctx context.Context) {
	n.spare = context.AfterFunc(ctx, func() {
		_ = n.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended
	})
}

// end waits for the end of the new process, and kills it if it takes too long.
func (n *successor) end(most time.Duration) {
	late := time.AfterFunc(most, func() { _ = n.cmd.Process.Kill() }) // fails only if it has ended
	defer late.Stop()
	<-n.ended
}

// release lets the new process alone, and closes the descriptors for it.
func (n *successor) release() {
	n.spare()
	if n.said != nil {
		_ = n.said.Close() // this ends listen
	}
	if n.orders != nil {
		_ = n.orders.Close() // the new process has read them, or has ended
	}
	for _, files := range n.files {
		for _, f := range files {
			_ = f.Close() // a duplicate
		}
	}
}
