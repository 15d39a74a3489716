// Package blocks makes gzip streams of which parts are shared (RFC 1952, RFC 1951).
//
// A stream is a [Header] and deflate blocks. All parts that this package makes end on a byte, so that they can be joined in any order that
// their references allow:
//
//	stored   the bytes as they are, with 5 bytes before them and 5 after; valid anywhere
//	alone    compressed, with references only within the part; valid anywhere
//	window   compressed, with references to the bytes before the part; valid only after exactly those bytes
//
// Each part ends with an empty stored block, the sign of a flush. Decoders such as that of Go hold bytes back until they see it.
//
// A reference counts back from its own place in the output of the decoder. So a part with references to a window is right for every stream
// whose output ends with that window, whatever came before it and in whatever parts the window came.
package blocks

import (
	"encoding/binary"

	"github.com/klauspost/compress/flate"
)

// Header begins a stream: deflate, without a name and a time, on an unknown system (RFC 1952, section 2.3).
const Header = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

const (
	storedHeader = 5     // type and padding, length, complement of length (RFC 1951, section 3.2.4)
	storedMost   = 65535 // bytes in a stored block
)

// AppendStored appends a text in stored blocks. Nothing becomes nothing.
func AppendStored[T string | []byte](b []byte, text T) []byte {
	if len(text) == 0 {
		return b
	}
	for len(text) > 0 {
		n := min(len(text), storedMost)
		b = append(appendStoredHeader(b, n), text[:n]...)
		text = text[n:]
	}
	return appendStoredHeader(b, 0)
}

func appendStoredHeader(b []byte, n int) []byte {
	b = append(b, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(n))
	return binary.LittleEndian.AppendUint16(b, ^uint16(n))
}

// AppendContents appends the text in stored blocks. They must be those of [AppendStored].
func AppendContents[T string | []byte](b []byte, stored T) []byte {
	for len(stored) > 0 {
		end := storedHeader + int(stored[1]) + int(stored[2])<<8
		b = append(b, stored[storedHeader:end]...)
		stored = stored[end:]
	}
	return b
}

// AppendShorter appends a text alone, or stored if that is not longer. Nothing becomes nothing.
func AppendShorter(b []byte, text []byte) []byte {
	if len(text) == 0 {
		return b
	}
	before := len(b)
	if b = AppendAlone(b, text); len(b)-before >= len(text)+2*storedHeader {
		return AppendStored(b[:before], text)
	}
	return b
}

// AppendAlone appends a text compressed without a window. The text is not empty.
func AppendAlone(b []byte, text []byte) []byte {
	out := appender{b}
	_ = flate.StatelessDeflate(&out, text, false, nil) // the only errors are those of out
	return out.b
}

// Compressor compresses texts one after the other, each with references to the texts before it. It takes about 700 KB.
type Compressor struct {
	out appender
	w   *flate.Writer
}

// level is the level of the compressor. Level 5 has 3 % more bytes, level 7 as few bytes but tables that take 30 µs to forget.
const level = 6

// NewCompressor returns a compressor with an empty window.
func NewCompressor() *Compressor {
	c := new(Compressor)
	c.w, _ = flate.NewWriter(&c.out, level) // an error means an invalid level
	return c
}

// Begin makes the compressor continue after a window, which may be empty. Only its last 32 KiB count.
func (c *Compressor) Begin(window []byte) { c.w.ResetDict(&c.out, window) }

// Append appends the next text, which is not empty.
func (c *Compressor) Append(b []byte, text []byte) []byte {
	c.out.b = b
	_, _ = c.w.Write(text) // the only errors are those of out
	_ = c.w.Flush()        // as above
	b, c.out.b = c.out.b, nil
	return b
}

// appender is a writer that appends to a slice. It has no errors.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
