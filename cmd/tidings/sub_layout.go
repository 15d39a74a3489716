package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/rivo/uniseg"
)

// piece is a part of a text that is not broken across lines.
type piece struct {
	text  string
	key   bool // the name of a JSON member
	depth int  // the nesting depth in JSON, which is the indentation of a line that begins with the piece
	brk   bool // a line may begin with the piece
}

// fill distributes pieces over lines of at most width columns. Width 0 means one line without a limit. A piece that is wider than a line gets
// a line of its own.
func fill(pieces []piece, width int) [][]piece {
	var lines [][]piece
	start, used := 0, 0
	for i := 0; i < len(pieces); {
		// The pieces up to the next one with brk stay together.
		end, wide := i+1, uniseg.StringWidth(pieces[i].text)
		for end < len(pieces) && !pieces[end].brk {
			wide += uniseg.StringWidth(pieces[end].text)
			end++
		}
		if width > 0 && i > start && used+wide > width {
			lines = append(lines, pieces[start:i])
			start, used = i, pieces[i].depth
		}
		used += wide
		i = end
	}
	return append(lines, pieces[start:])
}

// words splits text before each word.
func words(line string) []piece {
	var pieces []piece
	for start := 0; start < len(line); {
		end := len(line)
		if i := strings.IndexByte(line[start+1:], ' '); i >= 0 {
			end = start + 1 + i + 1
			for end < len(line) && line[end] == ' ' {
				end++
			}
		}
		pieces = append(pieces, piece{text: line[start:end], brk: true})
		start = end
	}
	if pieces == nil {
		return []piece{{}}
	}
	return pieces
}

// jsonPieces splits a JSON object or array after its commas. It reports false for any other text. Numbers, names and their order stay
// unchanged.
func jsonPieces(data string) ([]piece, bool) {
	if data == "" || data[0] != '{' && data[0] != '[' {
		return nil, false
	}
	var buf bytes.Buffer
	if err := json.Compact(&buf, []byte(data)); err != nil {
		return nil, false
	}
	var pieces []piece
	text, depth, start, brk := buf.String(), 0, 0, true
	cut := func(end int, space string, key bool) {
		if end > start {
			pieces = append(pieces, piece{text[start:end] + space, key, depth, brk})
			start, brk = end, false
		}
	}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			end := endOfString(text, i)
			if end < len(text) && text[end] == ':' {
				cut(i, "", false)
				cut(end, "", true)
			}
			i = end - 1
		case ':':
			cut(i+1, " ", false)
		case ',':
			cut(i+1, " ", false)
			brk = true
		case '{', '[':
			cut(i+1, "", false)
			depth++
		case '}', ']':
			cut(i, "", false)
			depth--
		}
	}
	cut(len(text), "", false)
	return pieces, true
}

// endOfString returns the index after the JSON string that begins at start.
func endOfString(text string, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
