// Package bench compares package sse with other Go libraries and with yardsticks. It is a separate module, so that these libraries are not
// dependencies of the product.
//
// Every benchmark answers one question, and all contestants run in the same run:
//
//	BenchmarkDecode     how fast is each decoder on typical streams?
//	BenchmarkLongLines  does the time per byte stay the same as lines grow?
//	BenchmarkManyLines  does the time per byte stay the same as events get more lines?
//	BenchmarkEncode     what does it cost to encode one event?
//
// The numbers are comparable only if all contestants do the same work. The tests check that all decoders find the same events in each stream,
// and that the output of each encoder decodes to the original event.
//
// In this folder, go run ./cmd/table measures on a quiet machine and writes the tables of docs/performance.md.
package bench
