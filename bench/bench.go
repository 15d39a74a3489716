// Package bench measures package sse beside other Go libraries and beside yardsticks. It is a module of its own,
// so that none of them is a dependency of the product.
//
// Every benchmark asks one question, and all contestants answer it in the same run:
//
//	BenchmarkDecode     how fast does each decoder get through streams as they occur?
//	BenchmarkLongLines  does the time per byte stay the same as lines grow?
//	BenchmarkManyLines  does the time per byte stay the same as events get more lines?
//	BenchmarkEncode     what does it cost to put one event on the wire?
//
// Numbers mean something only if everybody did the same work: the tests check that each decoder finds the same
// events in each stream, and that what each encoder wrote is read back as the same event.
//
// From this folder, go run ./cmd/table measures on a quiet machine and writes the tables of docs/performance.md.
package bench
