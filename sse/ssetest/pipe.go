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
	mu      sync.Mutex // guards the following
	changes notifier

	// Unread bytes, one element per Write. A Read takes bytes from the first element only.
	// size is the sum of their lengths, at most max.
	queue     [][]byte
	size, max int

	closed bool  // the writing end is closed; the reader gets EOF after the queue
	unread bool  // the reading end is closed
	broken error // set by a reset; the reader gets it after the queue, the writer at once

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

// take moves bytes of the oldest Write to b.
func (p *pipe) take(b []byte) int {
	n := copy(b, p.queue[0])
	p.queue[0] = p.queue[0][n:]
	if len(p.queue[0]) == 0 {
		p.queue = p.queue[1:]
	}
	p.size -= n
	p.changes.notify()
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
		if free := p.max - p.size; free > 0 {
			part := b[written:min(written+free, len(b))]
			p.queue = append(p.queue, append([]byte(nil), part...))
			p.size += len(part)
			written += len(part)
			p.changes.notify()
			continue
		}
		p.wait()
	}
}

// wait waits for a change. It releases mu while it waits.
func (p *pipe) wait() {
	changed := p.changes.next()
	p.mu.Unlock()
	<-changed
	p.mu.Lock()
}

// change applies f to the pipe and wakes both ends.
func (p *pipe) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.changes.notify()
}

// closeWriting closes the writing end. The reader still gets the queue.
func (p *pipe) closeWriting() {
	p.change(func() {
		p.closed = true
		p.writeDeadline.stop()
	})
}

// closeReading closes the reading end: it drops the queue and makes reads and writes fail.
func (p *pipe) closeReading() {
	p.change(func() {
		p.unread, p.queue, p.size = true, nil, 0
		p.readDeadline.stop()
	})
}

// reset makes reads and writes fail. With drop it also drops the queue.
func (p *pipe) reset(drop bool) {
	p.change(func() {
		if p.closed || p.unread {
			return // an earlier end stays
		}
		p.broken = syscall.ECONNRESET
		if drop {
			p.queue, p.size = nil, 0
		}
		p.readDeadline.stop()
		p.writeDeadline.stop()
	})
}

// deadline is the time from which reads or writes fail. The pipe's mutex guards it.
type deadline struct {
	passed bool
	timer  *time.Timer
}

// set sets the deadline d of p to t. The zero time means none.
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
				// This timer may have fired while set replaced it.
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
