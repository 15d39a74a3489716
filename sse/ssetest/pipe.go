package ssetest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipe is one direction of a connection.
type pipe struct {
	mu   sync.Mutex // guards the following
	bell bell

	// What was written and not yet read, one element per Write: a Read takes from the first alone.
	// size is their sum, never more than max.
	queue     [][]byte
	size, max int

	closed bool  // no more will be written; the reader sees EOF behind the queue
	unread bool  // nobody will read any more
	broken error // the reader sees it behind the queue, the writer at once

	readDeadline, writeDeadline deadline
}

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.unread:
			return 0, net.ErrClosed
		case p.readDeadline.passed:
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case p.size > 0:
			return p.take(b), nil
		case p.broken != nil:
			return 0, p.broken
		case p.closed:
			return 0, io.EOF
		}
		p.wait()
	}
}

// take moves bytes of the oldest write to b.
func (p *pipe) take(b []byte) int {
	n := copy(b, p.queue[0])
	p.queue[0] = p.queue[0][n:]
	if len(p.queue[0]) == 0 {
		p.queue = p.queue[1:]
	}
	p.size -= n
	p.bell.ring()
	return n
}

func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	written := 0
	for {
		switch {
		case p.closed:
			return written, net.ErrClosed
		case p.broken != nil:
			return written, p.broken
		case p.unread:
			return written, syscall.EPIPE
		case p.writeDeadline.passed:
			return written, os.ErrDeadlineExceeded
		case written == len(b):
			return written, nil
		}
		if room := p.max - p.size; room > 0 {
			part := b[written:min(written+room, len(b))]
			p.queue = append(p.queue, append([]byte(nil), part...))
			p.size += len(part)
			written += len(part)
			p.bell.ring()
			continue
		}
		p.wait()
	}
}

// wait gives up mu until something has changed.
func (p *pipe) wait() {
	changed := p.bell.next()
	p.mu.Unlock()
	<-changed
	p.mu.Lock()
}

// change applies f to the pipe and wakes both ends.
func (p *pipe) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.bell.ring()
}

// closeWriting is the clean end: the reader still gets what was written.
func (p *pipe) closeWriting() {
	p.change(func() {
		p.closed = true
		p.writeDeadline.stop()
	})
}

// closeReading makes the reader's end useless to both.
func (p *pipe) closeReading() {
	p.change(func() {
		p.unread, p.queue, p.size = true, nil, 0
		p.readDeadline.stop()
	})
}

// reset breaks the direction off. drop also loses what has not been read.
func (p *pipe) reset(drop bool) {
	p.change(func() {
		if p.closed || p.unread {
			return // over already, and in its own way
		}
		p.broken = syscall.ECONNRESET
		if drop {
			p.queue, p.size = nil, 0
		}
		p.readDeadline.stop()
		p.writeDeadline.stop()
	})
}

// deadline is a moment from which on reads, or writes, fail. It is guarded by the pipe's mutex.
type deadline struct {
	passed bool
	timer  *time.Timer
}

// set moves the deadline d of p to t; the zero time means none.
func (d *deadline) set(p *pipe, t time.Time) {
	p.change(func() {
		d.stop()
		d.passed = false
		if t.IsZero() {
			return
		}
		left := time.Until(t)
		if left <= 0 {
			d.passed = true
			return
		}
		var timer *time.Timer
		timer = time.AfterFunc(left, func() {
			p.change(func() {
				// The timer may have fired while another was being set.
				d.passed = d.passed || d.timer == timer
			})
		})
		d.timer = timer
	})
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
