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
)

// charsetOf returns the encoding that a label stands for, nil for UTF-8, and whether what has it is text. Labels are those of the WHATWG
// Encoding standard, by which iso-8859-1 is windows-1252, and otherwise those of IANA.
func charsetOf(label string) (e encoding.Encoding, text bool, err error) {
	switch strings.ToLower(label) {
	case "utf-8", "utf8":
		return nil, true, nil
	case "binary": // what file --mime says of everything that it does not know
		return nil, false, nil
	case "us-ascii", "ascii", "ansi_x3.4-1968": // windows-1252 for browsers; here nothing is guessed
		e, err = ianaindex.IANA.Encoding("us-ascii")
	default:
		if e, err = htmlindex.Get(label); err != nil {
			e, err = ianaindex.IANA.Encoding(label)
		}
	}
	switch {
	case err != nil || e == nil || e == encoding.Replacement: // the last one is for charsets that nobody should decode
		p := problem(http.StatusUnsupportedMediaType, problemMediaType, "the charset %.60q is not known; send UTF-8", label)
		p.Err = err
		return nil, false, p
	case e == unicode.UTF8:
		return nil, true, nil
	}
	return e, true, nil
}

// decodeText returns a reader of UTF-8 text for one of text in a charset, as it comes. At what makes no sense in that charset it ends
// with a [*Problem], after all that comes before.
func decodeText(in io.Reader, e encoding.Encoding, label string) io.Reader {
	return &charsetReader{in: in, to: e, label: label}
}

// charsetReader looks for a byte order mark before anything else.
type charsetReader struct {
	in    io.Reader
	to    encoding.Encoding
	label string
	out   io.Reader // nil: nothing is read yet
}

// boms are the encodings of UTF-16 by their byte order marks. A mark counts for more than the label (WHATWG Encoding, section 6): both orders
// are sent as utf-16.
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

// begin reads the mark, if the charset has one.
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

// strictDecoder decodes text and stops at what makes no sense in its encoding. The decoders of package encoding make U+FFFD of that, and
// nobody would hear that the event is no longer the one that was sent.
type strictDecoder struct {
	transform.Transformer
	encoding encoding.Encoding
	label    string
	done     int // characters
}

// Transform implements [transform.Transformer].
func (d *strictDecoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	nDst, nSrc, err = d.Transformer.Transform(dst, src, atEOF)
	text := dst[:nDst]
	bad := bytes.IndexRune(text, utf8.RuneError)
	switch {
	case bad >= 0 && !d.says(text, src[:nSrc]):
		return bad, nSrc, d.malformed(text[:bad])
	case atEOF && errors.Is(err, transform.ErrShortSrc):
		return nDst, nSrc, d.malformed(text)
	}
	d.done += utf8.RuneCount(text)
	return nDst, nSrc, err
}

// says reports whether bytes are what a text with a U+FFFD in it is in the encoding, so that the character was sent.
func (d *strictDecoder) says(text, src []byte) bool {
	again, err := d.encoding.NewEncoder().Bytes(text)
	return err == nil && bytes.Equal(again, src)
}

func (d *strictDecoder) malformed(before []byte) *Problem {
	return problem(http.StatusBadRequest, problemInvalidEvent,
		"the text is not %.60s after %d characters; say the charset that it has, or send bytes as application/octet-stream", d.label, d.done+utf8.RuneCount(before))
}
