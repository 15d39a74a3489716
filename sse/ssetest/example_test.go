package ssetest_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// TestExamples runs the examples that are written as tests.
func TestExamples(t *testing.T) {
	t.Run("resume", resume)
	t.Run("silence", silence)
	t.Run("stuck", stuck)
}

// Checks that a parser reads the same events wherever the network splits the stream.
func ExampleChop() {
	for at := range 4 {
		stream := ssetest.Chop(strings.NewReader("data: a\r\n\r\n"), at*3)
		for event, err := range sse.Read(stream, nil) {
			fmt.Println(event.Data, err)
		}
	}
	// Output:
	// a <nil>
	// a <nil>
	// a <nil>
	// a <nil>
}

// Checks that a reader distinguishes a broken stream from one that ended.
func ExampleThenFail() {
	stream := ssetest.ThenFail(strings.NewReader("data: a\n\n"), io.ErrUnexpectedEOF)
	for event, err := range sse.Read(stream, nil) {
		fmt.Printf("%q %v\n", event.Data, errors.Is(err, io.ErrUnexpectedEOF))
	}
	// Output:
	// "a" false
	// "" true
}

// Prints a case. Each case names the section of the standard and says what it requires.
func ExampleParserCases() {
	for _, c := range ssetest.ParserCases() {
		if c.Name == "tab-stays" {
			fmt.Println(c.Section, c.Says)
			fmt.Printf("%q\n", c.Stream)
		}
	}
	// Output:
	// 9.2.6 A tab after the colon is not removed.
	// "data:\t1\n\ndata: \t2\n\ndata:\t 3\n\n"
}
