package sse

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"time"
)

// This file holds the Decoder's methods, then Next and the fields that it parses. decode_buffer.go holds the buffer,
// truncated.go the end of a stream.

// DefaultMaxEvent is the default of [ReadOptions.MaxEvent]: 16 MiB.
const DefaultMaxEvent = 16 << 20

// TooLargeError says that an event is larger than [ReadOptions.MaxEvent] allows.
type TooLargeError struct {
	Limit  int   // in bytes
	Offset int64 // where the event began, in bytes from the start of the stream
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("sse: the event at byte %d is larger than %d bytes; raise MaxEvent to read it", e.Offset, e.Limit)
}

// ReadOptions configure the functions that read a stream. Nil means all defaults.
type ReadOptions struct {
	// MaxEvent is the largest size in bytes of an event's data, and of each of its other fields. 0 means
	// [DefaultMaxEvent], negative no limit. Comments and unknown fields do not count; the decoder discards them without
	// buffering.
	MaxEvent int

	// Comment, if set, is called with the text of every comment line, in order with the events. The text is valid only
	// during the call. A text longer than MaxEvent is truncated.
	Comment func(text []byte)

	// Dataless also delivers blocks that have an event field but no data field, as events without data. The
	// standard discards them (WHATWG HTML 9.2.6), but some servers end their streams with one: "event: done". [JSON]
	// receives them anyway.
	Dataless bool
}

// Decoder reads events from a stream (WHATWG HTML 9.2.5 and 9.2.6) without allocating for each:
//
//	d := sse.NewDecoder(r, nil)
//	for d.Next() {
//		use(d.Type(), d.Data())
//	}
//	return d.Err()
//
// An event is delivered as soon as the byte that completes it arrives, even a lone CR. Decoding takes time linear in
// the number of bytes, for any input. A Decoder is not safe for concurrent use.
type Decoder struct {
	r       io.Reader
	max     int
	comment func([]byte)
	// dataless delivers blocks that have a type but no data.
	dataless bool
	relaxed  bool // see relaxed

	// data ≤ dataEnd ≤ line ≤ lf, cr ≤ end ≤ len(buf)
	//
	//	 ┌──────┬───────────────┬─────────┬───────────────┬──────────────────┬──────┐
	//	 │ used │ event's data  │  used   │ current line  │ not yet scanned  │ free │ buf
	//	 └──────┴───────────────┴─────────┴───────────────┴──────────────────┴──────┘
	//	        data            dataEnd   line            lf or cr           end
	//
	// The first data line of an event stays where it is. Further data lines are moved down behind it, which always fits:
	// "\n" and the value are shorter than "data:", the value and a line end.
	buf           []byte
	data, dataEnd int
	line, end     int
	lf, cr        int   // index of the next LF and CR at or after line; end if there is none yet
	base          int64 // offset in the stream of buf[0], as seen from line
	block         int64 // offset in the stream of the first line of the event being read

	bom     bool // at the start of the stream, where a byte order mark may stand
	afterCR bool // the last line ended with CR, so that a following LF belongs to it
	skip    skip // whether the rest of the current line is ignored
	hasData bool // the current block has a data field
	begun   bool // the current block has a field that would be lost if the stream ended
	full    bool // the last Read filled the buffer
	quiet   int  // consecutive times that the buffer was emptied with less than a quarter of it in use
	stray   stray

	view    []byte // Data
	fixed   []byte // Data with invalid UTF-8 replaced
	typ     []byte // Type; empty for DefaultType
	id      []byte // ID
	nextID  []byte // ID from the next blank line on, when hasNext
	hasNext bool
	retry   time.Duration
	retried bool

	readErr error // the error of r; reported after all bytes before it are decoded
	eof     bool  // readErr is io.EOF itself, not an error that wraps it
	ended   bool  // Next has returned false
	err     error // Err
	owned   owned
}

// skip says why the rest of a line is ignored.
type skip byte

const (
	skipNothing skip = iota
	skipComment
	skipField // of a name that the standard does not define
)

