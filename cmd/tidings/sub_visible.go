package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// visible replaces characters that a terminal would act on, or not show, by visible ones. A server may be hostile: an escape sequence can change
// the title of a window, overwrite earlier lines, or make the terminal type text for the user. Line ends and tabs stay.
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

// unprintable reports whether visible replaces a character: C0 and C1 controls, Unicode line separators, and characters that reorder the text
// around them (the "Trojan Source" attack) or are invisible. Joiners and plain direction marks stay: they are harmless, and emoji and many
// scripts need them.
func unprintable(r rune) bool {
	switch r {
	case '\n', '\t', '\u200c', '\u200d', '\u200e', '\u200f':
		return false
	case '\u2028', '\u2029':
		return true
	}
	return !unicode.IsGraphic(r)
}

// visibleWriter applies visible to the text written to it. Each Write must contain complete characters.
type visibleWriter struct{ w io.Writer }

func (v visibleWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(v.w, visible(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
