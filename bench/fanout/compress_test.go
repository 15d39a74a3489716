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

// BenchmarkCompress asks what compression costs and saves: 50 events a second, which 20 of the subscribers decode.
func BenchmarkCompress(b *testing.B) {
	for _, p := range payloads {
		run(b, compressors, "events="+p.name, all, func(b *testing.B, h *hub) { h.compress(b, p) })
	}
}

func (h *hub) compress(b *testing.B, p payload) {
	subscribers, count, warm := 1000, 100, 20 // events, and events before them, until all members of a group are in step
	if h.name == "each" {
		subscribers, count, warm = 200, 50, 5 // it takes 100 times as much memory, and 10 times as long
	}
	f := &followers{b: b, h: h, read: make(chan string, subscribers)}
	for i := range subscribers {
		f.add(i < decoders)
	}
	r := rand.New(rand.NewPCG(1, 1))
	f.await("", subscribers) // all have the header
	for n := range warm {
		f.publish(p.make(r, n))
	}
	for h.name != "each" && h.metric(b, "tidings_events_delivered_total") < float64(warm*subscribers) {
		time.Sleep(10 * time.Millisecond)
	}
	plain := 0
	before, began := f.received.Load(), h.spent(b)
	tick := time.NewTicker(time.Second / 50)
	defer tick.Stop()
	for n := range count {
		<-tick.C
		data := p.make(r, warm+n)
		plain += len(data)
		f.publish(data)
	}
	deliveries := float64(count * subscribers)
	b.ReportMetric(float64((h.spent(b)-began).Microseconds())/deliveries, "µs/delivery")
	b.ReportMetric(float64(f.received.Load()-before)/float64(count*decoders), "B/delivery")
	b.ReportMetric(float64(plain)/float64(count), "B/event")
}

// decoders are so few that they leave the hub in peace.
const decoders = 20

// followers are subscribers, some of which decode their streams.
type followers struct {
	b        *testing.B
	h        *hub
	received atomic.Int64 // bytes that the decoders have got
	read     chan string  // the data of each event of each decoder, and "" for each header
}

// add opens a stream, which is compressed unless the hub does not do so.
func (f *followers) add(decodes bool) {
	conn := f.h.subscribe(f.b)
	var from io.Reader = conn
	if decodes {
		from = countingReader{conn, &f.received}
	}
	go func() {
		defer func() { f.read <- "the end of a stream" }() // which no one expects
		in := bufio.NewReader(from)
		resp, err := http.ReadResponse(in, nil)
		if err != nil || (resp.Header.Get("Content-Encoding") == "gzip") != (f.h.name != "none") {
			return
		}
		f.read <- ""
		if !decodes {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		var body io.Reader = resp.Body
		if f.h.name != "none" {
			if body, err = gzip.NewReader(resp.Body); err != nil {
				return
			}
		}
		for lines := bufio.NewScanner(body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: {\""); ok {
				f.read <- "{\"" + data
			}
		}
	}()
}

// await waits until so many followers have read the data of an event, and nothing else.
func (f *followers) await(data string, followers int) {
	for range followers {
		if got := <-f.read; got != data {
			f.b.Fatalf("got %q, want %q", got, data)
		}
	}
}

// publish publishes an event and waits until every decoder has it.
func (f *followers) publish(data string) {
	f.h.publish(f.b, data)
	f.await(data, decoders)
}

type countingReader struct {
	io.Reader
	n *atomic.Int64
}

func (c countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// subscribe opens a stream.
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

func (h *hub) publish(b *testing.B, data string) {
	resp, err := http.Post("http://"+h.addr()+"/events/news", "application/json", strings.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
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
