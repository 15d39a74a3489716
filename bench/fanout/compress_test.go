package fanout

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// compressors are a hub that compresses nothing, one whose subscribers share a compressor, and the simplest hub with a compressor for each
// connection.
var compressors = []contestant{
	{"none", func(b *testing.B, port int) []string { return tidings(b, port, "--memory") }, nil, "", 0},
	{"shared", func(b *testing.B, port int) []string { return tidings(b, port, "--memory", "--compress", "**") }, nil, "", 0},
	{"each", func(b *testing.B, port int) []string {
		return append([]string{"env", zipped + "=1"}, plain(b, port)[1:]...)
	}, nil, "", 0},
}

// zipped makes the loop over channels compress each connection by itself.
const zipped = "TIDINGS_FANOUT_ZIPPED"

// zippedWriter compresses a response.
type zippedWriter struct {
	http.ResponseWriter
	out *gzip.Writer
}

// serveZipped is a loop whose streams have a compressor each.
func (l *loop) serveZipped(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Encoding", "gzip")
		w = zippedWriter{w, gzip.NewWriter(w)}
	}
	l.ServeHTTP(w, r)
}

func (z zippedWriter) Write(p []byte) (int, error) { return z.out.Write(p) }

func (z zippedWriter) FlushError() error {
	if err := z.out.Flush(); err != nil {
		return err
	}
	return http.NewResponseController(z.ResponseWriter).Flush()
}

// trade returns an event such as a market sends, or an order of a shop, with about as many bytes as asked for.
func trade(r *rand.Rand, size int) string {
	at := time.Unix(1_764_000_000+r.Int64N(1e6), r.Int64N(1e9)).UTC().Format("2006-01-02T15:04:05.000Z")
	if size < 300 {
		return fmt.Sprintf(`{"symbol":"%s","price":%.2f,"volume":%d,"side":"%s","time":"%s","venue":"XNAS","trade":"%08x"}`,
			[]string{"ACME", "GLOBEX", "INITECH", "HOOLI"}[r.IntN(4)], 90+r.Float64()*20, r.IntN(10_000), []string{"buy", "sell"}[r.IntN(2)], at, r.Uint32())
	}
	var items []string
	for n := 150; n < size; n += 90 {
		items = append(items, fmt.Sprintf(`{"sku":"SKU-%05d","name":"%s %s","quantity":%d,"price":%.2f,"currency":"EUR"}`, r.IntN(100_000),
			[]string{"Blue", "Red", "Green"}[r.IntN(3)], []string{"chair", "table", "lamp", "shelf"}[r.IntN(4)], 1+r.IntN(5), r.Float64()*500))
	}
	return fmt.Sprintf(`{"order":"%08x","customer":%d,"state":"%s","time":"%s","items":[%s]}`,
		r.Uint32(), r.IntN(100_000), []string{"new", "paid", "shipped"}[r.IntN(3)], at, strings.Join(items, ","))
}

// BenchmarkCompress asks what compression costs and saves: 1,000 subscribers, 50 events a second of JSON. One more subscriber decodes every event.
// Memory includes what the hub has once.
func BenchmarkCompress(b *testing.B) {
	for _, size := range []int{160, 500, 2000} {
		run(b, compressors, "size="+strconv.Itoa(size), all, func(b *testing.B, h *hub) { h.compress(b, size) })
	}
}

func (h *hub) compress(b *testing.B, size int) {
	const subscribers = 1000
	count, warm := 150, 60 // events, and events until all are in step
	if h.name == "each" {
		count, warm = 50, 5 // it takes 20 times as long
	}
	before := h.resident(b)
	var received atomic.Int64
	for range subscribers {
		conn := h.subscribe(b)
		go func() {
			for buf := make([]byte, 4<<10); ; {
				n, err := conn.Read(buf)
				if received.Add(int64(n)); err != nil {
					return
				}
			}
		}()
	}
	events := h.decode(b)
	time.Sleep(500 * time.Millisecond) // until all are live
	r := rand.New(rand.NewPCG(1, uint64(size)))
	for range warm {
		h.publishOne(b, trade(r, size), events)
	}
	received.Store(0)
	began := h.spent(b)
	tick := time.NewTicker(time.Second / 50)
	defer tick.Stop()
	for range count {
		<-tick.C
		h.publishOne(b, trade(r, size), events)
	}
	spent := h.spent(b) - began
	time.Sleep(200 * time.Millisecond) // until the others have read
	deliveries := float64(count * subscribers)
	b.ReportMetric(float64(received.Load())/deliveries, "B/delivery")
	b.ReportMetric(float64(spent.Microseconds())/deliveries, "µs/delivery")
	b.ReportMetric(float64(h.resident(b)-before)/subscribers/1000, "KB/subscriber")
}

// subscribe opens a stream, which is compressed unless the hub does not do so.
func (h *hub) subscribe(b *testing.B) net.Conn {
	conn, err := net.Dial("tcp", h.addr())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "GET /events/news HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: gzip\r\n\r\n", h.addr()); err != nil {
		b.Fatal(err)
	}
	return conn
}

// decode opens a stream and returns its events.
func (h *hub) decode(b *testing.B) <-chan string {
	resp, err := http.Get("http://" + h.addr() + "/events/news") // net/http decodes gzip
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = resp.Body.Close() })
	if resp.Uncompressed != (h.name != "none") {
		b.Fatalf("the stream is compressed: %v", resp.Uncompressed)
	}
	events := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: {\""); ok {
				events <- "{\"" + data
			}
		}
		close(events)
	}()
	return events
}

// publishOne publishes an event and waits until the decoder has it.
func (h *hub) publishOne(b *testing.B, data string, events <-chan string) {
	resp, err := http.Post("http://"+h.addr()+"/events/news", "application/json", strings.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if got := <-events; got != data {
		b.Fatalf("got %q, want %q", got, data)
	}
}

// spent returns the CPU time of the hub. The kernel counts it in hundredths of a second.
func (h *hub) spent(b *testing.B) time.Duration {
	text, err := os.ReadFile("/proc/" + h.pids[0] + "/stat")
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// resident returns the memory of the hub in bytes.
func (h *hub) resident(b *testing.B) int {
	text, err := os.ReadFile("/proc/" + h.pids[0] + "/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize()
}
