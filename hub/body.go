package hub

import (
	"errors"
	"io"
	"net/http"
	"unsafe"
)

// trusted is the length of a body that has memory before it has come, and of which no budget is asked.
const trusted = 16 << 10

// errTooLong is the error of a body that is longer than it may be.
var errTooLong = errors.New("the body is longer than it may be")

// readEvent reads a body that is one event, and undoes what was done to it. Text in another charset becomes UTF-8.
func readEvent(r *http.Request, p *payload, limit int64, rent *rent) (string, error) {
	if p.plain() {
		return asText(readWhole(r.Body, r.ContentLength, limit, rent))
	}
	// Layers before the last one may have more bytes than the event: UTF-16 has twice as many, and what is compressed twice some.
	in, end := openBody(r.Body, p, 2*limit+codingOverhead, rent)
	defer end()
	return asText(readWhole(in, -1, limit, rent))
}

// openBody returns a reader of what is in a body, and what to call when nobody reads it any more.
func openBody(body io.Reader, p *payload, most int64, rent *rent) (in io.Reader, end func()) {
	d := decode(body, p.codings, most, rent)
	if p.charset != nil {
		return decodeText(d.out, p.charset, p.label), d.end
	}
	return d.out, d.end
}

// asText makes a text of bytes that nobody else has.
func asText(data []byte, err error) (string, error) {
	return unsafe.String(unsafe.SliceData(data), len(data)), err
}

// codingOverhead is how much longer than its content something may be that is compressed, besides that.
const codingOverhead = 64 << 10

// readWhole reads a body of which the length is known, or is not (-1). It has memory for twice of what has come: a sender that announces a large
// body, and does not send it, takes none.
func readWhole(in io.Reader, length, limit int64, rent *rent) ([]byte, error) {
	end := limit + 1 // one more shows that it is too long
	if length >= 0 {
		end = min(length, end)
	}
	buffer := make([]byte, 0, min(end, trusted))
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
		case !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil, err
		case length >= 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return buffer, nil
		}
	}
}

// grow returns a buffer with more room, of end bytes at the most. While it is copied there are two.
func grow(buffer []byte, end int64, rent *rent) ([]byte, error) {
	was := int64(cap(buffer))
	size := 2 * was
	if size+size/8 >= end { // the rest would need a copy of its own
		size = end
	}
	if size > trusted {
		held := int64(0) // the first one may be within what is trusted, and not taken
		if was > trusted {
			held = was
		}
		if err := rent.take(size + was - held); err != nil {
			return nil, err
		}
		defer rent.giveBack(was)
	}
	return append(make([]byte, 0, size), buffer...), nil
}
