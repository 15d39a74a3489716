package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
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
