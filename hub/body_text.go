package hub

import (
	"errors"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/internal/wire"
)

// textReader reads a streamed body and fails at the first byte that is not UTF-8. The decoders of JSON and of event streams would replace
// it with U+FFFD and so change the event without an error. Text before that byte passes.
type textReader struct {
	body  io.Reader
	at    int64  // bytes that are valid text
	begun []byte // an incomplete character at the end; it has passed already, because no complete event can contain it
	err   error
}

func (r *textReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.body.Read(p)
	good := r.check(p[:n])
	if good < n || len(r.begun) > 0 && errors.Is(err, io.EOF) {
		r.err = NewProblem(http.StatusBadRequest, wire.ProblemInvalidEvent, "the body is not UTF-8 at byte %d; send bytes as base64", r.at)
		return good, r.err
	}
	return n, err
}

// check returns how many bytes continue the text. An incomplete character at the end counts as text.
func (r *textReader) check(b []byte) (good int) {
	for len(r.begun) > 0 && good < len(b) {
		r.begun = append(r.begun, b[good])
		if utf8.FullRune(r.begun) {
			if !utf8.Valid(r.begun) {
				return good
			}
			r.at += int64(len(r.begun))
			r.begun = r.begun[:0]
		}
		good++
	}
	rest := b[good:]
	whole := len(rest) - begun(rest)
	if !utf8.Valid(rest[:whole]) {
		bad := invalidUTF8(string(rest[:whole]))
		r.at += int64(bad)
		return good + bad
	}
	r.at += int64(whole)
	r.begun = append(r.begun, rest[whole:]...)
	return len(b)
}

// begun returns the length of an incomplete character at the end.
func begun(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
