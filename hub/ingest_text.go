package hub

import (
	"errors"
	"io"
	"net/http"
	"unicode/utf8"
)

// textReader is a streamed body, which has to be UTF-8. Decoders of JSON and of event streams would make U+FFFD of what is none,
// and nobody would hear that the event is no longer the one that was sent. What comes before is let through.
type textReader struct {
	body  io.Reader
	at    int64  // how much has been read, in bytes
	begun []byte // a character whose rest has not come; it was let through, as whatever it is in cannot be complete
	err   error
}

func (r *textReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.body.Read(p)
	good := r.check(p[:n])
	r.at += int64(good)
	if good < n || len(r.begun) > 0 && errors.Is(err, io.EOF) {
		r.err = problem(http.StatusBadRequest, problemInvalidEvent, "the body is not UTF-8 at byte %d; send bytes as base64", r.at)
		return good, r.err
	}
	return n, err
}

// check returns how many bytes go on the text, the beginning of a character at their end included.
func (r *textReader) check(b []byte) (good int) {
	for len(r.begun) > 0 && good < len(b) {
		r.begun = append(r.begun, b[good])
		if utf8.FullRune(r.begun) {
			if !utf8.Valid(r.begun) {
				return good
			}
			r.begun = r.begun[:0]
		}
		good++
	}
	rest := b[good:]
	whole := len(rest) - begun(rest)
	if !utf8.Valid(rest[:whole]) {
		return good + invalidUTF8(string(rest[:whole]))
	}
	r.begun = append(r.begun, rest[whole:]...)
	return len(b)
}

// begun returns how many bytes at the end are the beginning of a character.
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
