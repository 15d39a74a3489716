package sse

import (
	"iter"
	"reflect"
)

// Answers of language models end, or fail, in ways for which the standard delivers no event: a final event without data,
// or an error in a field of its own. JSON needs both; every other reader must get neither. A sequence is only a function
// and has no parameter for this. So Read and Client recognise JSON by the yield function that it passes to them.

// relaxed returns events as JSON reads them. A sequence of [Read], [ReadResponse] or a [Client] then also yields
//   - a block that has an event field but no data field, as an event without data;
//   - the field "error: x" as an event of type error whose data is x.
func relaxed(events iter.Seq2[Event, error]) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) { events(relaxedYield(yield).yield) }
}

type relaxedYield func(Event, error) bool

func (y relaxedYield) yield(e Event, err error) bool { return y(e, err) }

// isRelaxed reports whether yield is that of a relaxed sequence. All method values of one method have the same code
// pointer; function literals may not, because the compiler copies them when it inlines.
func isRelaxed(yield func(Event, error) bool) bool {
	return reflect.ValueOf(yield).Pointer() == relaxedCode
}

var relaxedCode = reflect.ValueOf(relaxedYield(nil).yield).Pointer()
