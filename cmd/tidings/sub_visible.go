package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible returns text with everything that would act on a terminal, or hide from its reader, as something to
// see: what comes from a server may be hostile, and an escape sequence can retitle a window, rewrite
// what stands above it, or type answers for the user. Line ends and tabs stay.
func visible(text string) string {
	i := strings.IndexFunc(text, unprintable)
	if i < 0 {
		return text
	}
	var b strings.Builder
	b.WriteString(text[:i])
	for _, r := range text[i:] {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r < ' ':
			b.WriteRune('\u2400' + r) // U+2400 and on are pictures of the control characters: ␀, ␁, ...
		case r == 0x7F:
			b.WriteRune('\u2421')
		default:
			fmt.Fprintf(&b, "\\u{%x}", r)
		}
	}
	return b.String()
}

// unprintable reports what visible replaces: C0 and C1 controls, line separators a terminal does not know,
// and characters that reorder the text around them (the "Trojan Source" trick) or show nothing. Joiners and the
// plain direction marks stay: emoji and half of the world's scripts need them, and they do no harm.
func unprintable(r rune) bool {
	switch r {
	case '\n', '\t', '\u200c', '\u200d', '\u200e', '\u200f':
		return false
	case '\u2028', '\u2029':
		return true
	}
	return !unicode.IsGraphic(r)
}

// visibleWriter makes what is written to it visible. Each Write must hold whole characters.
type visibleWriter struct{ w io.Writer }

func (v visibleWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(v.w, visible(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// columns returns how many columns of a terminal text takes. It is right for what streams commonly hold; where
// it is not, a line is broken a little early or late.
func columns(text string) int {
	n := 0
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			i++
			n++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case unicode.Is(wide, r):
			n += 2
		default:
			n++
		}
	}
	return n
}

// wide holds the blocks whose characters take two columns (Unicode Standard Annex 11, roughly).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115F, 1},
		{0x2E80, 0x303E, 1},
		{0x3041, 0xA4CF, 1},
		{0xAC00, 0xD7A3, 1},
		{0xF900, 0xFAFF, 1},
		{0xFE30, 0xFE6F, 1},
		{0xFF00, 0xFF60, 1},
		{0xFFE0, 0xFFE6, 1},
	},
	R32: []unicode.Range32{{0x1F300, 0x1F64F, 1}, {0x1F680, 0x1F6FF, 1}, {0x1F900, 0x1F9FF, 1}, {0x20000, 0x3FFFD, 1}},
}
