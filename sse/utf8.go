package sse

import (
	"encoding/binary"
	"unicode/utf8"
)

// validUTF8 is utf8.Valid for text that is mostly ASCII with something else here and there: it goes in long steps
// again after every rune, not only up to the first that is not ASCII.
func validUTF8(p []byte) bool {
	for {
		p = p[asciiSteps(p):]
		switch {
		case len(p) == 0:
			return true
		case p[0] < utf8.RuneSelf:
			p = p[1:]
		default:
			r, size := utf8.DecodeRune(p)
			if r == utf8.RuneError && size == 1 {
				return false
			}
			p = p[size:]
		}
	}
}

// asciiSteps returns how much of p is ASCII, in steps of 32 bytes and then of 8.
func asciiSteps(p []byte) int {
	const high = 0x8080808080808080
	n := 0
	for ; len(p)-n >= 32; n += 32 {
		q := p[n : n+32]
		if (binary.LittleEndian.Uint64(q)|binary.LittleEndian.Uint64(q[8:])|
			binary.LittleEndian.Uint64(q[16:])|binary.LittleEndian.Uint64(q[24:]))&high != 0 {
			break
		}
	}
	for ; len(p)-n >= 8; n += 8 {
		if binary.LittleEndian.Uint64(p[n:n+8])&high != 0 {
			break
		}
	}
	return n
}

// appendValidUTF8 appends src to dst as the "UTF-8 decode" algorithm of the Encoding Standard reads it: every
// maximal subpart of an ill-formed sequence becomes one U+FFFD (Unicode 16.0, section 3.9, table 3-8).
// That is neither one per byte, as a range over a string gives, nor one per run, as [bytes.ToValidUTF8] gives.
func appendValidUTF8(dst, src []byte) []byte {
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, "\uFFFD"...)
			src = src[maximalSubpart(src):]
			continue
		}
		dst = append(dst, src[:size]...)
		src = src[size:]
	}
	return dst
}

// maximalSubpart returns the length of the longest prefix of the ill-formed s that could have begun a
// well-formed sequence, at least 1. The bounds of the second byte are those of the Encoding Standard's UTF-8
// decoder: they shut out overlong forms, surrogates and what lies beyond U+10FFFF.
func maximalSubpart(s []byte) int {
	need, low, high := 0, byte(0x80), byte(0xBF)
	switch b := s[0]; {
	case b >= 0xC2 && b <= 0xDF:
		need = 1
	case b >= 0xE0 && b <= 0xEF:
		need = 2
		switch b {
		case 0xE0:
			low = 0xA0
		case 0xED:
			high = 0x9F
		}
	case b >= 0xF0 && b <= 0xF4:
		need = 3
		switch b {
		case 0xF0:
			low = 0x90
		case 0xF4:
			high = 0x8F
		}
	}
	n := 1
	for ; need > 0 && n < len(s) && low <= s[n] && s[n] <= high; need-- {
		low, high = 0x80, 0xBF
		n++
	}
	return n
}

func toValidUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string(appendValidUTF8(nil, []byte(s)))
}
