package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// table returns the medians of a benchmark in a unit as a Markdown table, behind each in brackets its
// ratio to the row yardstick, if one is named.
func (r *results) table(name, unit, yardstick string) string {
	var columns, rows []string
	for _, c := range r.cells {
		if c.name != name {
			continue
		}
		if !slices.Contains(columns, c.column) {
			columns = append(columns, c.column)
		}
		if !slices.Contains(rows, c.row) {
			rows = append(rows, c.row)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | %s |\n|---|%s\n", unit, strings.Join(columns, " | "), strings.Repeat("---:|", len(columns)))
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s |", row)
		for _, column := range columns {
			c := r.cell(name, column, row)
			if len(c.values[unit]) == 0 {
				b.WriteString(" – |")
				continue
			}
			value := c.median(unit)
			fmt.Fprintf(&b, " %s", short(value))
			if yardstick != "" {
				if base := r.cell(name, column, yardstick).median(unit); base > 0 {
					fmt.Fprintf(&b, " (%s)", short(value/base))
				}
			}
			b.WriteString(" |")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// short returns x with as many digits as a reader compares.
func short(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 0.1 || x == 0:
		return fmt.Sprintf("%.2f", x)
	default:
		return fmt.Sprintf("%.3f", x)
	}
}

// replaceSection replaces the text between the comments <!-- name --> and <!-- /name -->.
func replaceSection(page []byte, name, section string) ([]byte, error) {
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	before, rest, ok1 := bytes.Cut(page, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("no lines %q and %q around a section", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return slices.Concat(before, []byte(begin), []byte(strings.TrimSpace(section)), []byte("\n"), []byte(end), after), nil
}
