package hub

import (
	"bufio"
	"errors"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxWindow is the largest decoding window. Decoders of this content coding must support it, and encoders must not need more (RFC
	// 9659).
	maxWindow = 8 << 20

	zstdMemory = 192 << 10 // memory of a decoder besides its window

	pooledWindow = 1 << 20 // decoders with a larger window are not reused
)

// zstdDecoder decodes Zstandard frames in sequence.
type zstdDecoder struct {
	frames frames
	reader *zstd.Decoder
}

func newZstdDecoder() *zstdDecoder {
	// Concurrency 1 means that the decoder starts no goroutine. NewReader fails only for invalid options.
	reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		panic(err)
	}
	return &zstdDecoder{frames: frames{in: bufio.NewReaderSize(nil, 4<<10)}, reader: reader}
}

func (d *zstdDecoder) begin(in io.Reader, reserve func(int64) error) {
	d.frames.begin(in, reserve)
	_ = d.reader.Reset(&d.frames) // fails only after Close
}

func (d *zstdDecoder) end() bool {
	d.frames.begin(nil, nil)
	_ = d.reader.Reset(nil)
	return d.frames.largest <= pooledWindow
}

func (d *zstdDecoder) Read(p []byte) (n int, err error) {
	n, err = d.reader.Read(p)
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !d.frames.any {
		err = io.ErrUnexpectedEOF // a body without frames is cut off
	}
	return n, err
}

// frames passes the bytes of a body to a decoder. On the way it parses the headers of frames and blocks (RFC 8878, section 3.1.1). It
// reserves the window of each frame before the decoder allocates it.
type frames struct {
	in      *bufio.Reader
	reserve func(int64) error
	at      part  // the next part
	left    int64 // bytes of the current part
	sum     bool  // the frame ends with a checksum
	any     bool  // there was a frame
	largest int64 // the largest window of the decoder
}

// part is a part of a frame.
type part int

const (
	frameHeader part = iota
	frameBlock
	frameSum
	unknownPart // for the decoder to refuse
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

// next parses the beginning of the next part.
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
		if kind == 1 { // a byte that is repeated
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

// header parses a frame header. Its length depends on its content.
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
			return nil //nolint:nilerr // the decoder reports it
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
		return refusedCoding("the zstd in the body needs a window of %d bytes; the limit is %d (RFC 9659, section 3); compress it with a smaller window", window, maxWindow)
	}
	if err := f.reserve(zstdMemory + int64(window)); err != nil {
		return err
	}
	f.largest = max(f.largest, int64(window))
	f.any, f.sum, f.at, f.left = true, h.HasCheckSum, frameBlock, int64(h.HeaderSize)
	return nil
}

// rest passes on the bytes of a part that is cut off.
func (f *frames) rest(part []byte, err error) error {
	if len(part) == 0 {
		return err
	}
	f.left = int64(len(part))
	return nil
}
