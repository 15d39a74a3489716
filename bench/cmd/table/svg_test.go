package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestPictureHasABarForEachRow(t *testing.T) {
	var r results
	output := `BenchmarkX/column=one/by=a<b-2 1 10 ns/op 2000000 things/s
BenchmarkX/column=one/by=tidings-2 1 10 ns/op 4000000 things/s
BenchmarkX/column=two/by=other-2 1 10 ns/op 9000000 things/s
`
	if err := r.add(strings.NewReader(output)); err != nil {
		t.Fatal(err)
	}
	svg := r.svg(plot{"x.svg", "Things & more", "BenchmarkX", "one", "things/s"})
	for _, want := range []string{
		"Things &amp; more", "a&lt;b</text>", ">2,000,000<", ">4,000,000<",
		`class="bar" x="130" y="40" width="250.0"`, `class="bar ours" x="130" y="70" width="500.0"`,
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("there is no %s in\n%s", want, svg)
		}
	}
	if strings.Contains(svg, "other") {
		t.Errorf("a row of another column is in\n%s", svg)
	}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
