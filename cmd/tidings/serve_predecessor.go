package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// predecessor is the process that this one replaces. Nil is none.
type predecessor struct {
	lines   chan string // what it says; closed when its pipe has ended
	reports io.WriteCloser
}

// errLeft says that the process that started this one has ended without giving its place to it.
var errLeft = errors.New("the process that started this one has ended, or has given up the restart")

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
	p := &predecessor{make(chan string, 4), os.NewFile(firstFile+1, "reports")}
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

// await waits until the predecessor says something.
func (p *predecessor) await(ctx context.Context, want string) error {
	if p == nil {
		return nil
	}
	select {
	case line, ok := <-p.lines:
		switch {
		case !ok:
			return errLeft
		case line != want:
			return fmt.Errorf("the process that started this one says %.40q instead of %s", line, want)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
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
