package hub

import (
	"bufio"
	"errors"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxWindow is the most that a decoder keeps of what it has decoded. All decoders of this content coding take so much, and no
	// encoder may ask for more (RFC 9659).
	maxWindow = 8 << 20

	zstdMemory = 192 << 10 // that a decoder takes besides its window

	pooledWindow = 1 << 20 // decoders that have had a larger one are left to the garbage collector
)

// zstdDecoder decodes frames of Zstandard, one after the other.
type zstdDecoder struct {
	frames frames
	reader *zstd.Decoder
}

func newZstdDecoder() *zstdDecoder {
	// Without concurrency it starts no goroutine. Its options are good ones.
	reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		panic(err)
	}
	return &zstdDecoder{frames: frames{in: bufio.NewReaderSize(nil, 4<<10)}, reader: reader}
}

func (d *zstdDecoder) begin(in io.Reader, reserve func(int64) error) {
	d.frames.begin(in, reserve)
	_ = d.reader.Reset(&d.frames) // fails only for one that is closed
}

func (d *zstdDecoder) end() bool {
	d.frames.begin(nil, nil)
	_ = d.reader.Reset(nil)
	return d.frames.largest <= pooledWindow
}

func (d *zstdDecoder) Read(p []byte) (n int, err error) {
	n, err = d.reader.Read(p)
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !d.frames.any {
		err = io.ErrUnexpectedEOF // a body of no frame is cut off
	}
	return n, err
}

// frames passes the bytes of a body on to a decoder, and looks at those that say how long a frame and its blocks are (RFC 8878, section
// 3.1.1), so that the window of each frame is reserved before the decoder makes it.
type frames struct {
	in      *bufio.Reader
	reserve func(int64) error
	at      part  // what comes next
	left    int64 // bytes of the part before that are still to be passed on
	sum     bool  // the frame ends with a checksum
	any     bool  // there was one
	largest int64 // window that the decoder has had
}

// part is a part of a frame.
type part int

const (
	frameHeader part = iota
	frameBlock
	frameSum
	unknownPart // the decoder says what is wrong with it
)

func (f *frames) begin(in io.Reader, reserve func(int64) error) {
	f.in.Reset(in)
	f.reserve, f.at, f.left, f.any = reserve, frameHeader, 0, false
}

func (f *frames) Read(p []byte) (n int, err error) {
	for f.left == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n, err = f.in.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	return n, err
}

// next looks at the next part.
func (f *frames) next() error {
	switch f.at {
	case frameHeader:
		return f.header()
	case frameBlock:
		head, err := f.in.Peek(3)
		if err != nil {
			return f.rest(head, err)
		}
		fields := int64(head[0]) | int64(head[1])<<8 | int64(head[2])<<16
		last, kind, size := fields&1 == 1, fields>>1&3, fields>>3
		if kind == 1 { // one byte, repeated
			size = 1
		}
		f.left = int64(len(head)) + size
		if last && f.sum {
			f.at = frameSum
		} else if last {
			f.at = frameHeader
		}
	case frameSum:
		f.left, f.at = 4, frameHeader
	default:
		f.left = math.MaxInt64
	}
	return nil
}

// header looks at the header of a frame. How long that is it says itself.
func (f *frames) header() error {
	var h zstd.Header
	for size := 5; ; size++ {
		head, err := f.in.Peek(size)
		if err != nil {
			return f.rest(head, err)
		}
		err = h.Decode(head)
		if errors.Is(err, io.ErrUnexpectedEOF) && size < zstd.HeaderMaxSize {
			continue
		} else if err != nil {
			f.at = unknownPart
			return nil //nolint:nilerr // the decoder says it
		}
		break
	}
	if h.Skippable {
		f.left = int64(h.HeaderSize) + int64(h.SkippableSize)
		return nil
	}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	if window > maxWindow {
		return refusedCoding("the zstd in the body needs a window of %d bytes, and at most %d are taken (RFC 9659, section 3); compress it with a smaller one", window, maxWindow)
	}
	if err := f.reserve(zstdMemory + int64(window)); err != nil {
		return err
	}
	f.largest = max(f.largest, int64(window))
	f.any, f.sum, f.at, f.left = true, h.HasCheckSum, frameBlock, int64(h.HeaderSize)
	return nil
}

// rest passes on what there is of a part that is cut off.
func (f *frames) rest(part []byte, err error) error {
	if len(part) == 0 {
		return err
	}
	f.left = int64(len(part))
	return nil
}
