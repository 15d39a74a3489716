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

// printer prints events. It writes each event with one Write, before the next event is read.
type printer interface {
	event(e message, at time.Time) error
	comment(text []byte, at time.Time) error
}

// newPrinter returns the printer for a format other than auto. On a terminal, every format makes control characters visible. In a file or a
// pipe the bytes stay unchanged.
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

// rawPrinter writes events as Server-Sent Events for other programs. The output is one valid stream, also across reconnections.
type rawPrinter struct {
	w      io.Writer
	note   func(string)
	buf    []byte
	lastID string
	noted  bool
}

func (p *rawPrinter) event(m message, _ time.Time) error {
	e := m.Event
	// An ID applies until the next ID, so only changes are written, including the change to no ID.
	if e.ID == p.lastID {
		e.ID = ""
	} else {
		p.lastID = e.ID
		e.ResetID = e.ID == ""
	}
	e.Type = strings.ReplaceAll(e.Type, "\x00", "\uFFFD") // a client accepts it, but a server must not send it
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

// noteOnce reports that an ID is left out, because a Last-Event-ID field cannot carry it.
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

// dataPrinter writes the data of each event and a line end. It leaves out control events, but reports gaps on standard error.
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

// comment is never called, because subCmd.validate refuses --comments with this format.
func (p *dataPrinter) comment([]byte, time.Time) error { return nil }

var _, _, _ printer = (*rawPrinter)(nil), (*ndjsonPrinter)(nil), (*dataPrinter)(nil)
