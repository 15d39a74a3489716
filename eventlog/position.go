package eventlog

import (
	"crypto/rand"
	"strconv"
	"strings"
)

// Position is a place in a log: directly after the record with this sequence number. Its text, such as k3f9a-10482, is the id of
// Server-Sent Events.
//
// Positions can be compared with ==. Within a generation, a greater number is later.
type Position struct {
	Gen string // generation of the log, in which numbers are unique: 5 or 6 characters a-z0-9
	Seq uint64 // from 1; 0 is before everything
}

// IsZero reports whether p is the zero Position, which is before all records of any generation.
func (p Position) IsZero() bool { return p == Position{} }

// String returns the text of p, <gen>-<seq>. Its characters are a-z, 0-9 and a hyphen, so that it is a CORS-safelisted value of
// Last-Event-ID. The zero Position is "-0", which ParsePosition refuses.
func (p Position) String() string { return string(p.AppendTo(make([]byte, 0, 27))) }

// AppendTo appends the text of p to b.
func (p Position) AppendTo(b []byte) []byte {
	return strconv.AppendUint(append(append(b, p.Gen...), '-'), p.Seq, 10)
}

// ParsePosition parses the text of a position, in exactly the form of String. The error is a *PositionError.
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
	for i := range len(number) { // ParseUint would accept 1_000
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

// NewGeneration returns a random generation, one of 60 million.
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
