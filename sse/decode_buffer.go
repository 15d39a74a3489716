package sse

import (
	"fmt"
	"io"
)

// This file fills a Decoder's buffer and handles its edges: the start of the stream, and lines and line ends that two
// Reads split.

const (
	minBuffer = 4 << 10  // for a quiet stream: one TCP segment of small events
	maxAhead  = 32 << 10 // for a fast stream: the fastest size measured, because it fits in the L1 cache
)

// fill reads more bytes. Next calls it when the rest of the buffer holds no line end. At the end of the stream it sets
// err, if there is an error, and returns false.
func (d *Decoder) fill() bool {
	if d.err = d.settlePartialLine(); d.err != nil {
		return false
	}
	if d.readErr != nil {
		d.err = d.endOfStream()
		return false
	}
	d.makeRoom()
	old := d.end
	for range 100 {
		n, err := d.r.Read(d.buf[old:])
		if n < 0 || n > len(d.buf)-old {
			d.err = fmt.Errorf("sse: reading the stream: %T returned an impossible count of %d bytes", d.r, n)
			return false
		}
		d.end += n
		d.readErr, d.eof = err, err == io.EOF
		if n > 0 || err != nil {
			break
		}
	}
	if d.end == old && d.readErr == nil {
		d.readErr = io.ErrNoProgress
	}
	d.full = d.end == len(d.buf)
	if d.afterCR && d.end > old {
		d.afterCR = false
		if d.buf[d.line] == '\n' {
			if d.block == d.base+int64(d.line) {
				d.block++
			}
			d.line++
		}
	}
	if d.bom && d.end > old {
		d.passBOM()
	}
	d.lf = d.find('\n', max(old, d.line))
	d.cr = d.find('\r', max(old, d.line))
	return true
}

// passBOM skips one byte order mark at the start of the stream (WHATWG HTML 9.2.5). fill calls it until enough bytes
// have arrived.
func (d *Decoder) passBOM() {
	const mark = "\uFEFF"
	got := d.buf[:d.end]
	if len(got) < len(mark) && string(got) == mark[:len(got)] {
		return
	}
	d.bom = false
	if len(got) >= len(mark) && string(got[:len(mark)]) == mark {
		d.line = len(mark)
		d.beginBlock()
	}
}

// settlePartialLine handles a line whose end has not arrived: it discards a line that will be ignored, and refuses a
// line that is already too large.
func (d *Decoder) settlePartialLine() error {
	line := d.buf[d.line:d.end]
	if len(line) == 0 || d.bom && d.readErr == nil {
		return nil
	}
	if d.skip == skipNothing {
		switch {
		case line[0] == ':':
			if d.comment != nil && len(line)-2 < d.max {
				return nil
			}
			d.report(line)
			d.skip = skipComment
		case d.ignored(line):
			if len(line) < maxStray && d.readErr == nil {
				return nil // keep it for the error at the end of the stream
			}
			d.stray.note(line)
			d.skip = skipField
		default:
			return d.checkPartial(line)
		}
	}
	d.line, d.lf, d.cr = d.end, d.end, d.end
	if !d.hasData {
		d.data, d.dataEnd = d.line, d.line
	}
	return nil
}

// fields returns the names of the fields that d knows.
func (d *Decoder) fields() []string {
	if d.relaxed {
		return fieldNames[:]
	}
	return fieldNames[:len(fieldNames)-1]
}

var fieldNames = [...]string{"data", "event", "id", "retry", errorField}

// errorField is known only to a relaxed decoder.
const errorField = "error"

// ignored reports whether no line that begins with b can be a known field.
func (d *Decoder) ignored(b []byte) bool {
	for _, name := range d.fields() {
		n := min(len(b), len(name))
		if string(b[:n]) == name[:n] && (len(b) == n || b[n] == ':') {
			return false
		}
	}
	return true
}

// checkPartial refuses an unfinished line of a known field whose value is too large. So an endless line is refused at
// the same byte however it is split.
func (d *Decoder) checkPartial(line []byte) error {
	for _, name := range d.fields() {
		n := valueAt(line, name)
		if n < 0 || len(line) == len(name) { // without a colon, more bytes may make it another name
			continue
		}
		size := len(line) - n
		if (name == "data" || name == errorField) && d.hasData {
			size += d.dataEnd - d.data + 1
		}
		if size > d.max {
			return d.tooLarge()
		}
	}
	return nil
}

// makeRoom makes room for the next Read. It acts when three quarters of the buffer are used. If the live bytes fill at
// most half of the buffer, it moves them down, else it doubles the buffer. So each byte is moved a bounded number of
// times, and each Read has at least a quarter of the buffer.
func (d *Decoder) makeRoom() {
	live := d.dataEnd - d.data + d.end - d.line
	size := max(len(d.buf), minBuffer)
	switch {
	case live > size/2:
		if d.end <= size/4*3 && len(d.buf) > 0 {
			return
		}
		size *= 2
	case live == 0 && d.full && size < maxAhead:
		size *= 2
	case live == 0 && size > maxAhead && d.seldomUsed(size):
		size /= 2
	case live > 0 && d.end <= size/4*3:
		return
	}
	to := d.buf
	if size != len(d.buf) {
		to = make([]byte, size)
	}
	n := copy(to, d.buf[d.data:d.dataEnd])
	m := n + copy(to[n:], d.buf[d.line:d.end])
	d.base += int64(d.line - n)
	d.buf, d.data, d.dataEnd, d.line, d.end, d.lf, d.cr = to, 0, n, n, m, m, m
}

// seldomUsed reports whether the buffer, grown by a large event, has been mostly empty for long enough to shrink.
func (d *Decoder) seldomUsed(size int) bool {
	if d.end > size/4 {
		d.quiet = 0
		return false
	}
	d.quiet++
	if d.quiet < 64 {
		return false
	}
	d.quiet = 0
	return true
}
