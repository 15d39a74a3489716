package blocks

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// reader decodes a stream with the standard library, which shares no code with the library that compresses.
type reader struct {
	in   bytes.Buffer
	gzip *gzip.Reader
}

// take adds bytes of the stream. It returns what can be decoded at once, up to n bytes.
func (r *reader) take(t *testing.T, b []byte, n int) string {
	t.Helper()
	r.in.Write(b)
	if r.gzip == nil {
		var err error
		if r.gzip, err = gzip.NewReader(&r.in); err != nil {
			t.Fatal(err)
		}
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r.gzip, text); err != nil {
		t.Fatalf("%v", err)
	}
	return string(text)
}

// text returns text that repeats itself.
func text(r *rand.Rand, n int) []byte {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"symbol":"%c","price":%d}`, 'A'+r.IntN(3), r.IntN(1000))
	}
	return []byte(b.String()[:n])
}

// TestPartsCanBeReadAsSoonAsTheyArrive: streams of stored parts, of parts alone, and of parts with a window that begins anew at any time, are
// read by another decoder. Each part can be read before the next one arrives.
func TestPartsCanBeReadAsSoonAsTheyArrive(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := NewCompressor()
		var window []byte // of the stream
		var in reader
		next := []byte(Header)
		began := false // the compressor has the window
		for range 40 {
			n := 1 + r.IntN(300)
			if r.IntN(20) == 0 {
				n = 1 + r.IntN(200_000)
			}
			part := text(r, n)
			switch r.IntN(6) {
			case 0:
				next, began = AppendStored(next, part), false
			case 1:
				next, began = AppendAlone(next, part), false
			case 2:
				c.Begin(nil)
				next, began = c.Append(next, part), true
			default:
				if !began {
					c.Begin(window[max(0, len(window)-r.IntN(40<<10)):])
				}
				next, began = c.Append(next, part), true
			}
			window = append(window, part...)
			if got := in.take(t, next, n); got != string(part) {
				t.Fatalf("seed %d: got %.80q, want %.80q", seed, got, part)
			}
			next = nil
		}
	}
}

// TestStoredBlocksGiveTheirContentsBack: also those longer than one block can be.
func TestStoredBlocksGiveTheirContentsBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 100, storedMost - 1, storedMost, storedMost + 1, 200_000} {
		want := text(r, n)
		stored := AppendStored(nil, want)
		if got := AppendContents([]byte("before "), stored); string(got) != "before "+string(want) {
			t.Errorf("%d bytes: the contents differ", n)
		}
		if most := n + storedHeader*(n/storedMost+2); len(stored) > most {
			t.Errorf("%d bytes take %d in stored blocks", n, len(stored))
		}
	}
}
