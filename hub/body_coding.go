package hub

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// A body may be compressed (Content-Encoding: RFC 9110, section 8.4). Its decoders hand on what a sender has flushed, at once, so that an
// event of a streamed body does not wait for the next one. They take memory from the budget for bodies, and so much only as the
// limits allow: bytes that decode to more than an event may have are refused where they pass that limit.

// coding is one thing that was done to a body.
type coding string

const (
	codingGzip coding = "gzip" // RFC 1952
	codingZstd coding = "zstd" // RFC 8878

	acceptedCodings = "gzip, zstd" // as Accept-Encoding of an answer that refuses another one (RFC 9110, section 12.5.3)
	maxCodings      = 3            // in a row
)

// errCoding is the cause of a problem with how a body is encoded. Its answer says what is accepted.
var errCoding = errors.New("the content coding is not accepted")

// codingsOf returns what was done to a body, in that order.
func codingsOf(header http.Header) (all []coding, err error) {
	for _, field := range header["Content-Encoding"] {
		for name := range strings.SplitSeq(field, ",") {
			name = strings.Trim(name, " \t")
			switch {
			case name == "" || strings.EqualFold(name, "identity"):
			case strings.EqualFold(name, "gzip") || strings.EqualFold(name, "x-gzip"): // RFC 9110, section 8.4.1.3
				all = append(all, codingGzip)
			case strings.EqualFold(name, "zstd"):
				all = append(all, codingZstd)
			default:
				return nil, refusedCoding("the body has the encoding %.40q; send it as it is, or as one of %s", name, acceptedCodings)
			}
		}
	}
	if len(all) > maxCodings {
		return nil, refusedCoding("the body is encoded %d times; at most %d are decoded", len(all), maxCodings)
	}
	return all, nil
}

func refusedCoding(format string, args ...any) *Problem {
	p := problem(http.StatusUnsupportedMediaType, problemMediaType, format, args...)
	p.Err = errCoding
	return p
}

// decoding is a body that is decoded as it comes. It belongs to one goroutine, which calls end.
type decoding struct {
	out    io.Reader
	layers []*layer
}

// decode returns a reader of what a body was before its codings. No layer hands on more than most bytes, unless renew is called in
// between: bytes without end that make no event would cost their sender nothing, and the hub its processor.
func decode(body io.Reader, codings []coding, most int64, rent *rent) *decoding {
	d := &decoding{out: body}
	for _, c := range slices.Backward(codings) {
		s := &layer{coding: c, in: noted{in: d.out}, most: most, left: most, rent: rent}
		d.layers = append(d.layers, s)
		d.out = s
	}
	return d
}

// renew says that what has come so far is an event.
func (d *decoding) renew() {
	for _, s := range d.layers {
		s.left = s.most
	}
}

// end gives the decoders back.
func (d *decoding) end() {
	for _, s := range d.layers {
		s.end()
	}
}

// decoder undoes a coding. It reserves all the memory that it takes before it takes it.
type decoder interface {
	io.Reader
	begin(in io.Reader, reserve func(all int64) error)
	end() (reusable bool) // nothing is kept of the body
}

// decoders are those that are not used at the moment. One takes 50 KB and more.
var decoders = map[coding]*sync.Pool{
	codingGzip: {New: func() any { return newGzipDecoder() }},
	codingZstd: {New: func() any { return newZstdDecoder() }},
}

// layer undoes one coding of a body.
type layer struct {
	coding     coding
	in         noted
	decoder    decoder // nil: nothing is read yet, or all is
	most, left int64
	rent       *rent
	held       int64 // of the budget
	err        error
}

// reserve sees to it that the layer holds so much memory.
func (l *layer) reserve(all int64) error {
	if all <= l.held {
		return nil
	}
	if err := l.rent.take(all - l.held); err != nil {
		return err
	}
	l.held = all
	return nil
}

func (l *layer) Read(p []byte) (n int, err error) {
	if l.err != nil {
		return 0, l.err
	}
	if l.decoder == nil {
		l.decoder = decoders[l.coding].Get().(decoder)
		l.decoder.begin(&l.in, l.reserve)
	}
	n, err = l.decoder.Read(p)
	if l.left -= int64(n); l.left < 0 {
		n, err = 0, problem(http.StatusRequestEntityTooLarge, problemTooLarge,
			"the %s in the body has %d bytes for one event, more than the largest one takes; send less, or let the hub's operator raise the limit", l.coding, l.most)
	}
	if err != nil {
		l.err = l.reason(err)
		l.end()
	}
	return n, l.err
}

// reason is why a layer ends.
func (l *layer) reason(err error) error {
	_, isProblem := errors.AsType[*Problem](err)
	switch {
	case isProblem || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case l.in.err != nil && !errors.Is(l.in.err, io.EOF): // what is below broke off, and not what is in it
		return l.in.err
	}
	what := "is damaged"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		what = "is not complete"
	}
	p := problem(http.StatusBadRequest, problemInvalidEvent, "the %s in the body %s (%s); send it again, or without Content-Encoding", l.coding, what, plainCause(err))
	p.Err = err
	return p
}

func plainCause(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf("%.100s", err.Error()), "gzip: "), "zstd: ")
}

func (l *layer) end() {
	if l.decoder == nil {
		return
	}
	if l.decoder.end() {
		decoders[l.coding].Put(l.decoder)
	}
	l.rent.giveBack(l.held)
	l.decoder, l.held = nil, 0
}

// noted is a reader whose error is noted: those who read it make another one of it.
type noted struct {
	in  io.Reader
	err error
}

func (r *noted) Read(p []byte) (n int, err error) {
	n, err = r.in.Read(p)
	if err != nil {
		r.err = err
	}
	return n, err
}

// gzipMemory is what a decoder of gzip takes, its buffers included.
const gzipMemory = 48 << 10

// gzipDecoder decodes members of gzip, one after the other. The reader of the library does so, too, but keeps the end of a member until the
// next one begins: an event would wait for the one after it.
type gzipDecoder struct {
	in     *bufio.Reader
	reader gzip.Reader
	inside bool // a member
	any    bool // there was one

	reserve func(int64) error
}

func newGzipDecoder() *gzipDecoder { return &gzipDecoder{in: bufio.NewReaderSize(nil, 4<<10)} }

func (d *gzipDecoder) begin(in io.Reader, reserve func(int64) error) {
	d.in.Reset(in)
	d.inside, d.any, d.reserve = false, false, reserve
}

func (d *gzipDecoder) end() bool {
	d.in.Reset(nil)
	d.reserve = nil
	return true
}

func (d *gzipDecoder) Read(p []byte) (n int, err error) {
	if err := d.reserve(gzipMemory); err != nil {
		return 0, err
	}
	for {
		if !d.inside {
			if err := d.open(); err != nil {
				return 0, err
			}
		}
		n, err = d.reader.Read(p)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			d.inside, err = false, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// open begins the next member. A body of none is cut off.
func (d *gzipDecoder) open() error {
	if _, err := d.in.Peek(1); err != nil && (d.any || !errors.Is(err, io.EOF)) {
		return err
	}
	d.any = true
	if err := d.reader.Reset(d.in); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	d.reader.Multistream(false)
	d.inside = true
	return nil
}
