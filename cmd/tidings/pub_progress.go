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

// progress tells on standard error how far publishing has come, and why it waits. The bar is for those who watch: on a
// terminal, when the input takes longer than a second.
type progress struct {
	w     io.Writer
	hub   address.Hub
	quiet bool
	tried bool                     // it was told where the hub was looked for
	bar   *progressbar.ProgressBar // nil: standard error is no terminal
	read  atomic.Int64             // bytes of the input
}

// begin begins with an input of a size, 0 if that is not known.
func (p *progress) begin(size int64) {
	if p.quiet || !isTerminal(p.w) {
		return
	}
	p.bar = progressbar.NewOptions64(cmp.Or(size, -1),
		progressbar.OptionSetWriter(p.w), progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetDescription("publishing"), progressbar.OptionSpinnerType(14))
}

// count counts what is read of the input.
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

// stored is called when the hub has stored some more.
func (p *progress) stored(r tidings.Receipts) {
	if p.bar == nil {
		return
	}
	p.bar.Describe(events(r.Count) + " stored")
	_ = p.bar.Set64(p.read.Load()) // an error of the bar is harmless
}

// retry is called when it has to be tried again.
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
