package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// A printer writes each event with one Write, so that it is out before the next is waited for.
type printer interface {
	event(e message, at time.Time) error
	comment(text []byte, at time.Time) error
}

// newPrinter returns the printer for a format other than auto. What goes to a terminal is made visible in
// every format; in a file or a pipe the bytes stay what they are.
func newPrinter(format string, out io.Writer, s style, note func(string)) printer {
	if format == "pretty" {
		return newPretty(out, s, widthOf(out))
	}
	if isTerminal(out) {
		out = visibleWriter{out}
	}
	switch format {
	case "ndjson":
		return &ndjsonPrinter{w: out}
	case "data":
		return &dataPrinter{w: out, note: note}
	}
	return &rawPrinter{w: out, note: note}
}

// rawPrinter writes a stream again as Server-Sent Events, for another program that reads them. It is one clean
// stream, whatever happened to the connections it came by.
type rawPrinter struct {
	w      io.Writer
	note   func(string)
	buf    []byte
	lastID string
	noted  bool
}

func (p *rawPrinter) event(m message, _ time.Time) error {
	e := m.Event
	// An ID holds until another comes. Only a change is sent, and going back to none is one.
	if e.ID == p.lastID {
		e.ID = ""
	} else {
		p.lastID = e.ID
		e.ResetID = e.ID == ""
	}
	e.Type = strings.ReplaceAll(e.Type, "\x00", "\uFFFD") // legal to receive, not to send
	b, err := e.AppendTo(p.buf[:0])
	if refused, ok := errors.AsType[*sse.FieldError](err); ok && refused.Field == "id" {
		p.noteOnce(refused)
		e.ID, e.ResetID = "", true
		b, err = e.AppendTo(p.buf[:0])
	}
	if err != nil {
		return err
	}
	return p.write(b)
}

// noteOnce says that an ID is left out: one that no header can carry would be of no use to the reader.
func (p *rawPrinter) noteOnce(err *sse.FieldError) {
	if !p.noted {
		p.noted = true
		p.note(fmt.Sprintf("left out the id %.64q and others like it: %s", err.Value, err.Reason))
	}
}

func (p *rawPrinter) comment(text []byte, _ time.Time) error {
	return p.write(sse.AppendComment(p.buf[:0], string(text)))
}

func (p *rawPrinter) write(b []byte) error {
	p.buf = b
	_, err := p.w.Write(b)
	return err
}

// ndjsonPrinter writes one JSON object per line.
type ndjsonPrinter struct {
	w   io.Writer
	buf bytes.Buffer
}

func (p *ndjsonPrinter) event(e message, at time.Time) error {
	if e.envelope != "" {
		_, err := io.WriteString(p.w, e.envelope+"\n")
		return err
	}
	return p.write(struct {
		ID   string    `json:"id"`
		Type string    `json:"type"`
		Data string    `json:"data"`
		Time time.Time `json:"time"`
	}{e.ID, e.Type, e.Data, at.UTC()})
}

func (p *ndjsonPrinter) comment(text []byte, at time.Time) error {
	return p.write(struct {
		Comment string    `json:"comment"`
		Time    time.Time `json:"time"`
	}{string(text), at.UTC()})
}

func (p *ndjsonPrinter) write(v any) error {
	p.buf.Reset()
	enc := json.NewEncoder(&p.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := p.w.Write(p.buf.Bytes())
	return err
}

// dataPrinter writes the data and nothing else, each line of it ended. What a hub says of the stream is no data: of a gap there is a note.
type dataPrinter struct {
	w    io.Writer
	note func(string)
}

func (p *dataPrinter) event(e message, _ time.Time) error {
	switch {
	case e.Type == wire.TypeGap:
		p.note(cmp.Or(sentence(e.Event), "events are missing: "+e.Data))
		return nil
	case wire.IsControl(e.Type):
		return nil
	}
	_, err := io.WriteString(p.w, e.Data+"\n")
	return err
}

// comment is never asked for with this format: see subCmd.validate.
func (p *dataPrinter) comment([]byte, time.Time) error { return nil }

var _, _, _ printer = (*rawPrinter)(nil), (*ndjsonPrinter)(nil), (*dataPrinter)(nil)
