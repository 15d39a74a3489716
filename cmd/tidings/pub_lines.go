package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// lineReader reads lines of any length up to longestLine.
type lineReader struct {
	in *bufio.Scanner
}

// longestLine is the length of the longest line in bytes. It exceeds the largest event that a hub accepts.
const longestLine = 32 << 20

func newLineReader(in io.Reader) *lineReader {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 64<<10), longestLine)
	return &lineReader{s}
}

// next returns the next line without its end, which is LF or CRLF. It is valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	if l.in.Scan() {
		return bytes.TrimSuffix(l.in.Bytes(), []byte("\r")), nil
	}
	if err := l.in.Err(); err != nil {
		return nil, fmt.Errorf("the input cannot be read: %w", err)
	}
	return nil, io.EOF
}
