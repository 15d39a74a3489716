package main

import (
	"fmt"
	"html"
	"strings"
)

// plot is a picture of one column of a table: a bar for each row.
type plot struct{ file, title, benchmark, column, unit string }

// The measures of a picture, in pixels: as wide as the text of a page, with room for a name before a bar and a figure behind it.
const (
	plotWidth = 720
	plotLeft  = 130
	plotRight = 90
	plotTop   = 40
	barPitch  = 30
	barHeight = 18
)

// plotStyle suits light pages and dark ones. In a page that shows the picture as an image, the reader's setting decides.
const plotStyle = `text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.figure { font-variant-numeric: tabular-nums }
.bar { fill: #afb8c1 }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .bar { fill: #57606a }
  .ours { fill: #4493f8 }
}`

// svg returns the picture.
func (r *results) svg(p plot) string {
	var rows []*cell
	most := 0.0
	for _, c := range r.cells {
		if c.name == p.benchmark && c.column == p.column && len(c.values[p.unit]) > 0 {
			rows = append(rows, c)
			most = max(most, c.median(p.unit))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">\n", plotWidth, plotTop+barPitch*len(rows)+8)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n<text class=\"title\" x=\"8\" y=\"22\">%[1]s</text>\n", html.EscapeString(p.title), plotStyle)
	for i, c := range rows {
		y := plotTop + barPitch*i
		value := c.median(p.unit)
		length := 0.0
		if most > 0 {
			length = max(0, value/most) * (plotWidth - plotLeft - plotRight)
		}
		class := "bar"
		if strings.HasPrefix(c.row, "tidings") {
			class = "bar ours"
		}
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", plotLeft-10, y+14, html.EscapeString(c.row))
		fmt.Fprintf(&b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"3\"/>\n", class, plotLeft, y, length, barHeight)
		fmt.Fprintf(&b, "<text class=\"figure\" x=\"%.1f\" y=\"%d\">%s</text>\n", plotLeft+length+8, y+14, grouped(value))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// grouped returns x as in a table, with commas where it is long.
func grouped(x float64) string {
	s := short(x)
	if strings.Contains(s, ".") {
		return s
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
