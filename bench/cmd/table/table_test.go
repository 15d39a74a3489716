package main

import (
	"strings"
	"testing"
	"time"
)

const output = `goos: linux
cpu: A Processor
BenchmarkDecode/stream=mixed/by=plain-2   100   10 ns/op   200.00 MB/s   0 allocs/op
BenchmarkDecode/stream=mixed/by=ours-fast-2   100   10 ns/op   %s MB/s   0 allocs/op
PASS
`

func TestTableShowsMediansAndRatios(t *testing.T) {
	var r results
	for _, speed := range []string{"50.00", "900.0", "100.0"} {
		if err := r.add(strings.NewReader(strings.Replace(output, "%s", speed, 1))); err != nil {
			t.Fatal(err)
		}
	}
	want := "| MB/s | mixed |\n|---|---:|\n| plain | 200 (1.00) |\n| ours-fast | 100 (0.50) |\n"
	if got := r.table("BenchmarkDecode", "MB/s", "plain"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if r.cpu != "A Processor" {
		t.Errorf("cpu is %q", r.cpu)
	}
}

func TestOneRoundIsNotCalledMedians(t *testing.T) {
	for rounds, want := range map[int]string{1: "One round of 2s", 3: "Medians of 3 rounds of 2s"} {
		if got := measured(rounds, 2*time.Second); got != want {
			t.Errorf("%d rounds: got %q, want %q", rounds, got, want)
		}
	}
}

func TestOnlyTheSectionIsReplaced(t *testing.T) {
	page := "before\n<!-- x -->\nold\n<!-- /x -->\nafter\n"
	got, err := replaceSection([]byte(page), "x", "new\n")
	if want := "before\n<!-- x -->\nnew\n<!-- /x -->\nafter\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := replaceSection([]byte(page), "y", "new"); err == nil {
		t.Error("a page without the section was taken")
	}
}

func TestBenchmarkWithoutColumnAndRowIsRefused(t *testing.T) {
	var r results
	if err := r.add(strings.NewReader("BenchmarkOther-2 1 10 ns/op\n")); err == nil {
		t.Error("it was taken")
	}
}

// A row may be alone in its column: then there is nothing to compare it with.
func TestWithoutAYardstickThereIsNoRatio(t *testing.T) {
	var r results
	output := "BenchmarkX/c=one/by=plain-2 1 10 ns/op 2 MB/s\nBenchmarkX/c=two/by=ours-2 1 10 ns/op 4 MB/s\n"
	if err := r.add(strings.NewReader(output)); err != nil {
		t.Fatal(err)
	}
	want := "| MB/s | one | two |\n|---|---:|---:|\n| plain | 2.00 (1.00) | – |\n| ours | – | 4.00 |\n"
	if got := r.table("BenchmarkX", "MB/s", "plain"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
