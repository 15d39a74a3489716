package history

import (
	"bytes"
	"strings"
	"testing"
)

func TestPositionIsReadAsWritten(t *testing.T) {
	for _, p := range []Position{{"", "k3f9a", 7}, {"news/1", "OlYWKVJN", 26}, {"a@b-c", "x-y", 0}} {
		var read Position
		if err := read.UnmarshalText([]byte(p.String())); err != nil || read != p {
			t.Errorf("%v is read as %v, %v", p, read, err)
		}
	}
	for _, text := range []string{"", "7", "k3f9a", "k3f9a-", "k3f9a-x"} {
		if err := new(Position).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a position", text)
		}
	}
}

func TestHistoryIsReadAsWritten(t *testing.T) {
	var out bytes.Buffer
	l := NewLog(&out)
	l.Add(Entry{Kind: Connect, At: 5, Who: "s", Select: &Selection{Exact: []string{"a"}}, After: []Position{{"", "k3f9a", 7}}})
	l.Add(Entry{Kind: Event, Who: "s", ID: &Position{"", "k3f9a", 8}, Name: "p1.1"})
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line, err := range All(&out) {
		if err != nil || line.At == 0 || line.N != len(kinds)+1 {
			t.Errorf("%+v, %v", line, err)
		}
		kinds = append(kinds, string(line.Kind))
	}
	if got := strings.Join(kinds, " "); got != "connect event" {
		t.Errorf("the lines are %q", got)
	}
	for line, err := range All(strings.NewReader("{\"kind\":\"event\"}\n{\"kind\":")) {
		if bad := line.N == 2; bad != (err != nil) {
			t.Errorf("line %d: %v", line.N, err)
		}
	}
}
