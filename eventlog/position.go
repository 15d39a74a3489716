package eventlog

import (
	"crypto/rand"
	"strconv"
	"strings"
)

// Position is a place in a log: after the record with this sequence number. Its text is the id that Server-Sent Events
// carry, such as k3f9a-10482.
//
// Positions can be compared with ==. Of two with the same generation the one with the greater number is later.
type Position struct {
	Gen string // 5 or 6 characters a-z0-9: the generation of the log, that is, of its numbers
	Seq uint64 // from 1; 0 is before everything
}

// IsZero reports whether p is the zero Position, which comes before everything in any generation.
func (p Position) IsZero() bool { return p == Position{} }

// String returns the text of p, <gen>-<seq>. It has only characters a-z0-9 and a hyphen, so that it stays a
// CORS-safelisted value of the field Last-Event-ID. The zero Position is "-0", which ParsePosition refuses.
func (p Position) String() string { return string(p.AppendTo(make([]byte, 0, 27))) }

// AppendTo appends the text of p to b.
func (p Position) AppendTo(b []byte) []byte {
	return strconv.AppendUint(append(append(b, p.Gen...), '-'), p.Seq, 10)
}

// ParsePosition reads the text of a position, in exactly the form that String gives. The error is a *PositionError.
func ParsePosition(text string) (Position, error) {
	gen, number, ok := strings.Cut(text, "-")
	switch {
	case !ok:
		return Position{}, &PositionError{text, "there is no hyphen in it"}
	case !ValidGeneration(gen):
		return Position{}, &PositionError{text, "the generation before the hyphen is not 5 or 6 characters a-z0-9"}
	case len(number) > 1 && number[0] == '0':
		return Position{}, &PositionError{text, "the number after the hyphen begins with 0"}
	}
	for i := range len(number) { // ParseUint takes no sign, but other digits of Go: 1_000
		if number[i] < '0' || number[i] > '9' {
			return Position{}, &PositionError{text, "after the hyphen there is more than a decimal number"}
		}
	}
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return Position{}, &PositionError{text, "the number after the hyphen is missing or beyond 64 bits"}
	}
	return Position{gen, seq}, nil
}

// ValidGeneration reports whether gen is 5 or 6 characters a-z0-9.
func ValidGeneration(gen string) bool {
	for i := range len(gen) {
		if c := gen[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(gen) == 5 || len(gen) == 6
}

// NewGeneration returns a generation at random, one of 60 million.
func NewGeneration() string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	gen := make([]byte, 0, 5)
	for b := (*[1]byte)(make([]byte, 1)); len(gen) < cap(gen); {
		_, _ = rand.Read(b[:])                         // never fails: crypto/rand ends the program instead
		if int(b[0]) < 256/len(letters)*len(letters) { // otherwise some letters would be more frequent
			gen = append(gen, letters[int(b[0])%len(letters)])
		}
	}
	return string(gen)
}
