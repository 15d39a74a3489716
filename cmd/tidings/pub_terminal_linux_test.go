package main

import (
	"regexp"
	"strings"
	"testing"
)

// TestPubPromptsForInputOnATerminal: on a terminal it waited for lines without a prompt.
func TestPubPromptsForInputOnATerminal(t *testing.T) {
	s := startServe(t, nil)
	person, terminal := openTerminal(t)
	defer terminal.Close()
	out, complaint, ended := newAwaited(), newAwaited(), make(chan int)
	p := program{stdio: stdio{in: terminal, out: out, err: complaint}}
	go func() { ended <- p.run(t.Context(), []string{"pub", "news", "--hub", s.url}) }()
	complaint.await(t, regexp.QuoteMeta("tidings pub: to topic news at "+s.url+": type lines, each of them an event; Ctrl-D ends\n"))
	if _, err := person.WriteString("hello\nworld\n\x04"); err != nil {
		t.Fatal(err)
	}
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
	if text, _ := out.now(); !strings.HasPrefix(text, "2 events stored: ") {
		t.Errorf("it says %q", text)
	}
}
