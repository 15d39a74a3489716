package main

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// style is true to use colours. They come from the user's palette, which fits the background.
type style bool

// The parameters of the "select graphic rendition" sequence (ECMA-48, 8.3.117).
const (
	bold = "1"
	dim  = "2"
	red  = "31"
)

var palette = [...]string{"36", "32", "33", "35", "34"} // cyan, green, yellow, magenta, blue

func (s style) paint(colour, text string) string {
	if !s || colour == "" || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// styleFor returns the style for what is written to w: when is "auto", "always" or "never". Auto follows
// NO_COLOR (https://no-color.org) and TERM=dumb.
func styleFor(w io.Writer, when string) style {
	if when != "auto" {
		return when == "always"
	}
	return style(isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// widthOf returns a function that returns the current number of columns of w. For a writer that is not a terminal it is the value of COLUMNS, or
// 0 for no limit.
func widthOf(w io.Writer) func() int {
	if f, ok := w.(*os.File); ok && isTerminal(w) {
		return func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 0
			}
			return width
		}
	}
	width, _ := strconv.Atoi(os.Getenv("COLUMNS"))
	return func() int { return max(width, 0) }
}
