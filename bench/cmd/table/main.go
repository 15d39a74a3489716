// Command table runs the benchmarks of this module and writes their medians into docs/performance.md.
//
//	cd bench && go run ./cmd/table
//	cd bench && go run ./cmd/table -suite log
//	cd bench && go run ./cmd/table -suite hub
//	cd bench && go run ./cmd/table -suite fanout
//	cd bench && go run ./cmd/table -suite fanout -bench Secure
//	cd bench && go run ./cmd/table -suite ways
//	cd bench && go run ./cmd/table -suite scale -o ../docs/scale.md
//
// The whole suite runs several times over rather than each benchmark several times in a row, so that a machine that is
// slow for a minute slows down all contestants.
package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// suite is a set of benchmarks and the tables and pictures that are made of them.
type suite struct {
	pkg       string
	which     string // pattern of the benchmarks
	benchtime time.Duration
	rounds    int
	sections  []section
	plots     []plot
}

// section is a table of docs/performance.md: the values of a benchmark in one unit, with ratios to the row yardstick if
// there is one. A section without a benchmark describes the machine and the rounds.
type section struct{ name, benchmark, unit, yardstick string }

var suites = map[string]suite{
	"sse": {".", ".", 500 * time.Millisecond, 5, []section{
		{name: "machine"},
		{"decode", "BenchmarkDecode", "MB/s", "bufio.Scanner"},
		{"decode allocs", "BenchmarkDecode", "allocs/event", ""},
		{"long lines", "BenchmarkLongLines", "MB/s", "bufio.Scanner"},
		{"many lines", "BenchmarkManyLines", "MB/s", "bufio.Scanner"},
		{"encode", "BenchmarkEncode", "ns/op", "fmt.Fprintf"},
		{"encode allocs", "BenchmarkEncode", "allocs/op", ""},
	}, nil},
	"log": {"./logs", ".", time.Second, 5, []section{
		{name: "log machine"},
		{"append", "BenchmarkAppend", "records/s", "pebble"},
		{"batch", "BenchmarkBatch", "records/s", "pebble"},
		{"trim", "BenchmarkTrim", "records/s", "nothing-trimmed"},
		{"left", "BenchmarkTrim", "left", ""},
		{"open", "BenchmarkOpen", "ms", "pebble"},
		{"read", "BenchmarkRead", "µs", ""},
		{"scan", "BenchmarkScan", "records/s", "pebble"},
		{"topics", "BenchmarkTopics", "MB", ""},
	}, nil},
	"hub": {"./hubs", ".", 2 * time.Second, 3, []section{
		{name: "hub machine"},
		{"hub post", "BenchmarkPost", "events/s", "net/http"},
		{"hub post http2", "BenchmarkPostHTTP2", "events/s", "net/http"},
		{"hub ingest", "BenchmarkIngest", "events/s", "net/http"},
		{"hub latency", "BenchmarkLatency", "p50-ms", ""},
		{"hub late", "BenchmarkLatency", "p99-ms", ""},
		{"hub reconnect", "BenchmarkReconnect", "s", ""},
	}, nil},
	"ways":     {"./fanout", "Ways|Gather", 5 * time.Second, 3, waysSections, nil},
	"compress": {"./fanout", "Compress", time.Second, 3, compressSections, nil},
	"scale":    {"./fanout", "Scale", 5 * time.Second, 1, scaleSections, nil},
	"fanout": {"./fanout", "^Benchmark(Steady|Saturated|Secure|SecureSaturated|Idle|Returning|Topics)$", 5 * time.Second, 3, []section{
		{name: "fanout machine"},
		{"fanout cost", "BenchmarkSteady", "µs/delivery", "c-loop"},
		{"fanout latency", "BenchmarkSteady", "p99-ms", ""},
		{"fanout saturated", "BenchmarkSaturated", "deliveries/s", "c-loop"},
		{"fanout secure cost", "BenchmarkSecure", "µs/delivery", "c-loop"},
		{"fanout secure latency", "BenchmarkSecure", "p99-ms", ""},
		{"fanout secure saturated", "BenchmarkSecureSaturated", "deliveries/s", "c-loop"},
		{"fanout secure faults", "BenchmarkSecure", "faults", ""},
		{"fanout memory", "BenchmarkIdle", "KB/subscriber", ""},
		{"fanout idle", "BenchmarkIdle", "%CPU", ""},
		{"fanout connects", "BenchmarkIdle", "connects/s", "c-loop"},
		{"fanout returning", "BenchmarkReturning", "s", ""},
		{"fanout others", "BenchmarkReturning", "p99-ms", ""},
		{"fanout topics", "BenchmarkTopics", "answer-p50-ms", ""},
		{"fanout faults", "BenchmarkSteady", "faults", ""},
		{"fanout returning faults", "BenchmarkReturning", "faults", ""},
	}, []plot{
		{"fanout-cost.svg", "CPU for each delivery, µs (1,000 subscribers, 50 events a second)", "BenchmarkSteady", "1000x50", "µs/delivery"},
		{"fanout-secure.svg", "CPU for each delivery over TLS, µs (1,000 subscribers, 50 events a second)", "BenchmarkSecure", "1000x50", "µs/delivery"},
		{"fanout-saturated.svg", "Deliveries a second at the most (1,000 subscribers, 16 publishers)", "BenchmarkSaturated", "1", "deliveries/s"},
		{"fanout-memory.svg", "Memory for each idle subscriber, KB", "BenchmarkIdle", "plain", "KB/subscriber"},
	}},
}

