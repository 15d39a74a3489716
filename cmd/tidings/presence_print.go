package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/internal/wire"
)

// presencePrinter prints what tidings presence learns. Each call writes whole lines.
type presencePrinter struct {
	out     io.Writer
	json    *json.Encoder // nil: the format is table
	numbers bool          // without members
	single  bool          // a topic, not a list of topics

	lines int  // members and topics so far
	begun bool // a page was printed

	known map[string]bool // subjects, of a topic that is followed
}

func (c *presenceCmd) printer(out io.Writer, single bool) *presencePrinter {
	p := &presencePrinter{out: out, numbers: c.Numbers, single: single, known: make(map[string]bool)}
	if c.Format == "ndjson" || c.Format == "auto" && !isTerminal(out) {
		if isTerminal(out) {
			out = visibleWriter{out}
		}
		p.json = json.NewEncoder(out)
		p.json.SetEscapeHTML(false)
	}
	return p
}

// page prints a page of a list.
func (p *presencePrinter) page(page *presencePage) error {
	first := !p.begun
	p.begun = true
	if p.single {
		p.lines += page.Subjects + page.Streams
	}
	p.lines += len(page.Topics)
	switch {
	case p.single && p.numbers && p.json != nil:
		return p.json.Encode(page.PresenceCount)
	case p.single && p.json != nil:
		return encodeAll(p.json, page.Members)
	case p.json != nil:
		return encodeAll(p.json, page.Topics)
	}
	if p.single && first {
		if _, err := fmt.Fprintf(p.out, "%s: %s\n", inLine.Replace(visible(page.Topic)), numbersText(page.Subjects, page.Streams)); err != nil {
			return err
		}
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	switch {
	case p.single && p.numbers:
	case p.single:
		for _, m := range page.Members {
			_, _ = fmt.Fprintln(w, memberText(m.Subject, m.Data, "\t")) // in memory
		}
	default:
		if p.lines == len(page.Topics) && p.lines > 0 { // the first ones
			_, _ = fmt.Fprintln(w, "SUBJECTS\tSTREAMS\tTOPIC")
		}
		for _, t := range page.Topics {
			_, _ = fmt.Fprintf(w, "%d\t%d\t%s\n", t.Subjects, t.Streams, visible(t.Topic))
		}
	}
	return w.Flush()
}

func encodeAll[T any](e *json.Encoder, all []T) error {
	for _, one := range all {
		if err := e.Encode(one); err != nil {
			return err
		}
	}
	return nil
}

func numbersText(subjects, streams int) string {
	return number(subjects, "subject") + ", " + number(streams, "stream")
}

// memberText is the text of a member. Tokens may have subjects with line ends.
func memberText(subject string, data []byte, between string) string {
	text := inLine.Replace(visible(subject))
	if len(data) > 0 {
		text += between + inLine.Replace(visible(string(data)))
	}
	return text
}

// presenceLine is a line of NDJSON about a topic that is followed.
type presenceLine struct {
	wire.PresenceCount
	In  []wire.Member `json:"in,omitzero"` // nil, as Out: there are too many members to name them
	Out []string      `json:"out,omitzero"`

	Settling bool `json:"settling,omitempty"`
}

// news prints a message about a topic that is followed.
func (p *presencePrinter) news(state *tidings.Presence) error {
	line := presenceLine{PresenceCount: wire.PresenceCount{Topic: state.Topic, Streams: state.Streams, Subjects: state.Subjects}, Settling: state.Settling}
	if named := state.Members != nil; named && !p.numbers {
		line.In, line.Out = make([]wire.Member, 0, len(state.In)), append([]string{}, state.Out...)
		for _, m := range state.In {
			line.In = append(line.In, wire.Member(m))
		}
	}
	if p.json != nil {
		return p.json.Encode(&line)
	}
	at := time.Now().Format(clockLayout)
	var text []byte
	add := func(sign, what string) { text = fmt.Appendf(text, "%s  %s %s\n", at, sign, what) }
	for _, m := range line.In {
		sign := "+"
		if p.known[m.Subject] {
			sign = "~"
		}
		p.known[m.Subject] = true
		add(sign, memberText(m.Subject, m.Data, "  "))
	}
	for _, subject := range line.Out {
		delete(p.known, subject)
		add("-", memberText(subject, nil, ""))
	}
	add("=", numbersText(state.Subjects, state.Streams))
	_, err := p.out.Write(text)
	return err
}
