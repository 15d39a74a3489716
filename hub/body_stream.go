package hub

import (
	"errors"
	"io"
	"iter"
	"net/http"

	"github.com/tidings-sse/tidings/internal/wire"
)

// Body is a streamed body: decompressed, in UTF-8, and bounded. It is for one goroutine. The bytes of an event that has not arrived in full
// count towards [Options.MaxBodyMemory].
type Body struct {
	text     io.Reader
	meter    meter
	decoding *decoding
}

// openStream opens a streamed body. take reserves memory.
func (p *Publication) openStream(body io.Reader, take func(int64) error) *Body {
	most := 6*int64(p.hub.opts.MaxEvent) + 2*wideBuffer
	b := &Body{decoding: decode(body, p.payload.codings, 2*most+codingOverhead, &p.rent)}
	b.meter = meter{in: b.decoding.out, most: most, take: take, rent: &p.rent}
	b.text = &textReader{body: &b.meter}
	if p.payload.charset != nil {
		b.text = decodeText(&b.meter, p.payload.charset, p.payload.label)
	}
	return b
}

// Read implements [io.Reader]. Its errors are io.EOF and a [*Problem]: for bytes that are not text in the declared charset, for a body that is
// cut off or damaged, and when there is no memory.
func (b *Body) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if err != nil && !atEnd(err) {
		err = brokenBody(err)
	}
	return n, err
}

// Lines returns the lines of the body, each with its line feed; the last line may have none. A line is valid until the next one is yielded.
// Lines is faster than a reader of the caller's own, because bodies share its large buffers. A line that is longer than most bytes ends the
// sequence with an error. A broken body ends it with an error after its last line.
func (b *Body) Lines(most int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		in := newPieces(b, &b.meter, '\n', most)
		defer in.close()
		for {
			line, err := in.next()
			if errors.Is(err, errLongPiece) {
				line, err = nil, NewProblem(http.StatusRequestEntityTooLarge, wire.ProblemTooLarge, "the line is longer than the limit of %d bytes", most)
			}
			switch {
			case err != nil && !atEnd(err):
				yield(nil, brokenBody(err))
				return
			case len(line) > 0 && !yield(line, nil), err != nil:
				return
			}
		}
	}
}

// renew starts a new event: the bytes so far have become one.
func (b *Body) renew() {
	b.decoding.renew()
	b.meter.renew()
}

// close releases the decoders and the memory.
func (b *Body) close() {
	b.meter.renew()
	b.decoding.end()
}
