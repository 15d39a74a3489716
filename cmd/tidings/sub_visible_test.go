package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStreamCannotControlTheTerminal(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"plain text", "grüße, 世界\tand\nmore", "grüße, 世界\tand\nmore"},
		{"an escape sequence that clears the screen", "\x1b[2Jboo", "␛[2Jboo"},
		{"a window title, ended by BEL", "\x1b]0;pwned\a", "␛]0;pwned␇"},
		{"C1 controls, escape sequences in one character", "\u009b2J", "\\u{9b}2J"},
		{"a carriage return that overwrites", "safe\rfake", "safe␍fake"},
		{"backspaces", "a\b\bb", "a␈␈b"},
		{"NUL and DEL", "\x00\x7f", "␀␡"},
		{"text that runs the other way", "user\u202e;drowssap", "user\\u{202e};drowssap"},
		{"isolates", "\u2066x\u2069", "\\u{2066}x\\u{2069}"},
		{"line ends no terminal knows", "a\u2028b\u2029", "a\\u{2028}b\\u{2029}"},
		{"invisible characters", "a\u2060\ufeffb", "a\\u{2060}\\u{feff}b"},
		{"a family, which is several people joined", "👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"},
		{"no-break space", "10\u00a0km", "10\u00a0km"},
	} {
		if got := visible(c.text); got != c.want {
			t.Errorf("%s: visible(%q) = %q, want %q", c.name, c.text, got, c.want)
		}
	}
}

func FuzzVisibleIsVisible(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m")
	f.Add("\u202e\u009b\xff")
	f.Fuzz(func(t *testing.T, text string) {
		got := visible(text)
		if i := strings.IndexFunc(got, unprintable); i >= 0 {
			t.Errorf("visible(%q) = %q, which at byte %d is not visible", text, got, i)
		}
		if again := visible(got); again != got {
			t.Errorf("visible(%q) = %q, but of that %q", text, got, again)
		}
		for i := range len(got) {
			if c := got[i]; c < ' ' && c != '\n' && c != '\t' || c == 0x7F {
				t.Errorf("visible(%q) holds the byte %#x", text, c)
			}
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("visible(%q) is not UTF-8", text)
		}
	})
}
