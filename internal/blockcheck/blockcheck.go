// Package blockcheck checks that event streams also meet the needs of widely used clients that deviate from the standard. It is for tests.
//
// A block is the text between two blank lines. Some clients dispatch an empty message at every blank line without data before it. Some store
// an event's id when they read its line, and lose the event when the connection breaks before the blank line. [Checker] finds blocks that
// break them, and [Hasty] is a model of such a client.
package blockcheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Checker checks a stream that is written to it, in pieces of any size. Each block has data, and its id comes last. No comment
// stands inside a block. The data of control events, tidings.*, is a JSON object.
//
// The end of a stream may cut a block anywhere.
type Checker struct {
	err   error
	line  []byte   // the beginning of an incomplete line
	block []string // the lines of the block so far, without comments
	typ   string
	data  []string
	id    bool
}

// Write checks the next bytes of the stream. It accepts all of them; the error describes the first fault.
func (c *Checker) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0 && c.err == nil; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		c.line = append(c.line, line...)
		if whole {
			c.err = c.take(string(c.line))
			c.line = c.line[:0]
		}
		rest = after
	}
	return len(p), c.err
}

// Err returns the first fault.
func (c *Checker) Err() error { return c.err }

func (c *Checker) take(line string) error {
	if line == "" {
		defer c.clear()
		return c.endBlock()
	}
	if strings.HasPrefix(line, ":") {
		if c.typ != "" || c.data != nil || c.id {
			return fmt.Errorf("the comment %q stands inside the block %q", line, c.block)
		}
		return nil
	}
	if c.id {
		return fmt.Errorf("the line %q follows the id of the block %q", line, c.block)
	}
	c.block = append(c.block, line)
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "event":
		c.typ = value
	case "data":
		c.data = append(c.data, value)
	case "id":
		c.id = true
	case "retry":
	default:
		return fmt.Errorf("the block %q has a field %q", c.block, name)
	}
	return nil
}

func (c *Checker) endBlock() error {
	if c.data == nil {
		return fmt.Errorf("a blank line ends the block %q, which has no data", c.block)
	}
	if strings.HasPrefix(c.typ, "tidings.") {
		var object map[string]any
		if err := json.Unmarshal([]byte(strings.Join(c.data, "\n")), &object); err != nil {
			return fmt.Errorf("the data of the block %q is no JSON object: %w", c.block, err)
		}
	}
	return nil
}

func (c *Checker) clear() { c.block, c.typ, c.data, c.id = nil, "", nil, false }

// Body returns a body that reads b, and calls fault once, with the first fault.
func Body(b io.ReadCloser, fault func(error)) io.ReadCloser {
	return &body{ReadCloser: b, fault: fault}
}

type body struct {
	io.ReadCloser
	checker Checker
	fault   func(error)
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if _, wrong := b.checker.Write(p[:n]); wrong != nil && b.fault != nil {
		b.fault(wrong)
		b.fault = nil
	}
	return n, err
}

// Message is an event that a client dispatches.
type Message struct{ Type, Data, ID string }

// Hasty is a client that does two things too early. It dispatches a message at every blank line, even without data, as fetch-event-source
// and httpx-sse do. And it stores an id when it has read the id's line, as
// fetch-event-source does, so that an event whose blank line never comes counts as received.
type Hasty struct {
	LastEventID string
	Retry       string // the value of the last retry field
}

// Read reads one connection until it ends or breaks, and hands each message to dispatch.
func (h *Hasty) Read(r io.Reader, dispatch func(Message)) error {
	text, err := io.ReadAll(r)
	var m Message
	var data []string
	for {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if !whole { // incomplete lines are ignored
			return err
		}
		text = rest
		name, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			m.Type = value
		case "data":
			data = append(data, value)
		case "id":
			h.LastEventID = value
		case "retry":
			h.Retry = value
		}
		if len(line) == 0 {
			m.Data, m.ID = strings.Join(data, "\n"), h.LastEventID
			dispatch(m)
			m, data = Message{}, nil
		}
	}
}

// Check returns the first fault of a complete stream, which must not end inside a block.
func Check(stream []byte) error {
	var c Checker
	if _, err := c.Write(stream); err != nil {
		return err
	}
	if len(c.line) > 0 || c.typ != "" || c.data != nil || c.id {
		return errors.New("the stream ends inside a block")
	}
	return nil
}
