package hub

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
)

const (
	// wideBuffer is how much of a body is read at once, of one that comes fast. It makes a batch.
	wideBuffer = 64 << 10

	// narrowBuffer is for bodies that come slowly, of which there may be many.
	narrowBuffer = 4 << 10
)

// wideReaders are those that are not used at the moment.
var wideReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, wideBuffer) }}

// pieces reads a body in pieces that a byte ends. Its buffer is wide only while the body comes fast and the meter has memory for it.
type pieces struct {
	body  io.Reader
	meter *meter // between the body and the network
	end   byte
	most  int // bytes of a piece

	narrow, wide *bufio.Reader // wide: nil if it is not used
	long         []byte        // a piece that does not fit into the buffer
}

// errLongPiece is the error of a piece that has more bytes than it may have.
var errLongPiece = errors.New("a piece is too long")

func newPieces(body io.Reader, m *meter, end byte, most int) *pieces {
	return &pieces{body: body, meter: m, end: end, most: most, narrow: bufio.NewReaderSize(body, narrowBuffer)}
}

// next returns the next piece, with the byte that ends it, which is valid until the next call. The last piece may lack that byte, and comes
// with io.EOF.
func (p *pieces) next() ([]byte, error) {
	if cap(p.long) > wideBuffer {
		p.long = nil // one long piece is no reason to keep as much for all
	}
	in := p.reader()
	piece, err := in.ReadSlice(p.end)
	if !errors.Is(err, bufio.ErrBufferFull) {
		return p.checked(piece, err)
	}
	for p.long = p.long[:0]; ; piece, err = in.ReadSlice(p.end) {
		p.long = append(p.long, piece...)
		if !errors.Is(err, bufio.ErrBufferFull) || len(p.long) > p.most {
			return p.checked(p.long, err)
		}
	}
}

func (p *pieces) checked(piece []byte, err error) ([]byte, error) {
	if len(piece) > p.most {
		return nil, errLongPiece
	}
	return piece, err
}

// reader returns the buffer to read from. What is in one goes on to the other when they change.
func (p *pieces) reader() *bufio.Reader {
	switch wide := p.meter.wide(); {
	case p.wide == nil && wide:
		p.wide = wideReaders.Get().(*bufio.Reader)
		p.wide.Reset(p.rest(p.narrow))
	case p.wide != nil && !wide && p.wide.Buffered() <= narrowBuffer:
		p.narrow.Reset(p.rest(p.wide))
		p.close()
	}
	if p.wide != nil {
		return p.wide
	}
	return p.narrow
}

// rest returns a reader of what a buffer has left, and of the body after that.
func (p *pieces) rest(in *bufio.Reader) io.Reader {
	ahead, _ := in.Peek(in.Buffered())
	if len(ahead) == 0 {
		return p.body
	}
	return io.MultiReader(bytes.NewReader(bytes.Clone(ahead)), p.body)
}

// close gives the wide buffer back.
func (p *pieces) close() {
	if p.wide != nil {
		p.wide.Reset(nil)
		wideReaders.Put(p.wide)
		p.wide = nil
	}
}
