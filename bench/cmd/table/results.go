package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are the values of all rounds, in the order in which go test printed them at first.
type results struct {
	cpu   string
	cells []*cell
}

// cell is one benchmark: BenchmarkDecode/stream=mixed/by=tidings-views has the name BenchmarkDecode, the column
// mixed and the row tidings-views.
type cell struct {
	name, column, row string
	values            map[string][]float64 // by unit
}

var benchmarkName = regexp.MustCompile(`^(Benchmark\w+)/\w+=(.+)/by=(.+?)(?:-\d+)?$`)

// add reads the output of go test -bench (https://go.dev/design/14313-benchmark-format).
func (r *results) add(output io.Reader) error {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if cpu, ok := strings.CutPrefix(lines.Text(), "cpu: "); ok {
			r.cpu = strings.TrimSpace(cpu)
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := benchmarkName.FindStringSubmatch(fields[0])
		if name == nil {
			return fmt.Errorf("benchmark %s is not named like BenchmarkX/column=c/by=r", fields[0])
		}
		c := r.cell(name[1], name[2], name[3])
		for pair := range slices.Chunk(fields[2:], 2) {
			value, err := strconv.ParseFloat(pair[0], 64)
			if err != nil || len(pair) != 2 {
				return fmt.Errorf("cannot read %q", lines.Text())
			}
			c.values[pair[1]] = append(c.values[pair[1]], value)
		}
	}
	return lines.Err()
}

// cell returns the cell of that name, a new one if there is none.
func (r *results) cell(name, column, row string) *cell {
	for _, c := range r.cells {
		if c.name == name && c.column == column && c.row == row {
			return c
		}
	}
	c := &cell{name, column, row, make(map[string][]float64)}
	r.cells = append(r.cells, c)
	return c
}

// has reports whether a benchmark was run that measures in a unit.
func (r *results) has(name, unit string) bool {
	return slices.ContainsFunc(r.cells, func(c *cell) bool { return c.name == name && len(c.values[unit]) > 0 })
}

// median returns the median of a cell in a unit, 0 if it has no values in it.
func (c *cell) median(unit string) float64 {
	values := slices.Sorted(slices.Values(c.values[unit]))
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}
