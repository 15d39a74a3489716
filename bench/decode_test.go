package bench

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
)

// Sizes of the streams. Measured streams are long, so that the start of a decoder has no weight, and the stream does not fit into the cache of
// one core, like data from a network.
const (
	testSize  = 128 << 10
	benchSize = 8 << 20
)

func TestEveryDecoderFindsTheSameEvents(t *testing.T) {
	for _, s := range slices.Concat(Streams(testSize), longLines(testSize), manyLines(testSize)) {
		for _, d := range Decoders {
			if err := d.Decode(s); err != nil {
				t.Error(err)
			}
		}
	}
}

// BenchmarkDecode asks how fast each decoder is on typical streams, and what it allocates per event.
func BenchmarkDecode(b *testing.B) { benchmarkDecode(b, Streams(benchSize)) }

// BenchmarkLongLines asks whether the time per byte stays the same as lines grow.
func BenchmarkLongLines(b *testing.B) { benchmarkDecode(b, longLines(benchSize)) }

// BenchmarkManyLines asks whether the time per byte stays the same as events get more lines.
func BenchmarkManyLines(b *testing.B) { benchmarkDecode(b, manyLines(benchSize)) }

func longLines(size int) (streams []Stream) {
	for _, length := range []int{1 << 10, 32 << 10, 1 << 20} {
		streams = append(streams, linesStream(size, fmt.Sprintf("%dKiB", length>>10), length, 1))
	}
	return streams
}

func manyLines(size int) (streams []Stream) {
	for _, lines := range []int{10, 100, 1000, 10000} {
		streams = append(streams, linesStream(size, fmt.Sprint(lines), 64, lines))
	}
	return streams
}

func benchmarkDecode(b *testing.B, streams []Stream) {
	for _, s := range streams {
		for _, d := range Decoders {
			b.Run("stream="+s.Name+"/by="+d.Name, func(b *testing.B) {
				b.SetBytes(int64(len(s.Wire)))
				b.ReportAllocs()
				before := mallocs()
				for b.Loop() {
					if err := d.Decode(s); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(mallocs()-before)/float64(b.N*s.Events), "allocs/event")
			})
		}
	}
}

// mallocs returns the number of allocations so far.
func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