// NewDecoder returns a Decoder that reads from r. It reads ahead, up to 32 KiB or the size of an event.
func NewDecoder(r io.Reader, opts *ReadOptions) *Decoder {
	d := &Decoder{max: DefaultMaxEvent}
	if opts != nil {
		d.comment, d.dataless = opts.Comment, opts.Dataless
		switch {
		case opts.MaxEvent > 0:
			d.max = opts.MaxEvent
		case opts.MaxEvent < 0:
			d.max = math.MaxInt
		}
	}
	d.Reset(r)
	return d
}

// Reset makes d read a new stream from r. It keeps the options and reuses the buffers.
func (d *Decoder) Reset(r io.Reader) {
	if d.max == 0 { // a zero Decoder
		d.max = DefaultMaxEvent
	}
	*d = Decoder{
		r: r, max: d.max, comment: d.comment, dataless: d.dataless, bom: true,
		buf: d.buf, fixed: d.fixed[:0], typ: d.typ[:0], id: d.id[:0], nextID: d.nextID[:0], owned: d.owned,
		stray: stray{line: d.stray.line[:0]},
	}
	d.owned.id, d.owned.stale = "", false
}

// resume makes id the last event ID as of the start of the stream.
func (d *Decoder) resume(id string) {
	d.id, d.owned.id = append(d.id[:0], id...), id
}

// Type returns the current event's type, [DefaultType] if the stream named none. Like Data and ID it is valid
// until the next call of Next or Reset, and must not be changed.
func (d *Decoder) Type() []byte {
	if len(d.typ) == 0 {
		return message
	}
	return d.typ
}

var message = []byte(DefaultType)

// Data returns the current event's data, its lines joined by LF.
func (d *Decoder) Data() []byte { return d.view }

// ID returns the last event ID: that of the current event, or the latest before it. After Next has returned false it is
// the ID to resume from, which may come from a block without data.
func (d *Decoder) ID() []byte { return d.id }

// Retry returns the value of the last retry field, and whether there was one. It takes effect as soon as its line is
// read. Values too large for a Duration (292 years) become the largest Duration.
func (d *Decoder) Retry() (time.Duration, bool) { return d.retry, d.retried }

// Err returns nil after a clean end of the stream, else the reason why Next returned false: a [*TruncatedError], a
// [*TooLargeError], or the reader's error, wrapped, if this side stopped the reading.
func (d *Decoder) Err() error { return d.err }

// Next reads until the next event is complete and reports whether there is one.
func (d *Decoder) Next() bool {
	if d.ended {
		return false
	}
	d.beginBlock()
	for {
		eol := min(d.lf, d.cr)
		if eol == d.end {
			if !d.fill() {
				d.ended, d.typ, d.view = true, d.typ[:0], nil
				return false
			}
			continue
		}
		start := d.line
		d.passLineEnd(eol)
		switch {
		case d.skip != skipNothing:
			d.skip = skipNothing
		case eol > start:
			if d.err = d.field(start, eol); d.err != nil {
				d.ended = true
				return false
			}
		case d.dispatch():
			return true
		default:
			d.beginBlock()
		}
	}
}

func (d *Decoder) beginBlock() {
	d.hasData, d.begun = false, false
	d.data, d.dataEnd = d.line, d.line
	d.block = d.base + int64(d.line)
	d.typ = d.typ[:0]
}

// passLineEnd moves line behind the line end at eol. A CR ends a line at once; the next Read may show that an LF
// belongs to it.
func (d *Decoder) passLineEnd(eol int) {
	next := eol + 1
	if eol == d.cr {
		if next == d.end {
			d.afterCR = true
		} else if d.buf[next] == '\n' {
			next++
		}
		d.cr = d.find('\r', next)
	}
	if d.lf < next {
		// A blank line follows most data lines: check for it without a call.
		if next < d.end && d.buf[next] == '\n' {
			d.lf = next
		} else {
			d.lf = d.find('\n', next)
		}
	}
	d.line = next
}

// find returns the index of c in the buffer at or after from, or end.
func (d *Decoder) find(c byte, from int) int {
	if i := bytes.IndexByte(d.buf[from:d.end], c); i >= 0 {
		return from + i
	}
	return d.end
}

