package main

import (
	"io"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// pretty prints events for people, on one line each if they fit:
//
//	12:03:04.123  clock    k3f9a-17  the data of the event
//
// The columns are time, topic (for topics of a hub), type, ID and data. The time is when the hub stored the event, with the date if that was
// another day. For events without a time it is the time of arrival. Columns grow with wider values up to a limit, and never shrink, so that
// lines align. Control characters are made visible, see visible.
type pretty struct {
	w     io.Writer
	style style
	width func() int // returns the columns of the terminal; 0 means no limit
	buf   []byte

	colours            map[string]string // by type, in order of appearance
	timeWidth          int
	topicWidth         int // 0 until an event has a topic
	typeWidth, idWidth int
	lastID             string
}

const (
	clockLayout = "15:04:05.000"
	maxTopicCol = 32
	maxTypeCol  = 16
	maxIDCol    = 16
	minDataCol  = 30 // with fewer columns beside the others, data goes on a line below
)

func newPretty(w io.Writer, s style, width func() int) *pretty {
	return &pretty{w: w, style: s, width: width, colours: make(map[string]string), timeWidth: len(clockLayout), typeWidth: len(sse.DefaultType)}
}

func (p *pretty) event(e message, at time.Time) error {
	p.buf = p.buf[:0]
	id := e.ID
	if id == p.lastID {
		id = "" // unchanged, so it is not shown again
	}
	p.lastID = e.ID
	long := uniseg.StringWidth(visible(id)) > maxIDCol
	stamp := stampOf(e.time, at)
	p.timeWidth = max(p.timeWidth, len(stamp))
	p.pad(p.timeWidth - len(stamp))
	p.add(dim, stamp)
	p.column("", visible(e.topic), &p.topicWidth, maxTopicCol)
	p.typeColumn(e.Type)
	if long {
		p.column(dim, "", &p.idWidth, maxIDCol)
	} else {
		p.column(dim, visible(id), &p.idWidth, maxIDCol)
	}
	indent, width := p.beginData()
	if long {
		const label = "id "
		p.add(dim, label)
		p.line(dim, id, indent+len(label), max(width-len(label), 0))
		p.newLine(indent)
	}
	if text := sentence(e.Event); text != "" {
		p.line(p.colour(e.Type), text, indent, width)
	} else {
		p.data(e.Data, indent, width)
	}
	return p.flush()
}

// stampOf formats the time of an event: its own time, or the time of arrival if own is zero.
func stampOf(own, at time.Time) string {
	if own.IsZero() {
		return at.Format(clockLayout)
	}
	own = own.In(at.Location())
	if own.Format(time.DateOnly) == at.Format(time.DateOnly) {
		return own.Format(clockLayout)
	}
	return own.Format(time.DateTime)
}

func (p *pretty) comment(text []byte, at time.Time) error {
	p.buf = p.buf[:0]
	p.add(dim, at.Format(clockLayout)+"  : "+visible(string(text)))
	return p.flush()
}

// column appends a gap and a value, padded to the widest value so far. A column without values so far takes no space. A value wider than the
// limit moves the rest of its own line to the right.
func (p *pretty) column(colour, value string, width *int, limit int) {
	n := uniseg.StringWidth(value)
	*width = max(*width, min(n, limit))
	if *width == 0 {
		return
	}
	p.add("", "  ")
	p.add(colour, value)
	p.pad(*width - n)
}

func (p *pretty) typeColumn(typ string) {
	limit := maxTypeCol
	if wire.IsControl(typ) {
		limit = 0 // these names are long and rare, and must not widen the column
	}
	p.column(p.colour(typ), visible(typ), &p.typeWidth, limit)
}

// beginData moves to the start of the data: after the other columns if there is enough space, or on a new line. It returns the column, and
// the number of columns from there on, 0 for no limit.
func (p *pretty) beginData() (indent, width int) {
	indent = p.timeWidth + 2 + p.typeWidth + 2
	if p.topicWidth > 0 {
		indent += p.topicWidth + 2
	}
	if p.idWidth > 0 {
		indent += p.idWidth + 2
	}
	width = p.width()
	if width > 0 && width-indent < minDataCol {
		indent = 4
		p.newLine(indent)
	} else {
		p.add("", "  ")
	}
	return indent, max(width-indent, 0)
}

func (p *pretty) data(data string, indent, width int) {
	if data == "" {
		p.add(dim, "(no data)")
		return
	}
	if pieces, ok := jsonPieces(data); ok {
		p.pieces("", pieces, indent, width)
		return
	}
	next := false
	for line := range strings.SplitSeq(data, "\n") {
		if next {
			p.newLine(indent)
		}
		next = true
		p.line("", line, indent, width)
	}
}

// line appends a line of text, or of JSON.
func (p *pretty) line(colour, text string, indent, width int) {
	pieces, ok := jsonPieces(text)
	if !ok {
		pieces = words(text)
	}
	p.pieces(colour, pieces, indent, width)
}

// pieces appends pieces on the current line and as many more lines as they need.
func (p *pretty) pieces(colour string, pieces []piece, indent, width int) {
	for i := range pieces {
		pieces[i].text = visible(pieces[i].text)
	}
	for i, line := range fill(pieces, width) {
		if i > 0 {
			p.newLine(indent)
			p.pad(line[0].depth)
		}
		for _, piece := range line {
			if piece.key {
				p.add(dim, piece.text)
			} else {
				p.add(colour, piece.text)
			}
		}
	}
}

// colour returns the colour of a type: red for errors and gaps, dim for other control events, none for messages, and the next unused colour
// for each other type.
func (p *pretty) colour(typ string) string {
	switch {
	case typ == sse.DefaultType:
		return ""
	case typ == "error" || typ == wire.TypeGap:
		return red
	case wire.IsControl(typ):
		return dim
	}
	c, ok := p.colours[typ]
	if !ok {
		c = palette[len(p.colours)%len(palette)]
		if len(p.colours) < 1000 { // bounds memory if a stream has ever more types
			p.colours[typ] = c
		}
	}
	return c
}

func (p *pretty) add(colour, text string) { p.buf = append(p.buf, p.style.paint(colour, text)...) }

func (p *pretty) pad(n int) {
	for range n {
		p.buf = append(p.buf, ' ')
	}
}

func (p *pretty) newLine(indent int) {
	p.trim()
	p.buf = append(p.buf, '\n')
	p.pad(indent)
}

// trim removes padding from the end of the current line.
func (p *pretty) trim() {
	for len(p.buf) > 0 && p.buf[len(p.buf)-1] == ' ' {
		p.buf = p.buf[:len(p.buf)-1]
	}
}

// flush writes the event with one Write.
func (p *pretty) flush() error {
	p.trim()
	p.buf = append(p.buf, '\n')
	_, err := p.w.Write(p.buf)
	return err
}

var _ printer = (*pretty)(nil)
