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

// TestExamples runs the examples that are tests.
func TestExamples(t *testing.T) {
	t.Run("resume", resume)
	t.Run("silence", silence)
	t.Run("stuck", stuck)
}

// A parser must not care how the network cuts a stream.
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

// A stream that is broken off is not one that ended.
func ExampleThenFail() {
	stream := ssetest.ThenFail(strings.NewReader("data: a\n\n"), io.ErrUnexpectedEOF)
	for event, err := range sse.Read(stream, nil) {
		fmt.Printf("%q %v\n", event.Data, errors.Is(err, io.ErrUnexpectedEOF))
	}
	// Output:
	// "a" false
	// "" true
}

// The cases are data: each says what it holds.
func ExampleParserCases() {
	for _, c := range ssetest.ParserCases() {
		if c.Name == "tab-stays" {
			fmt.Println(c.Section, c.Says)
			fmt.Printf("%q\n", c.Stream)
		}
	}
	// Output:
	// 9.2.6 A tab behind the colon is not taken off.
	// "data:\t1\n\ndata: \t2\n\ndata:\t 3\n\n"
}
