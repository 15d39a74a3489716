package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/rivo/uniseg"
)

// A piece is a part of a text that stays on one line.
type piece struct {
	text  string
	key   bool // the name of a JSON member
	depth int  // how deep in JSON the piece stands: the indentation of a line that begins with it
	brk   bool // a line may begin here
}

// fill distributes pieces over lines of width columns, as full as they get. Width 0 means one endless line. A
// piece that is too wide for any line gets one of its own.
func fill(pieces []piece, width int) [][]piece {
	var lines [][]piece
	start, used := 0, 0
	for i := 0; i < len(pieces); {
		// What stands together up to the next place where a line may begin.
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

// words splits a line of text where lines may be broken: before each word.
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

// jsonPieces splits a JSON object or array where lines may be broken: behind its commas. It reports false for
// anything else. Numbers, names and their order stay as they came.
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

// endOfString returns the index behind the JSON string that begins at start.
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
