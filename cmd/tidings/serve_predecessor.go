package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// predecessor is the process that this one replaces. Nil is none.
type predecessor struct {
	pid     int         // 0: an older version, which does not say it
	data    *dataPlace  // nil: likewise
	lines   chan string // what it says; closed when its pipe has ended
	reports io.WriteCloser
	left    bool // it has ended without giving its place to this process
	logger  *slog.Logger
}

// handed returns the predecessor of this process, nil if there is none, and the sockets that it passes.
func handed(env environ) (*predecessor, given, error) {
	text := env.lookup(handOverVariable)
	if text == "" {
		return nil, nil, nil
	}
	var h handedOver
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return nil, nil, fmt.Errorf("the environment variable %s is for a hub that replaces another one; unset it: %w", handOverVariable, err)
	}
	if h.Version != handOverVersion {
		return nil, nil, fmt.Errorf("the running hub is of a version that this one cannot replace while it runs; stop it, and start this one")
	}
	all := given{}
	for i, s := range h.Sockets {
		if err := all.add(s.Role, firstFile+2+i); err != nil {
			all.close()
			return nil, nil, fmt.Errorf("the environment variable %s names a socket that this process does not have; unset it: %w", handOverVariable, err)
		}
		all[s.Role].addr, all[s.Role].systemd = s.Addr, s.Systemd
	}
	closeOnExec(firstFile)
	closeOnExec(firstFile + 1)
	p := &predecessor{pid: h.PID, data: h.Data, lines: make(chan string, 4), reports: os.NewFile(firstFile+1, "reports"), logger: slog.Default()}
	go p.listen(os.NewFile(firstFile, "orders"))
	return p, all, nil
}

// listen passes on the lines of the predecessor.
func (p *predecessor) listen(orders io.ReadCloser) {
	for in := bufio.NewScanner(orders); in.Scan(); {
		p.lines <- in.Text()
	}
	close(p.lines)
	_ = orders.Close() // it has been read to its end
}

// await waits until the predecessor says something. A predecessor that gives up a restart ends this process. So if its pipe ends, it was killed
// or has crashed, and nobody else serves: this process goes on.
func (p *predecessor) await(ctx context.Context, want string) error {
	if p == nil {
		return nil
	}
	select {
	case line, ok := <-p.lines:
		switch {
		case !ok:
			return p.outlive(ctx)
		case line != want:
			return fmt.Errorf("the process that started this one says %.40q instead of %s", line, want)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// outlive waits until the predecessor has no file open, and thus not the log.
func (p *predecessor) outlive(ctx context.Context) error {
	if !p.left {
		p.left = true
		p.logger.Warn("the process that this one replaces has ended during the restart, and this one goes on", "pid", p.pid)
	}
	for tick := time.NewTicker(10 * time.Millisecond); p.pid != 0 && os.Getppid() == p.pid; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// report sets the logger, when it is known.
func (p *predecessor) report(logger *slog.Logger) {
	if p != nil {
		p.logger = logger
	}
}

// tell reports to the predecessor. If it has ended, await finds that.
func (p *predecessor) tell(line string) { _, _ = io.WriteString(p.reports, line+"\n") }

// yield says that this process is prepared, and waits until it may accept connections.
func (p *predecessor) yield(ctx context.Context) error {
	if p == nil {
		return nil
	}
	p.tell(sayPrepared)
	return p.await(ctx, sayTake)
}

// close ends the pipe to the predecessor. After sayReady it has ended, otherwise it serves on.
func (p *predecessor) close() {
	if p != nil {
		_ = p.reports.Close() // everything is written
	}
}