// field processes the line buf[start:eol], which is not empty (WHATWG HTML 9.2.6, "process the field").
func (d *Decoder) field(start, eol int) error {
	line := d.buf[start:eol]
	switch line[0] {
	case 'd':
		if n := valueAt(line, "data"); n >= 0 {
			return d.addData(start+n, eol)
		}
	case 'e':
		if n := valueAt(line, errorField); n >= 0 && d.relaxed {
			d.typ = append(d.typ[:0], errorField...)
			return d.addData(start+n, eol)
		}
		return d.shortField(line, "event")
	case 'i':
		return d.shortField(line, "id")
	case 'r':
		return d.shortField(line, "retry")
	case ':':
		d.report(line)
		return nil
	}
	d.stray.note(line)
	return nil
}

// shortField processes a line if its field is name, which is not data.
func (d *Decoder) shortField(line []byte, name string) error {
	n := valueAt(line, name)
	switch {
	case n < 0:
		d.stray.note(line)
		return nil
	case len(line)-n > d.max:
		return d.tooLarge()
	}
	value := line[n:]
	switch name {
	case "event":
		d.begun = true
		d.typ = appendMended(d.typ[:0], value)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			d.begun, d.hasNext = true, true
			d.nextID = appendMended(d.nextID[:0], value)
		}
	case "retry":
		if t, ok := parseRetry(value); ok {
			d.retry, d.retried = t, true
		}
	}
	return nil
}

// valueAt returns the index of the value in a line of the field name, or -1 if the line is another field. The value
// begins after the colon and at most one space.
func valueAt(line []byte, name string) int {
	n := len(name)
	if len(line) < n || string(line[:n]) != name {
		return -1
	}
	if len(line) == n {
		return n
	}
	if line[n] != ':' {
		return -1
	}
	n++
	if n < len(line) && line[n] == ' ' {
		n++
	}
	return n
}

func (d *Decoder) addData(start, end int) error {
	if !d.hasData {
		if end-start > d.max {
			return d.tooLarge()
		}
		d.hasData, d.begun = true, true
		d.data, d.dataEnd = start, end
		return nil
	}
	if d.dataEnd-d.data+1+end-start > d.max {
		return d.tooLarge()
	}
	d.buf[d.dataEnd] = '\n'
	d.dataEnd++
	d.dataEnd += copy(d.buf[d.dataEnd:], d.buf[start:end])
	return nil
}

func (d *Decoder) tooLarge() error { return &TooLargeError{Limit: d.max, Offset: d.block} }

// report passes a comment line to ReadOptions.Comment.
func (d *Decoder) report(line []byte) {
	if d.comment == nil {
		return
	}
	text := line[1:]
	if len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	text = text[:min(len(text), d.max)]
	if !validUTF8(text) {
		d.fixed = appendValidUTF8(d.fixed[:0], text)
		text = d.fixed
	}
	d.comment(text)
}

// parseRetry reads a reconnection time in milliseconds, ASCII digits only. Values too large for a Duration become the
// largest one. The standard does not cover an empty value; browsers and this decoder ignore it.
func parseRetry(value []byte) (time.Duration, bool) {
	const longest = math.MaxInt64 / int64(time.Millisecond)
	var ms int64
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		if ms <= longest {
			ms = ms*10 + int64(c-'0')
		}
	}
	if ms > longest {
		return math.MaxInt64, true
	}
	return time.Duration(ms) * time.Millisecond, len(value) > 0
}

// dispatch ends a block and reports whether it is an event (WHATWG HTML 9.2.6, "dispatch the event").
// The ID takes effect even without data.
func (d *Decoder) dispatch() bool {
	if d.hasNext {
		d.id, d.nextID, d.hasNext = d.nextID, d.id, false
		d.owned.stale = true
	}
	event := d.hasData || (d.dataless || d.relaxed) && len(d.typ) > 0
	d.stray.endBlock(event)
	if !event {
		return false
	}
	d.view = d.buf[d.data:d.dataEnd]
	if !validUTF8(d.view) {
		d.fixed = appendValidUTF8(d.fixed[:0], d.view)
		d.view = d.fixed
	}
	return true
}

// appendMended appends src to dst with invalid UTF-8 replaced.
func appendMended(dst, src []byte) []byte {
	if validUTF8(src) {
		return append(dst, src...)
	}
	return appendValidUTF8(dst, src)
}
