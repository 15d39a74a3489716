package sse

import (
	"encoding/binary"
	"unicode/utf8"
)

// validUTF8 reports whether p is valid UTF-8. For mostly ASCII text it is faster than utf8.Valid, which takes long
// steps only up to the first non-ASCII byte; validUTF8 takes them again after each rune.
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

// asciiSteps returns the length of a prefix of p that is all ASCII. It checks 32 bytes at a time, then 8, so up to 7
// more ASCII bytes may follow.
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

// appendValidUTF8 appends src to dst as the "UTF-8 decode" algorithm of the Encoding Standard decodes it: each maximal
// subpart of an ill-formed sequence becomes one U+FFFD (Unicode 16.0, section 3.9, table 3-8). A range over a string
// gives one per byte instead, and [bytes.ToValidUTF8] one per run.
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

// maximalSubpart returns the length of the longest prefix of s that can begin a well-formed sequence, at least 1. s
// begins with an ill-formed sequence. The limits of the second byte are those of the Encoding Standard's UTF-8 decoder:
// they exclude overlong forms, surrogates and values above U+10FFFF.
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
