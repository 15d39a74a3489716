// Command table runs the benchmarks of this module and writes their medians into docs/performance.md.
//
//	cd bench && go run ./cmd/table
//
// The whole suite runs several times over rather than each benchmark several times in a row, so that a machine
// that is slower for a minute is so for all contestants.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"runtime"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("table: ")
	rounds := flag.Int("count", 5, "how often to run the suite; the tables show medians")
	benchtime := flag.Duration("benchtime", 500*time.Millisecond, "how long to run each benchmark")
	page := flag.String("o", "../docs/performance.md", "the page to write the tables into")
	flag.Parse()
	if err := run(*rounds, *benchtime, *page); err != nil {
		log.Fatal(err)
	}
}

func run(rounds int, benchtime time.Duration, page string) error {
	text, err := os.ReadFile(page) // first of all: to find out after the measurement would be a pity
	if err != nil {
		return err
	}
	var r results
	for i := range rounds {
		log.Printf("round %d of %d", i+1, rounds)
		out, err := benchmark(benchtime)
		if err != nil {
			return err
		}
		if err := r.add(out); err != nil {
			return err
		}
	}
	how := fmt.Sprintf("%s, %s on %s/%s, %d cores. Medians of %d rounds of %v for each cell.",
		r.cpu, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), rounds, benchtime)
	for name, section := range map[string]string{
		"machine":       how,
		"decode":        r.table("BenchmarkDecode", "MB/s", "bufio.Scanner"),
		"decode allocs": r.table("BenchmarkDecode", "allocs/event", ""),
		"long lines":    r.table("BenchmarkLongLines", "MB/s", "bufio.Scanner"),
		"many lines":    r.table("BenchmarkManyLines", "MB/s", "bufio.Scanner"),
		"encode":        r.table("BenchmarkEncode", "ns/op", "fmt.Fprintf"),
		"encode allocs": r.table("BenchmarkEncode", "allocs/op", ""),
	} {
		if text, err = replaceSection(text, name, section); err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
	}
	return os.WriteFile(page, text, 0o644)
}

// benchmark runs the suite once. Its lines go to standard error as well: it takes a minute or more.
func benchmark(benchtime time.Duration) (io.Reader, error) {
	var out bytes.Buffer
	cmd := exec.Command("go", "test", "-run=^$", "-bench=.", "-count=1", "-timeout=1h", "-benchtime="+benchtime.String(), ".")
	cmd.Stdout = io.MultiWriter(&out, os.Stderr)
	cmd.Stderr = os.Stderr
	return &out, cmd.Run()
}
