package hubs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const size = 100 // bytes of an event's data

// client is a connection with minimal cost, because the load generator also has only one core.
type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(b testing.TB, addr string) *client {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	return &client{conn, bufio.NewReaderSize(conn, 2<<10)}
}

// answer reads an answer with a Content-Length, and returns its status line and body.
func (c *client) answer() (status, body string, err error) {
	length := 0
	for i := 0; ; i++ {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return "", "", err
		}
		switch text := string(bytes.TrimRight(line, "\r\n")); {
		case i == 0:
			status = text
		case text == "":
			rest := make([]byte, length)
			_, err := io.ReadFull(c.in, rest)
			return status, string(rest), err
		default:
			if n, ok := strings.CutPrefix(text, "Content-Length: "); ok {
				if length, err = strconv.Atoi(n); err != nil {
					return "", "", err
				}
			}
		}
	}
}

func post(path string, header, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", path, header, len(body), body)
}

// BenchmarkPost measures the rate of 64 publishers that send one event per request.
func BenchmarkPost(b *testing.B) {
	for _, name := range []string{"net/http", "tidings-memory", "tidings"} {
		b.Run("publishers=64/by="+name, func(b *testing.B) {
			addr := start(b, name)
			request := post("/events/news", "", strings.Repeat("x", size))
			const publishers = 64
			var left atomic.Int64
			left.Store(int64(b.N))
			var clients []*client
			for range publishers {
				c := dial(b, addr)
				defer func() { _ = c.Close() }()
				clients = append(clients, c)
			}
			var running sync.WaitGroup
			b.ResetTimer()
			for _, c := range clients {
				running.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := c.Write(request); err != nil {
							b.Error(err)
							return
						}
						if status, body, err := c.answer(); err != nil || !strings.Contains(status, "200") {
							b.Errorf("%s %s %v", status, body, err)
							return
						}
					}
				})
			}
			running.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkIngest measures the rate of 4 publishers that send NDJSON with 1,000 lines per request.
func BenchmarkIngest(b *testing.B) {
	for _, name := range []string{"net/http", "tidings-memory", "tidings"} {
		b.Run("publishers=4/by="+name, func(b *testing.B) {
			addr := start(b, name)
			const publishers, lines = 4, 1000
			request := post("/events/news", "Content-Type: application/x-ndjson\r\n",
				strings.Repeat(`{"data":"`+strings.Repeat("x", size)+"\"}\n", lines))
			var left atomic.Int64
			left.Store(int64(b.N))
			var running sync.WaitGroup
			b.ResetTimer()
			for range publishers {
				running.Go(func() {
					c := dial(b, addr)
					defer func() { _ = c.Close() }()
					for left.Add(-lines) > -lines {
						if _, err := c.Write(request); err != nil {
							b.Error(err)
							return
						}
						if status, body, err := c.answer(); err != nil || !strings.Contains(status, "200") {
							b.Errorf("%s %s %v", status, body, err)
							return
						}
					}
				})
			}
			running.Wait()
			n := (b.N + lines - 1) / lines * lines
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// follow opens a stream, and returns when its header has arrived.
func follow(b testing.TB, addr, path, lastID string) *client {
	b.Helper()
	c := dial(b, addr)
	header := ""
	if lastID != "" {
		header = "Last-Event-ID: " + lastID + "\r\n"
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, header); err != nil {
		b.Fatal(err)
	}
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			return c
		}
	}
}

// BenchmarkLatency measures the time from publishing an event until its subscriber has read it, with 1,000 subscribers of one topic each and
// 100 events per second. A durable hub cannot be faster than the disk, so the same writes and syncs are also measured alone.
func BenchmarkLatency(b *testing.B) {
	const rate = 100
	b.Run("subscribers=1000/by=fdatasync", func(b *testing.B) { benchmarkSync(b, rate) })
	for _, name := range []string{"net/http", "tidings-memory", "tidings"} {
		b.Run("subscribers=1000/by="+name, func(b *testing.B) {
			addr := start(b, name)
			const subscribers = 1000
			took := make(chan time.Duration, 1000)
			var following sync.WaitGroup
			var clients []*client
			for i := range subscribers {
				c := follow(b, addr, fmt.Sprintf("/events/t/%d", i), "")
				clients = append(clients, c)
				following.Go(func() {
					for {
						line, err := c.in.ReadSlice('\n')
						if err != nil {
							return
						}
						text, ok := bytes.CutPrefix(line, []byte("data: "))
						if !ok || len(text) <= 1 || text[0] == '{' { // the data of a control event is a JSON object
							continue
						}
						sent, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
						if err != nil {
							b.Error(err) // and the measurement goes on, so that it ends
						}
						took <- time.Duration(time.Now().UnixNano() - sent)
					}
				})
			}
			publisher := dial(b, addr)
			n := max(b.N, 500)
			tick := time.NewTicker(time.Second / rate)
			var all []time.Duration
			b.ResetTimer()
			for i := range n {
				<-tick.C
				if _, err := publisher.Write(post(fmt.Sprintf("/events/t/%d", i*7%subscribers), "", strconv.FormatInt(time.Now().UnixNano(), 10))); err != nil {
					b.Fatal(err)
				}
				if status, body, err := publisher.answer(); err != nil || !strings.Contains(status, "200") {
					b.Fatalf("%s %s %v", status, body, err)
				}
				all = append(all, <-took)
			}
			tick.Stop()
			report(b, all)
			for _, c := range append(clients, publisher) {
				_ = c.Close()
			}
			following.Wait()
		})
	}
}

// benchmarkSync measures the disk alone.
func benchmarkSync(b *testing.B, rate int) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	event := make([]byte, 2*size)
	var all []time.Duration
	for range max(b.N, 500) {
		<-tick.C
		began := time.Now()
		if _, err := f.Write(event); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(began))
	}
	report(b, all)
}

// report reports the median and the high percentiles.
func report(b *testing.B, all []time.Duration) {
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkReconnect measures how long 5,000 clients that reconnect at once, with 100 missed events each, take to be live again: they have read
// the missed events and one more.
func BenchmarkReconnect(b *testing.B) {
	for _, name := range []string{"tidings-memory", "tidings"} {
		b.Run("clients=5000/by="+name, func(b *testing.B) {
			addr := start(b, name)
			const clients, missed, topics = 5000, 100, 50
			publisher := dial(b, addr)
			defer func() { _ = publisher.Close() }()
			first := ""
			send := func(topic int, data string) string {
				if _, err := publisher.Write(post(fmt.Sprintf("/events/t/%d", topic), "", data)); err != nil {
					b.Fatal(err)
				}
				_, body, err := publisher.answer()
				if err != nil {
					b.Fatal(err)
				}
				return body
			}
			body := send(0, "before")
			first = strings.Split(body, `"`)[3]
			filler := strings.Repeat("x", size)
			for i := range missed * topics {
				send(i%topics, filler)
			}
			for b.Loop() {
				var connecting, back sync.WaitGroup
				var conns [clients]*client
				limit := make(chan struct{}, 500) // the load opens so many at a time
				for i := range clients {
					connecting.Go(func() {
						limit <- struct{}{}
						c := dial(b, addr)
						_, err := fmt.Fprintf(c, "GET /events/t/%d HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: %s\r\n\r\n", i%topics, first)
						<-limit
						if err != nil {
							b.Error(err)
							return
						}
						conns[i] = c
						back.Go(func() {
							for got := 0; got < missed; {
								line, err := c.in.ReadSlice('\n')
								if err != nil {
									b.Error(err)
									return
								}
								if bytes.HasPrefix(line, []byte("data: x")) {
									got++
								}
							}
						})
					})
				}
				connecting.Wait()
				back.Wait()
				b.StopTimer()
				for _, c := range conns {
					_ = c.Close()
				}
				b.StartTimer()
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s")
		})
	}
}
