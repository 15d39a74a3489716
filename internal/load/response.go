package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// response parses an HTTP/1.1 response as it arrives: the header, then a body that a length, chunks or the end of the
// connection delimit (RFC 9112, section 6.3).
//
// The body of a refusal explains it. It may arrive long after the header, so a refusal ends with its body.
type response struct {
	state   responseState
	head    []byte
	left    int64 // bytes left of the body or the chunk; -1 if the end of the connection delimits the body
	line    []byte
	refusal *Refusal // the response is not a stream
}

type responseState int

const (
	inHead responseState = iota
	inBody
	inChunkSize
	inChunk
	inChunkEnd
)

const (
	maxHead = 64 << 10 // bytes of a header, of the line before a chunk, or of the body of a refusal
	// refusalWait is how long the body of a refusal may take.
	refusalWait = time.Second
)

// take parses the next bytes. It calls opened once, when the header of a stream is complete, and body with bytes of its
// body. It returns io.EOF at the end of the response, and another error if the response is invalid. The caller passes
// the error of take, and errors of the connection, to cause.
func (a *response) take(b []byte, opened func(), body func([]byte)) error {
	for len(b) > 0 {
		var err error
		switch a.state {
		case inHead:
			if b, err = a.takeHead(b); err == nil && a.state != inHead {
				err = a.begin(opened)
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

// begin starts the body.
func (a *response) begin(opened func()) error {
	if a.refusal == nil {
		opened()
	}
	if a.state == inBody && a.left == 0 {
		return io.EOF
	}
	return nil
}

// cause returns why the response ended, given the error that ended it.
func (a *response) cause(err error) error {
	if a.refusal != nil {
		return a.refusal
	}
	return err
}

func (a *response) takeHead(b []byte) ([]byte, error) {
	before := len(a.head)
	a.head = append(a.head, b...)
	i := bytes.Index(a.head[max(before-3, 0):], []byte("\r\n\r\n"))
	if i < 0 {
		if len(a.head) > maxHead {
			return nil, fmt.Errorf("the response header is longer than %d bytes", maxHead)
		}
		return nil, nil
	}
	end := max(before-3, 0) + i + 4
	err := a.readHead(a.head)
	a.head = nil
	return b[end-before:], err
}

// readHead learns whether the response is a stream, and how its body is delimited. head may also have the beginning of the body.
func (a *response) readHead(head []byte) error {
	resp, err := http.ReadResponse(bufio.NewReaderSize(bytes.NewReader(head), len(head)), nil)
	if err != nil {
		return fmt.Errorf("the hub's response is not HTTP: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // head stays unchanged
	a.refusal = refused(resp)
	a.state, a.left = inBody, resp.ContentLength
	if len(resp.TransferEncoding) > 0 {
		a.state = inChunkSize
	}
	return nil
}

// takeBody passes bytes of the body or the chunk to body, and returns the rest.
func (a *response) takeBody(b []byte, body func([]byte)) ([]byte, error) {
	if a.refusal != nil {
		body = a.refusal.explain
	}
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

// takeLine parses the line before or after a chunk, and returns the rest (RFC 9112, section 7.1).
func (a *response) takeLine(b []byte) ([]byte, error) {
	before, after, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		if a.line = append(a.line, b...); len(a.line) > maxHead {
			return nil, fmt.Errorf("the line before a chunk is longer than %d bytes", maxHead)
		}
		return nil, nil
	}
	a.line = append(a.line, before...)
	size, _, _ := bytes.Cut(bytes.TrimSuffix(a.line, []byte("\r")), []byte(";"))
	a.line = a.line[:0]
	if a.state == inChunkEnd {
		if len(size) > 0 {
			return nil, errors.New("a chunk is longer than its size")
		}
		a.state = inChunkSize
		return after, nil
	}
	digits := bytes.ToLower(bytes.TrimSpace(size))
	n, ok := readHex(digits)
	switch {
	case !ok || len(digits) == 0 || len(digits) > 15:
		return nil, fmt.Errorf("%.20q is not the size of a chunk", digits)
	case n == 0:
		return nil, io.EOF
	}
	a.state, a.left = inChunk, int64(n)
	return after, nil
}

// Refusal is a response that is not an event stream, or that refuses to publish. Another attempt would fail as well.
type Refusal struct {
	*http.Response        // its body is closed
	Text           []byte // the beginning of the body
	Stream         bool   // the request was to subscribe
}

func (r *Refusal) Error() string {
	what := "publishing: the hub answered "
	if r.Stream {
		what = "the hub answered "
	}
	if kind := r.Header.Get("Content-Type"); r.Stream && r.StatusCode == http.StatusOK {
		return fmt.Sprintf("%swith content type %.60q instead of text/event-stream", what, kind)
	}
	return what + r.Status
}

// explain adds bytes of the body to the text, up to maxHead.
func (r *Refusal) explain(b []byte) {
	r.Text = append(r.Text, b[:min(len(b), maxHead-len(r.Text))]...)
}

// refused returns the refusal that resp is, without its text, or nil if resp is an event stream.
func refused(resp *http.Response) *Refusal {
	if resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return nil
	}
	return &Refusal{Response: resp, Stream: true}
}

// checkStream returns a *Refusal if resp is not an event stream.
func checkStream(resp *http.Response) error {
	r := refused(resp)
	if r == nil {
		return nil
	}
	late := time.AfterFunc(refusalWait, func() { _ = resp.Body.Close() }) // a part of the text explains enough
	defer late.Stop()
	r.Text, _ = io.ReadAll(io.LimitReader(resp.Body, maxHead))
	return r
}
