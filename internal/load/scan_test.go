package load

import (
	"strings"
	"testing"
	"time"
)

// seen is the result of a scanner.
type seen struct {
	marks []mark
	other int
	id    string
}

func scanned(chunks ...string) (s seen) {
	sc := scanner{magic: magic(7)}
	for _, p := range chunks {
		sc.scan([]byte(p), func(m mark, marked bool) {
			if marked {
				s.marks = append(s.marks, m)
			} else {
				s.other++
			}
		})
	}
	s.id = string(sc.id)
	return s
}

func marked(m mark) string { return string(appendMark(nil, magic(7), m, 60)) }

var (
	first  = mark{3, 2, 1, time.Second}
	second = mark{1<<20 - 1, 1<<12 - 1, 1<<32 - 1, 1<<48 - 1}
)

func TestChunksOfAnySizeGiveTheSameEvents(t *testing.T) {
	text := ": hello\nretry: 10\n\nid: 1\ndata: " + marked(first) + "\n\nid:2\ndata:{\"text\":\"" + marked(second) + "\"}\ndata\n\n" +
		"event: tidings.checkpoint\nid: 3\ndata:\n\ndata: " + marked(first)[:20] + "\n\nid: 4\ndata: " + marked(first)
	for _, end := range []string{"\n", "\r\n", "\r"} {
		stream := strings.ReplaceAll(text, "\n", end)
		for i := range stream {
			got := scanned(stream[:i], stream[i:])
			if len(got.marks) != 2 || got.marks[0] != first || got.marks[1] != second || got.other != 2 || got.id != "3" {
				t.Fatalf("in chunks of %d and %d bytes, with %q: %+v", i, len(stream)-i, end, got)
			}
		}
		if got := scanned(strings.Split(stream, "")...); len(got.marks) != 2 || got.other != 2 || got.id != "3" {
			t.Fatalf("byte by byte, with %q: %+v", end, got)
		}
	}
}

func TestEventsOfAnotherRunAreNotCounted(t *testing.T) {
	if got := scanned("data: " + string(appendMark(nil, magic(8), first, 0)) + "\n\n"); len(got.marks) != 0 || got.other != 1 {
		t.Errorf("%+v", got)
	}
}

func TestEventsHaveTheConfiguredSize(t *testing.T) {
	for size, want := range map[int]int{0: markSize, markSize: markSize, 100: 100} {
		if got := appendMark([]byte("x"), magic(7), second, size); len(got) != want+1 {
			t.Errorf("asked for %d bytes: %q", size, got)
		}
	}
}

// BenchmarkScan answers how many events of 100 bytes a core can scan when 100 events arrive in each chunk.
func BenchmarkScan(b *testing.B) {
	chunk := []byte(strings.Repeat("id: k3f9a-10482\ndata: "+string(appendMark(nil, magic(7), first, 100))+"\n\n", 100))
	sc := scanner{magic: magic(7)}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		sc.scan(chunk, func(mark, bool) { n++ })
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}