// Parts of the suite fanout that only measure Tidings.
var (
	waysSections = []section{
		{name: "ways machine"},
		{"ways cost", "BenchmarkWays", "µs/delivery", ""},
		{"ways latency", "BenchmarkWays", "p99-ms", ""},
		{"ways saturated", "BenchmarkWaysSaturated", "M/s", ""},
		{"ways saturated cost", "BenchmarkWaysSaturated", "µs/delivery", ""},
		{"gather cost", "BenchmarkGather", "µs/delivery", ""},
		{"gather latency", "BenchmarkGather", "p50-ms", ""},
	}
	compressSections = []section{
		{name: "compress machine"},
		{"compress bytes", "BenchmarkCompress", "B/delivery", "none"},
		{"compress cost", "BenchmarkCompress", "µs/delivery", "none"},
		{"compress memory", "BenchmarkCompressMemory", "KB/subscriber", "none"},
		{"compress heap", "BenchmarkCompressMemory", "heap-KB/subscriber", "none"},
	}
	scaleSections = []section{
		{name: "scale machine"},
		{"scale memory", "BenchmarkScale", "MB", ""},
		{"scale cost", "BenchmarkScale", "µs/delivery", ""},
		{"scale latency", "BenchmarkScale", "p99-ms", ""},
		{"scale connects", "BenchmarkScale", "connects/s", ""},
		{"scale faults", "BenchmarkScale", "faults", ""},
	}
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("table: ")
	name := flag.String("suite", "sse", "which benchmarks to run: sse, log, hub, fanout, ways, compress or scale")
	rounds := flag.Int("count", 0, "how often to run the suite; the tables show medians; 0: 5 times, 3 times for hub, fanout, ways and compress, once for scale")
	benchtime := flag.Duration("benchtime", 0, "how long to run each benchmark; 0: half a second for sse, a second for log, 2 for hub, 5 for the others")
	only := flag.String("bench", "", "which benchmarks to run, as a pattern of go test; tables of others stay as they are; all of the suite by default")
	page := flag.String("o", "../docs/performance.md", "the page to write the tables into")
	flag.Parse()
	s, ok := suites[*name]
	if !ok {
		log.Fatalf("there is no suite %q; choose sse, log, hub, fanout, ways, compress or scale", *name)
	}
	if *benchtime > 0 {
		s.benchtime = *benchtime
	}
	if *rounds > 0 {
		s.rounds = *rounds
	}
	if err := s.run(*page, *only); err != nil {
		log.Fatal(err)
	}
}

func (s *suite) run(page, only string) error {
	text, err := os.ReadFile(page) // first, so that a wrong path is an error before the measurement
	if err != nil {
		return err
	}
	var r results
	for i := range s.rounds {
		log.Printf("round %d of %d", i+1, s.rounds)
		out, err := s.benchmark(only)
		if err != nil {
			return err
		}
		if err := r.add(out); err != nil {
			return err
		}
	}
	for _, sec := range s.sections {
		if only != "" && !r.has(sec.benchmark, sec.unit) {
			continue
		}
		table := fmt.Sprintf("%s, %s on %s/%s, %d cores. %s for each cell.",
			r.cpu, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), measured(s.rounds, s.benchtime))
		if sec.benchmark != "" {
			table = r.table(sec.benchmark, sec.unit, sec.yardstick)
		}
		if text, err = replaceSection(text, sec.name, table); err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
	}
	for _, p := range s.plots {
		if !r.has(p.benchmark, p.unit) {
			continue
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(page), p.file), []byte(r.svg(p)), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(page, text, 0o644)
}

// measured says how many rounds the tables come from, and how long each was.
func measured(rounds int, each time.Duration) string {
	if rounds == 1 {
		return fmt.Sprintf("One round of %v", each)
	}
	return fmt.Sprintf("Medians of %d rounds of %v", rounds, each)
}

// benchmark runs the suite once, or some of its benchmarks. Its lines go to standard error as well: it takes a minute or more.
func (s *suite) benchmark(only string) (io.Reader, error) {
	var out bytes.Buffer
	cmd := exec.Command("go", "test", "-run=^$", "-bench="+cmp.Or(only, s.which), "-count=1", "-timeout=2h", "-benchtime="+s.benchtime.String(), s.pkg)
	cmd.Stdout = io.MultiWriter(&out, os.Stderr)
	cmd.Stderr = os.Stderr
	return &out, cmd.Run()
}
