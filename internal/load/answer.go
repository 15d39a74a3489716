package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// answer takes an HTTP/1.1 answer apart as it comes: the head, then a body that ends by length, by chunks or with the
// connection (RFC 9112, section 6.3).
type answer struct {
	state answerState
	head  []byte
	left  int64 // of the body, or of the chunk; -1 if only the end of the connection tells
	line  []byte
}

type answerState int

const (
	inHead answerState = iota
	inBody
	inChunkSize
	inChunk
	inChunkEnd
)

const maxHead = 64 << 10 // bytes; net/http's clients take a megabyte, nobody sends it

// take takes what came. It calls opened when there is a stream, once, and body with what belongs to it. After io.EOF the
// answer is over; any other error says what was wrong with it.
func (a *answer) take(b []byte, opened func(), body func([]byte)) error {
	for len(b) > 0 {
		var err error
		switch a.state {
		case inHead:
			if b, err = a.takeHead(b); err == nil && a.state != inHead {
				opened()
			}
		case inBody, inChunk:
			b, err = a.takeBody(b, body)
		case inChunkSize, inChunkEnd:
			b, err = a.takeLine(b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *answer) takeHead(b []byte) ([]byte, error) {
	before := len(a.head)
	a.head = append(a.head, b...)
	i := bytes.Index(a.head[max(before-3, 0):], []byte("\r\n\r\n"))
	if i < 0 {
		if len(a.head) > maxHead {
			return nil, errors.New("the head of the answer does not end")
		}
		return nil, nil
	}
	end := max(before-3, 0) + i + 4
	err := a.readHead(a.head[:end])
	a.head = nil
	return b[end-before:], err
}

// readHead sees whether it is a stream, and how that ends.
func (a *answer) readHead(head []byte) error {
	resp, err := http.ReadResponse(bufio.NewReaderSize(bytes.NewReader(head), len(head)), nil)
	if err != nil {
		return fmt.Errorf("the answer makes no sense: %w", err)
	}
	_ = resp.Body.Close() // there is nothing in it
	if err := checkStream(resp); err != nil {
		return err
	}
	a.state, a.left = inBody, resp.ContentLength
	if len(resp.TransferEncoding) > 0 {
		a.state = inChunkSize
	}
	return nil
}

// takeBody hands out what belongs to the body, or to the chunk.
func (a *answer) takeBody(b []byte, body func([]byte)) ([]byte, error) {
	if a.left < 0 {
		body(b)
		return nil, nil
	}
	n := int(min(a.left, int64(len(b))))
	body(b[:n])
	if a.left -= int64(n); a.left > 0 {
		return b[n:], nil
	}
	if a.state == inBody {
		return nil, io.EOF
	}
	a.state = inChunkEnd
	return b[n:], nil
}

// takeLine takes the line before or after a chunk (RFC 9112, section 7.1).
func (a *answer) takeLine(b []byte) ([]byte, error) {
	before, after, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		if a.line = append(a.line, b...); len(a.line) > maxHead {
			return nil, errors.New("the line before a chunk does not end")
		}
		return nil, nil
	}
	a.line = append(a.line, before...)
	size, _, _ := bytes.Cut(bytes.TrimSuffix(a.line, []byte("\r")), []byte(";"))
	a.line = a.line[:0]
	if a.state == inChunkEnd {
		if len(size) > 0 {
			return nil, errors.New("a chunk is longer than it says")
		}
		a.state = inChunkSize
		return after, nil
	}
	digits := bytes.ToLower(bytes.TrimSpace(size))
	n, ok := readHex(digits)
	switch {
	case !ok || len(digits) == 0 || len(digits) > 15:
		return nil, fmt.Errorf("%.20q is no size of a chunk", digits)
	case n == 0:
		return nil, io.EOF
	}
	a.state, a.left = inChunk, int64(n)
	return after, nil
}

// Refusal is an answer that is no stream, or says that nothing was published. To ask again would bring the same.
type Refusal struct {
	Status int
	text   string
}

func (r *Refusal) Error() string { return r.text }

// checkStream says why an answer is no stream of events.
func checkStream(resp *http.Response) error {
	kind := resp.Header.Get("Content-Type")
	switch {
	case resp.StatusCode != http.StatusOK:
		return &Refusal{resp.StatusCode, "the answer was " + resp.Status}
	case !strings.HasPrefix(kind, "text/event-stream"):
		return &Refusal{resp.StatusCode, fmt.Sprintf("the answer is %.60q, not text/event-stream", kind)}
	}
	return nil
}
