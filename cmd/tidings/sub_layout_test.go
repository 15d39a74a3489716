package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// laidOut returns the indented lines of a text.
func laidOut(pieces []piece, width int) []string {
	var lines []string
	for i, line := range fill(pieces, width) {
		var b strings.Builder
		if i > 0 {
			b.WriteString(strings.Repeat(" ", line[0].depth))
		}
		for _, p := range line {
			b.WriteString(p.text)
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

func TestJSONBreaksAfterCommas(t *testing.T) {
	const data = `{"id":"chatcmpl-7","created":1694268190,"choices":[{"index":0,"delta":{"content":"Hi, \"you\"","n":[]}}],"ok":true,"x":{}}`
	for _, c := range []struct {
		width int
		want  []string
	}{
		{0, []string{`{"id": "chatcmpl-7", "created": 1694268190, "choices": [{"index": 0, "delta": {"content": "Hi, \"you\"", "n": []}}], "ok": true, "x": {}}`}},
		{50, []string{
			`{"id": "chatcmpl-7", "created": 1694268190,`,
			` "choices": [{"index": 0,`,
			`   "delta": {"content": "Hi, \"you\"",`,
			`    "n": []}}], "ok": true, "x": {}}`,
		}},
	} {
		pieces, ok := jsonPieces(data)
		if !ok {
			t.Fatal("this is JSON")
		}
		if diff := cmp.Diff(c.want, laidOut(pieces, c.width)); diff != "" {
			t.Errorf("width %d (-want +got):\n%s", c.width, diff)
		}
	}
}

func TestOtherTextIsNotSplitAsJSON(t *testing.T) {
	for _, data := range []string{"", "17", `"text"`, "true", "{", "[1,]", `{"a":1} `, "hello {}", "{}{}"} {
		if _, ok := jsonPieces(data); ok != (data == `{"a":1} `) { // space around it is allowed
			t.Errorf("jsonPieces(%q) says %v", data, ok)
		}
	}
}

func TestTextBreaksBeforeWords(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 0, []string{"one two three"}},
		{"one two three", 8, []string{"one two", "three"}},
		{"a https://example.com/a/long/address b", 10, []string{"a", "https://example.com/a/long/address", "b"}},
		{"  indented text", 12, []string{"  indented", "text"}},
		{"two  spaces", 20, []string{"two  spaces"}},
		{"世界 世界", 6, []string{"世界", "世界"}},
		{" ", 5, []string{""}},
	} {
		if diff := cmp.Diff(c.want, laidOut(words(c.text), c.width)); diff != "" {
			t.Errorf("%q in %d columns (-want +got):\n%s", c.text, c.width, diff)
		}
	}
}

func FuzzLayoutLosesNothing(f *testing.F) {
	f.Add(`{"a":[1,2,{"b":"c,d:\\\"e"}],"f":{}}`, 10)
	f.Add("some words  to break", 4)
	f.Fuzz(func(t *testing.T, text string, width int) {
		width = min(max(width, 0), 200)
		var joined strings.Builder
		for _, line := range fill(words(text), width) {
			for _, p := range line {
				joined.WriteString(p.text)
			}
		}
		if joined.String() != text {
			t.Errorf("words of %q join to %q", text, joined.String())
		}
		pieces, ok := jsonPieces(text)
		if !ok {
			return
		}
		var want, got bytes.Buffer
		if err := json.Compact(&want, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := json.Compact(&got, []byte(strings.Join(laidOut(pieces, width), "\n"))); err != nil {
			t.Fatalf("%q is laid out as no JSON: %v", text, err)
		}
		if want.String() != got.String() {
			t.Errorf("%q became %q", want.String(), got.String())
		}
	})
}
