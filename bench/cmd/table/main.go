// Command table runs the benchmarks of this module and writes their medians into docs/performance.md.
//
//	cd bench && go run ./cmd/table
//	cd bench && go run ./cmd/table -suite log
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

// suite is a set of benchmarks and the tables that are made of them.
type suite struct {
	pkg       string
	benchtime time.Duration
	sections  []section
}

// section is a table of docs/performance.md: what a benchmark says in a unit, with ratios to the row yardstick if there is
// one. Without a benchmark it tells how the suite was run.
type section struct{ name, benchmark, unit, yardstick string }

var suites = map[string]suite{
	"sse": {".", 500 * time.Millisecond, []section{
		{name: "machine"},
		{"decode", "BenchmarkDecode", "MB/s", "bufio.Scanner"},
		{"decode allocs", "BenchmarkDecode", "allocs/event", ""},
		{"long lines", "BenchmarkLongLines", "MB/s", "bufio.Scanner"},
		{"many lines", "BenchmarkManyLines", "MB/s", "bufio.Scanner"},
		{"encode", "BenchmarkEncode", "ns/op", "fmt.Fprintf"},
		{"encode allocs", "BenchmarkEncode", "allocs/op", ""},
	}},
	"log": {"./logs", time.Second, []section{
		{name: "log machine"},
		{"append", "BenchmarkAppend", "records/s", "pebble"},
		{"batch", "BenchmarkBatch", "records/s", "pebble"},
		{"trim", "BenchmarkTrim", "records/s", "nothing-trimmed"},
		{"left", "BenchmarkTrim", "left", ""},
		{"open", "BenchmarkOpen", "ms", "pebble"},
		{"read", "BenchmarkRead", "µs", ""},
		{"scan", "BenchmarkScan", "records/s", "pebble"},
		{"topics", "BenchmarkTopics", "MB", ""},
	}},
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("table: ")
	name := flag.String("suite", "sse", "which benchmarks to run: sse or log")
	rounds := flag.Int("count", 5, "how often to run the suite; the tables show medians")
	benchtime := flag.Duration("benchtime", 0, "how long to run each benchmark; 0: half a second for sse, a second for log")
	page := flag.String("o", "../docs/performance.md", "the page to write the tables into")
	flag.Parse()
	s, ok := suites[*name]
	if !ok {
		log.Fatalf("there is no suite %q; choose sse or log", *name)
	}
	if *benchtime > 0 {
		s.benchtime = *benchtime
	}
	if err := s.run(*rounds, *page); err != nil {
		log.Fatal(err)
	}
}

func (s *suite) run(rounds int, page string) error {
	text, err := os.ReadFile(page) // first of all: to find out after the measurement would be a pity
	if err != nil {
		return err
	}
	var r results
	for i := range rounds {
		log.Printf("round %d of %d", i+1, rounds)
		out, err := s.benchmark()
		if err != nil {
			return err
		}
		if err := r.add(out); err != nil {
			return err
		}
	}
	for _, sec := range s.sections {
		table := fmt.Sprintf("%s, %s on %s/%s, %d cores. Medians of %d rounds of %v for each cell.",
			r.cpu, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), rounds, s.benchtime)
		if sec.benchmark != "" {
			table = r.table(sec.benchmark, sec.unit, sec.yardstick)
		}
		if text, err = replaceSection(text, sec.name, table); err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
	}
	return os.WriteFile(page, text, 0o644)
}

// benchmark runs the suite once. Its lines go to standard error as well: it takes a minute or more.
func (s *suite) benchmark() (io.Reader, error) {
	var out bytes.Buffer
	cmd := exec.Command("go", "test", "-run=^$", "-bench=.", "-count=1", "-timeout=1h", "-benchtime="+s.benchtime.String(), s.pkg)
	cmd.Stdout = io.MultiWriter(&out, os.Stderr)
	cmd.Stderr = os.Stderr
	return &out, cmd.Run()
}
