package hub

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
)

const (
	// wideBuffer is the size of the read buffer for a fast body. It holds a batch.
	wideBuffer = 64 << 10

	// narrowBuffer is the size of the read buffer for a slow body. There may be many of them.
	narrowBuffer = 4 << 10
)

// wideReaders are idle wide buffers.
var wideReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, wideBuffer) }}

// pieces splits a body into pieces that end with a byte, such as lines. Its buffer is wide only while the body arrives fast and the meter
// has memory for it.
type pieces struct {
	body  io.Reader
	meter *meter // between the body and the network
	end   byte
	most  int // bytes of the longest piece

	narrow, wide *bufio.Reader // wide is nil while narrow is in use
	long         []byte        // a piece that does not fit into the buffer
}

// errLongPiece is the error of a piece that exceeds the limit.
var errLongPiece = errors.New("a piece is too long")

func newPieces(body io.Reader, m *meter, end byte, most int) *pieces {
	return &pieces{body: body, meter: m, end: end, most: most, narrow: bufio.NewReaderSize(body, narrowBuffer)}
}

// next returns the next piece, including the byte that ends it. It is valid until the next call. The last piece may lack that byte, and is
// returned with io.EOF.
func (p *pieces) next() ([]byte, error) {
	if cap(p.long) > wideBuffer {
		p.long = nil // do not keep a large buffer because of one long piece
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

// reader returns the buffer to read from. When it changes buffers, it moves the buffered bytes.
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

// rest returns a reader of the bytes left in a buffer, and then of the body.
func (p *pieces) rest(in *bufio.Reader) io.Reader {
	ahead, _ := in.Peek(in.Buffered())
	if len(ahead) == 0 {
		return p.body
	}
	return io.MultiReader(bytes.NewReader(bytes.Clone(ahead)), p.body)
}

// close returns the wide buffer to the pool.
func (p *pieces) close() {
	if p.wide != nil {
		p.wide.Reset(nil)
		wideReaders.Put(p.wide)
		p.wide = nil
	}
}
