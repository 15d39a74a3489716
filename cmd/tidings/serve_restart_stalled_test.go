//go:build unix

package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/tidings-sse/tidings/sse"
)

// TestRestartDoesNotWaitForStalledTLSStreams, and their clients miss nothing: what they can still read are whole events, and they resume at the new
// process. Stalled streams over TLS have a part of a record in the hub, and those over HTTP/2 a part of a frame.
func TestRestartDoesNotWaitForStalledTLSStreams(t *testing.T) {
	r := runServe(t, "tidings-hasty", nil, append(certificateArgs(t), "--write-timeout", "1h")...)
	streams := map[string]io.Reader{"HTTP/1.1": r.stalls(t, "http/1.1"), "HTTP/2": r.stalls(t, "h2")}
	client := clientOf(t, nil)
	const before, after = 200, 3
	var batch strings.Builder
	for n := range before {
		fmt.Fprintf(&batch, `{"data":%q}`+"\n", numbered(n))
	}
	if answer, text := ask(t, client, http.MethodPost, r.url+"/events/news", batch.String(), "Content-Type", "application/x-ndjson"); answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", answer.Status, text)
	}
	old := r.pid
	r.restart(t)
	if text, _ := r.log.now(); !strings.Contains(text, "msg=stopped streams=2 cut=true ") {
		t.Errorf("the streams were not cut:\n%s", text)
	}
	awaitError(t, "the old process has not ended", syscall.ESRCH, func() error { return syscall.Kill(old, 0) })
	for n := range after {
		r.publish(t, client, numbered(before+n))
	}
	for name, stream := range streams {
		t.Run(name, func(t *testing.T) {
			seen, last := readNumbered(t, stream, 0, before)
			if seen == 0 || seen == before || last == "" {
				t.Fatalf("the client reads %d of %d events, and its last ID is %q", seen, before, last)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/events/news", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Last-Event-ID", last)
			again, err := clientOf(t, nil).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Body.Close()
			if more, _ := readNumbered(t, again.Body, seen, before+after); more != before+after {
				t.Errorf("after %s the client reads events up to %d of %d", last, more, before+after)
			}
		})
	}
	r.stop(t)
}

// numbered returns the data of an event, which a client recognises as a whole. It is larger than a record of TLS and a frame of HTTP/2.
func numbered(n int) string { return fmt.Sprintf("%03d %s %03d", n, strings.Repeat("x", 20_000), n) }

// readNumbered reads numbered events from a number on, until all are there or the stream ends. It returns the number of the next one, and the last ID.
func readNumbered(t *testing.T, stream io.Reader, next, all int) (int, string) {
	t.Helper()
	d, last := sse.NewDecoder(stream, nil), ""
	for next < all && d.Next() {
		e := d.Event()
		switch {
		case e.Type == "tidings.gap":
			t.Fatalf("the client gets a gap: %s", e.Data)
		case e.Type == sse.DefaultType && e.Data != numbered(next):
			t.Fatalf("instead of event %d the client gets %.10q of %d bytes", next, e.Data, len(e.Data))
		case e.Type == sse.DefaultType:
			next++
		}
		last = e.ID
	}
	if errors.Is(d.Err(), os.ErrDeadlineExceeded) {
		t.Fatalf("the stream does not end after event %d", next)
	}
	return next, last
}

// stalls opens a stream whose client takes few bytes, and reads only its beginning. The result is what comes after that.
func (r *hubProcess) stalls(t *testing.T, protocol string) io.Reader {
	t.Helper()
	socket, err := net.Dial("tcp", strings.TrimPrefix(r.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	conn := tls.Client(socket, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
	if err := errors.Join(socket.(*net.TCPConn).SetReadBuffer(16<<10), conn.SetDeadline(time.Now().Add(patience)), conn.Handshake()); err != nil {
		t.Fatal(err)
	}
	var body io.Reader
	if protocol == "h2" {
		body = &dataOf{frames: followHTTP2(t, conn, largeWindow)}
	} else {
		if _, err := io.WriteString(conn, "GET /events/news HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = answer.Body.Close() })
		body = answer.Body
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(body, first); err != nil {
		t.Fatal(err)
	}
	return io.MultiReader(strings.NewReader(string(first)), body)
}

// dataOf reads the data of stream 1 of a connection.
type dataOf struct {
	frames *http2.Framer
	left   []byte
	ended  bool
}

// Read implements [io.Reader].
func (d *dataOf) Read(b []byte) (int, error) {
	for len(d.left) == 0 && !d.ended {
		f, err := d.frames.ReadFrame()
		if err != nil {
			return 0, err
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			d.left, d.ended = append(d.left, f.Data()...), f.StreamEnded()
		case *http2.RSTStreamFrame:
			d.ended = true
		}
	}
	if len(d.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, d.left)
	d.left = d.left[n:]
	return n, nil
}
