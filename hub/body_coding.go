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

	"github.com/tidings-sse/tidings/internal/wire"
)

// A body may be compressed (Content-Encoding: RFC 9110, section 8.4). The decoders pass on flushed bytes at once, so that an event of a
// streamed body does not wait for the next one. Decoders reserve their memory in the budget for bodies. A body that decodes to more bytes
// than the largest event needs is refused at that point.

// coding is a content coding.
type coding string

const (
	codingGzip coding = "gzip" // RFC 1952
	codingZstd coding = "zstd" // RFC 8878

	acceptedCodings = "gzip, zstd" // Accept-Encoding of a refusal (RFC 9110, section 12.5.3)
	maxCodings      = 3            // in one body
)

// errCoding is the cause of problems with a content coding. Their responses list the accepted codings (RFC 9110, section 15.5.16).
var errCoding = errors.New("the content coding is not accepted")

// codingsOf returns the content codings of a body, in the order in which the client applied them.
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
				return nil, refusedCoding("the content coding %.40q is not supported; send the body without one, or with one of %s", name, acceptedCodings)
			}
		}
	}
	if len(all) > maxCodings {
		return nil, refusedCoding("the body has %d content codings; the limit is %d", len(all), maxCodings)
	}
	return all, nil
}

func refusedCoding(format string, args ...any) *Problem {
	p := NewProblem(http.StatusUnsupportedMediaType, wire.ProblemUnsupportedMedia, format, args...)
	p.Err = errCoding
	return p
}

// decoding decompresses a body as it arrives. One goroutine uses it and calls end.
type decoding struct {
	out    io.Reader
	layers []*layer
}

// decode returns the decompressed body. Each layer fails after most bytes without a call of renew. Otherwise a small body could decode to
// endless bytes without an event, and use the hub's CPU.
func decode(body io.Reader, codings []coding, most int64, rent *rent) *decoding {
	d := &decoding{out: body}
	for _, c := range slices.Backward(codings) {
		s := &layer{coding: c, in: noted{in: d.out}, most: most, left: most, rent: rent}
		d.layers = append(d.layers, s)
		d.out = s
	}
	return d
}

// renew starts a new event: the bytes so far have become one.
func (d *decoding) renew() {
	for _, s := range d.layers {
		s.left = s.most
	}
}

// end releases the decoders and their memory.
func (d *decoding) end() {
	for _, s := range d.layers {
		s.end()
	}
}

// decoder decompresses one coding. It reserves memory before it allocates it.
type decoder interface {
	io.Reader
	begin(in io.Reader, reserve func(all int64) error)
	end() (reusable bool) // drops all references to the body
}

// decoders are the idle decoders. Each takes at least 50 KB.
var decoders = map[coding]*sync.Pool{
	codingGzip: {New: func() any { return newGzipDecoder() }},
	codingZstd: {New: func() any { return newZstdDecoder() }},
}

// layer decompresses one coding of a body.
type layer struct {
	coding     coding
	in         noted
	decoder    decoder // nil before the first read and after the last
	most, left int64
	rent       *rent
	held       int64 // bytes of the budget
	err        error
}

// reserve raises the memory that the layer holds to all bytes.
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
		n, err = 0, NewProblem(http.StatusRequestEntityTooLarge, wire.ProblemTooLarge,
			"the %s in the body decodes to more than %d bytes for one event; send less, or ask the hub's operator to raise the limit", l.coding, l.most)
	}
	if err != nil {
		l.err = l.reason(err)
		l.end()
	}
	return n, l.err
}

// reason returns the error with which a layer ends.
func (l *layer) reason(err error) error {
	_, isProblem := errors.AsType[*Problem](err)
	switch {
	case isProblem || atEnd(err):
		return err
	case l.in.err != nil && !errors.Is(l.in.err, io.EOF): // the layer below failed, not this one
		return l.in.err
	}
	what := "is damaged"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		what = "is incomplete"
	}
	p := NewProblem(http.StatusBadRequest, wire.ProblemInvalidEvent, "the %s in the body %s (%s); send it again, or without Content-Encoding", l.coding, what, plainCause(err))
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

// noted is a reader that keeps its error, because decoders replace it with their own.
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

// gzipMemory is the memory of a gzip decoder and its buffers.
const gzipMemory = 48 << 10

// gzipDecoder decodes gzip members in sequence. The library can do so too, but it holds back the end of a member until the next begins. That
// would delay an event until the next one.
type gzipDecoder struct {
	in     *bufio.Reader
	reader gzip.Reader
	inside bool // a member is open
	any    bool // there was a member

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
		if atEnd(err) {
			d.inside, err = false, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// open begins the next member. A body without members is cut off.
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
