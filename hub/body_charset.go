package hub

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/tidings-sse/tidings/internal/wire"
)

// charsetOf returns the encoding of a charset label, nil for UTF-8, and whether the label stands for text. Labels are those of the WHATWG
// Encoding standard, where iso-8859-1 means windows-1252, and then those of IANA.
func charsetOf(label string) (e encoding.Encoding, text bool, err error) {
	switch strings.ToLower(label) {
	case "utf-8", "utf8":
		return nil, true, nil
	case "binary": // from file --mime, for unknown data
		return nil, false, nil
	case "us-ascii", "ascii", "ansi_x3.4-1968": // strict, although browsers read it as windows-1252
		e, err = ianaindex.IANA.Encoding("us-ascii")
	default:
		if e, err = htmlindex.Get(label); err != nil {
			e, err = ianaindex.IANA.Encoding(label)
		}
	}
	switch {
	case err != nil || e == nil || e == encoding.Replacement: // Replacement stands for charsets that are unsafe to decode
		p := NewProblem(http.StatusUnsupportedMediaType, wire.ProblemUnsupportedMedia, "the charset %.60q is unknown; send UTF-8", label)
		p.Err = err
		return nil, false, p
	case e == unicode.UTF8:
		return nil, true, nil
	}
	return e, true, nil
}

// decodeText returns a reader that converts text to UTF-8 as it arrives. At bytes that are invalid in the charset it fails with a
// [*Problem], after the text before them.
func decodeText(in io.Reader, e encoding.Encoding, label string) io.Reader {
	return &charsetReader{in: in, to: e, label: label}
}

// charsetReader converts text to UTF-8. It looks for a byte order mark first.
type charsetReader struct {
	in    io.Reader
	to    encoding.Encoding
	label string
	out   io.Reader // nil before the first read
}

// boms are the encodings of UTF-16 by their byte order marks. A mark overrides the label (WHATWG Encoding, section 6), because clients
// send both byte orders as utf-16.
var boms = map[string]encoding.Encoding{
	"\xff\xfe": unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	"\xfe\xff": unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
}

func (r *charsetReader) Read(p []byte) (int, error) {
	if r.out == nil {
		if err := r.begin(); err != nil {
			return 0, err
		}
	}
	return r.out.Read(p)
}

// begin reads the byte order mark, if the charset can have one.
func (r *charsetReader) begin() error {
	if name, err := htmlindex.Name(r.to); err == nil && strings.HasPrefix(name, "utf-16") {
		mark := make([]byte, 2)
		n, err := io.ReadFull(r.in, mark)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if e, ok := boms[string(mark[:n])]; ok {
			r.to = e
		} else {
			r.in = io.MultiReader(bytes.NewReader(mark[:n]), r.in)
		}
	}
	r.out = transform.NewReader(r.in, &strictDecoder{Transformer: r.to.NewDecoder(), encoding: r.to, label: r.label})
	return nil
}

// strictDecoder decodes text and fails at invalid bytes. The decoders of package encoding replace them with U+FFFD, and so change the
// event without an error.
type strictDecoder struct {
	transform.Transformer
	encoding encoding.Encoding
	label    string
	done     int // characters decoded
}

// Transform implements [transform.Transformer].
func (d *strictDecoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	nDst, nSrc, err = d.Transformer.Transform(dst, src, atEOF)
	text := dst[:nDst]
	bad := bytes.IndexRune(text, utf8.RuneError)
	switch {
	case bad >= 0 && !d.encodes(text, src[:nSrc]):
		return bad, nSrc, d.malformed(text[:bad])
	case atEOF && errors.Is(err, transform.ErrShortSrc):
		return nDst, nSrc, d.malformed(text)
	}
	d.done += utf8.RuneCount(text)
	return nDst, nSrc, err
}

// encodes reports whether text encodes to the bytes in src. Then a U+FFFD in it was sent, and does not stand for invalid bytes.
func (d *strictDecoder) encodes(text, src []byte) bool {
	again, err := d.encoding.NewEncoder().Bytes(text)
	return err == nil && bytes.Equal(again, src)
}

func (d *strictDecoder) malformed(before []byte) *Problem {
	return NewProblem(http.StatusBadRequest, wire.ProblemInvalidEvent,
		"the text is not valid %.60s after %d characters; declare its actual charset, or send bytes as application/octet-stream", d.label, d.done+utf8.RuneCount(before))
}
