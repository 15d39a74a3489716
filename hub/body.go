package hub

import (
	"errors"
	"io"
	"net/http"
	"time"
	"unsafe"

	"github.com/tidings-sse/tidings/internal/wire"
)

// uncounted is the size of the buffer that each body gets outside the memory budget, before its bytes arrive.
const uncounted = 16 << 10

// errTooLong is the error of a body that exceeds its limit.
var errTooLong = errors.New("the body exceeds its size limit")

// readEvent reads a body that is one event. It decompresses the body and converts text to UTF-8.
func readEvent(r *http.Request, p *payload, limit int64, rent *rent) (string, error) {
	if p.plain() {
		return asText(readWhole(r.Body, r.ContentLength, limit, rent))
	}
	// Outer layers may have more bytes than the event: UTF-16 has twice as many, and compressing data again may add some.
	in, end := openBody(r.Body, p, 2*limit+codingOverhead, rent)
	defer end()
	return asText(readWhole(in, -1, limit, rent))
}

// openBody returns a reader of the decoded body, and a function that releases the decoders.
func openBody(body io.Reader, p *payload, most int64, rent *rent) (in io.Reader, end func()) {
	d := decode(body, p.codings, most, rent)
	if p.charset != nil {
		return decodeText(d.out, p.charset, p.label), d.end
	}
	return d.out, d.end
}

// asText converts bytes to a string without a copy. The caller must not use the bytes any more.
func asText(data []byte, err error) (string, error) {
	return unsafe.String(unsafe.SliceData(data), len(data)), err
}

// codingOverhead is how many bytes compressed data may be longer than its content.
const codingOverhead = 64 << 10

// readWhole reads a body to its end. A length of -1 is unknown. The buffer holds at most twice the bytes that have arrived. So a client that
// announces a large body without sending it uses no memory.
func readWhole(in io.Reader, length, limit int64, rent *rent) ([]byte, error) {
	end := limit + 1 // one byte more shows that the body is too long
	if length >= 0 {
		end = min(length, end)
	}
	buffer := make([]byte, 0, min(end, uncounted))
	if length < 0 {
		buffer = make([]byte, 0, min(end, 4<<10))
	}
	for {
		if int64(len(buffer)) == end {
			if end > limit {
				return nil, errTooLong
			}
			return buffer, nil
		}
		if len(buffer) == cap(buffer) {
			grown, err := grow(buffer, end, rent)
			if err != nil {
				return nil, err
			}
			buffer = grown
		}
		n, err := in.Read(buffer[len(buffer):min(int64(cap(buffer)), end)])
		buffer = buffer[:len(buffer)+n]
		switch {
		case err == nil || int64(len(buffer)) == end:
		case !atEnd(err):
			return nil, err
		case length >= 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return buffer, nil
		}
	}
}

// grow returns a copy of a buffer with more capacity, at most end bytes. It reserves memory for both buffers while it copies.
func grow(buffer []byte, end int64, rent *rent) ([]byte, error) {
	was := int64(cap(buffer))
	size := 2 * was
	if size+size/8 >= end { // the last bytes would need another copy
		size = end
	}
	if size > uncounted {
		held := int64(0) // the first buffer does not count
		if was > uncounted {
			held = was
		}
		if err := rent.take(size + was - held); err != nil {
			return nil, err
		}
		defer rent.giveBack(was)
	}
	return append(make([]byte, 0, size), buffer...), nil
}

// atEnd reports whether an error of reading means that all has been read. Decoders wrap io.EOF in the errors of bodies that were cut off.
func atEnd(err error) bool {
	_, isProblem := errors.AsType[*Problem](err)
	return errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isProblem
}

// limitBody sets the deadline for the body of a request. Bodies that the handler ignores need one, too: net/http reads them, so that it
// can keep the connection.
func (h *Hub) limitBody(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	return h.readDeadline(w)
}

// readDeadline sets the deadline for reading a body.
func (h *Hub) readDeadline(w http.ResponseWriter) error {
	err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.opts.BodyTimeout))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// brokenBody returns the problem of a body that could not be read to its end. Its status is 408: a client behind a proxy may still be
// connected, and the same request may succeed when it is sent again.
func brokenBody(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok { // the network is not the cause
		return p
	}
	p := NewProblem(http.StatusRequestTimeout, wire.ProblemBrokenBody, "the body broke off (%v); send it again, with the same Idempotency-Key if it had one", err)
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() {
		p = NewProblem(http.StatusRequestTimeout, wire.ProblemTimeout, "the body did not arrive in time; send it again, and faster")
	}
	p.Err = err
	return p
}
