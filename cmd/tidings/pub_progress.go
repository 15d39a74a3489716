package main

import (
	"cmp"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/internal/address"
)

// progress reports on standard error how many events are stored and why publishing waits. On a terminal it shows a progress bar.
type progress struct {
	w     io.Writer
	hub   address.Hub
	quiet bool
	tried bool                     // a retry was reported, with the address of the hub
	bar   *progressbar.ProgressBar // nil if standard error is not a terminal
	read  atomic.Int64             // bytes read of the input
}

// begin starts the bar for an input of a size in bytes, 0 if it is unknown.
func (p *progress) begin(size int64) {
	if p.quiet || !isTerminal(p.w) {
		return
	}
	p.bar = progressbar.NewOptions64(cmp.Or(size, -1),
		progressbar.OptionSetWriter(p.w), progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetDescription("publishing"), progressbar.OptionSpinnerType(14))
}

// count returns a reader that counts the bytes of the input.
func (p *progress) count(in io.Reader) io.Reader { return &countedReader{in, &p.read} }

type countedReader struct {
	io.Reader
	n *atomic.Int64
}

func (c *countedReader) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// stored updates the bar after the hub has stored more events.
func (p *progress) stored(r tidings.Receipts) {
	if p.bar == nil {
		return
	}
	p.bar.Describe(events(r.Count) + " stored")
	_ = p.bar.Set64(p.read.Load()) // an error of the bar is harmless
}

// retry reports a failed attempt and when the next one follows.
func (p *progress) retry(err error, wait time.Duration) {
	if p.quiet {
		return
	}
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	where, hint := "", ""
	if !p.tried {
		where = p.hub.String() + ": "
		if hint = connectionHint(err, p.hub, true); hint != "" {
			hint = "; " + hint + "; --timeout would give up"
		}
	}
	p.tried = true
	_, _ = fmt.Fprintf(p.w, "tidings pub: %s; again %s%s\n", visible(where+reason(err)), in(wait), hint)
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
