package bench

import (
	"bytes"
	"testing"

	"github.com/tidings-sse/tidings/sse"
)

func TestEveryEncoderWritesTheSameEvent(t *testing.T) {
	for _, s := range Samples() {
		for _, e := range Encoders {
			wire, err := e.prepare(s.Event)()
			if err != nil {
				t.Fatalf("%s: %s: %v", e.Name, s.Name, err)
			}
			d := sse.NewDecoder(bytes.NewReader(wire), nil)
			if !d.Next() || d.Event() != s.Event.Normal() || d.Next() || d.Err() != nil {
				t.Errorf("%s: %s is %q on the wire, which is not that event", e.Name, s.Name, wire)
			}
		}
	}
}

// BenchmarkEncode asks what it costs to encode one event.
func BenchmarkEncode(b *testing.B) {
	for _, s := range Samples() {
		for _, e := range Encoders {
			b.Run("event="+s.Name+"/by="+e.Name, func(b *testing.B) {
				encode := e.prepare(s.Event)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := encode(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
