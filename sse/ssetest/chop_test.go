package ssetest_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/sse/ssetest"
)

// reads returns the bytes of each Read of r, and the final error.
func reads(r io.Reader, size int) (chunks []string, err error) {
	b := make([]byte, size)
	for {
		n, err := r.Read(b)
		if n > 0 || err == nil {
			chunks = append(chunks, string(b[:n]))
		}
		if err != nil {
			return chunks, err
		}
	}
}

func TestChopSplitsAReader(t *testing.T) {
	text := func() io.Reader { return strings.NewReader("abcdef") }
	for _, c := range []struct {
		name string
		r    io.Reader
		size int // of the buffer
		want []string
	}{
		{"in two", ssetest.Chop(text(), 2), 10, []string{"ab", "cdef"}},
		{"in given chunks, then the rest", ssetest.Chop(text(), 1, 3), 10, []string{"a", "bcd", "ef"}},
		{"with an empty read", ssetest.Chop(text(), 0, 1, 0), 10, []string{"", "a", "", "bcdef"}},
		{"not at all", ssetest.Chop(text()), 10, []string{"abcdef"}},
		{"beyond the end", ssetest.Chop(text(), 4, 100), 10, []string{"abcd", "ef"}},
		{"by small reads, which do not move the split", ssetest.Chop(text(), 3), 2, []string{"ab", "c", "de", "f"}},
		{"of a reader that is already chopped", ssetest.Chop(ssetest.ChopEvery(text(), 2), 3), 10, []string{"ab", "c", "d", "ef"}},
		{"byte by byte", ssetest.ChopEvery(text(), 1), 10, []string{"a", "b", "c", "d", "e", "f"}},
		{"in fours", ssetest.ChopEvery(text(), 4), 10, []string{"abcd", "ef"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := reads(c.r, c.size); !slices.Equal(got, c.want) || !errors.Is(err, io.EOF) {
				t.Errorf("got %q and %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestChopRandomlyIsRepeatable(t *testing.T) {
	text := strings.Repeat("0123456789", 100)
	seen := map[int]bool{}
	for seed := range uint64(10) {
		first, _ := reads(ssetest.ChopRandomly(strings.NewReader(text), seed, 7), 100)
		second, _ := reads(ssetest.ChopRandomly(strings.NewReader(text), seed, 7), 100)
		if !slices.Equal(first, second) {
			t.Errorf("seed %d gives different chunks", seed)
		}
		if strings.Join(first, "") != text {
			t.Errorf("seed %d loses or changes bytes", seed)
		}
		for _, chunk := range first {
			seen[len(chunk)] = true
		}
	}
	for size := range 8 {
		if !seen[size] {
			t.Errorf("no chunk has %d bytes", size)
		}
	}
	if len(seen) != 8 {
		t.Errorf("the sizes are %v, want 0 to 7", seen)
	}
}

func TestThenFailReplacesEOF(t *testing.T) {
	failure := errors.New("connection broken")
	got, err := reads(ssetest.ThenFail(ssetest.ChopEvery(strings.NewReader("abc"), 2), failure), 10)
	if want := []string{"ab", "c"}; !slices.Equal(got, want) || !errors.Is(err, failure) {
		t.Errorf("got %q and %v, want %q and %v", got, err, want, failure)
	}
}

func TestChunksOfNoBytesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"ChopEvery":    func() { ssetest.ChopEvery(nil, 0) },
		"ChopRandomly": func() { ssetest.ChopRandomly(nil, 1, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			f()
		}()
	}
}
