package sse_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tidings-sse/tidings/sse"
)

// cutter is a way to interrupt a response after some text.
type cutter struct {
	name  string
	serve func(t *testing.T, text string) *http.Response
}

// cutters covers the ways in which HTTP reports an interrupted response. The end of a body that only the end of the
// connection delimits is missing, because it looks clean.
var cutters = []cutter{
	{"chunked", rawCut("Transfer-Encoding: chunked\r\n\r\n%[2]x\r\n%[1]s\r\n", false)},
	{"inside a chunk", rawCut("Transfer-Encoding: chunked\r\n\r\nffff\r\n%[1]s", false)},
	{"chunked, reset", rawCut("Transfer-Encoding: chunked\r\n\r\n%[2]x\r\n%[1]s\r\n", true)},
	{"broken chunk", rawCut("Transfer-Encoding: chunked\r\n\r\n%[2]x\r\n%[1]s\r\nxyz\r\n", false)},
	{"Content-Length", rawCut("Content-Length: 100000\r\n\r\n%[1]s", false)},
	{"Content-Length, reset", rawCut("Content-Length: 100000\r\n\r\n%[1]s", true)},
	{"close-delimited, reset", rawCut("Connection: close\r\n\r\n%[1]s", true)},
	{"HTTP2 over TLS, stream reset", http2Cut(true, nil)},
	{"h2c, stream reset", http2Cut(false, nil)},
	{"HTTP2 over TLS, connection closed", http2Cut(true, net.Conn.Close)},
	{"h2c, connection closed", http2Cut(false, net.Conn.Close)},
}

// rawCut responds with format, whose arguments are a text and its length. Then it closes the connection, or resets it
// as soon as the client has read the text.
func rawCut(format string, reset bool) func(*testing.T, string) *http.Response {
	return func(t *testing.T, text string) *http.Response {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan struct{})
		served := make(chan error, 1)
		go func() {
			defer l.Close()
			served <- serveRaw(l, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+format, text, len(text)), read, reset)
		}()
		t.Cleanup(func() {
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
		return getFrom(t, &http.Client{Transport: &http.Transport{}}, "http://"+l.Addr().String(), len(text), read)
	}
}

func serveRaw(l net.Listener, answer string, read <-chan struct{}, reset bool) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, answer); err != nil {
		return err
	}
	if reset {
		<-read // a reset may discard bytes that the client has not read
		if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
			return err
		}
	}
	return conn.Close()
}

// http2Cut resets the stream. If end is set, it ends the whole connection with it.
func http2Cut(secure bool, end func(net.Conn) error) func(*testing.T, string) *http.Response {
	return func(t *testing.T, text string) *http.Response {
		type connKey struct{}
		read := make(chan struct{})
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			stream(text)(w, r)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-read
			if end != nil {
				if err := end(r.Context().Value(connKey{}).(net.Conn)); err != nil {
					t.Error(err)
				}
			}
			panic(http.ErrAbortHandler)
		}))
		s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }
		var client *http.Client
		if secure {
			s.EnableHTTP2 = true
			s.StartTLS()
			client = s.Client()
		} else {
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			s.Start()
			client = &http.Client{Transport: &http.Transport{Protocols: s.Config.Protocols}}
		}
		t.Cleanup(s.Close)
		t.Cleanup(client.CloseIdleConnections)
		resp := getFrom(t, client, s.URL, len(text), read)
		if resp.ProtoMajor != 2 {
			t.Fatalf("the answer is %s", resp.Proto)
		}
		return resp
	}
}

// getFrom sends a request. It closes read as soon as n bytes of the response's body have been read.
func getFrom(t *testing.T, client *http.Client, url string, n int, read chan struct{}) *http.Response {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	resp.Body = &countedBody{resp.Body, n, read}
	return resp
}

// countedBody closes read after left bytes have been read.
type countedBody struct {
	io.ReadCloser
	left int
	read chan struct{}
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if before := b.left; before > 0 {
		if b.left -= n; b.left <= 0 {
			close(b.read)
		}
	}
	return n, err
}

func TestEveryKindOfInterruptedResponseIsTruncated(t *testing.T) {
	const whole = "data: {\"text\":\"a\"}\n\n"
	for _, c := range cutters {
		for name, rest := range map[string]string{
			"between events": "", "inside an event": "data: {\"te", "before the blank line": "data: {}\n", "in the end": "data: [DONE]\n",
			"behind a comment": ": heartbeat\n",
		} {
			t.Run(c.name+" "+name, func(t *testing.T) {
				check := func(t *testing.T, got []string, err error) {
					cut, ok := errors.AsType[*sse.TruncatedError](err)
					if !slices.Equal(got, []string{"a"}) || !isTruncated(err) || !ok || cut.Err == nil || !errors.Is(err, cut.Err) {
						t.Errorf("got %q, %v", got, err)
					}
					if ok && cut.Offset != int64(len(whole)) {
						t.Errorf("the discarded event begins at byte %d, want %d", cut.Offset, len(whole))
					}
				}
				t.Run("JSON", func(t *testing.T) {
					var got []string
					var last error
					events := sse.ReadResponse(c.serve(t, whole+rest), nil)
					for m, err := range sse.JSON[text](events, &sse.JSONOptions{Done: sse.WithData("[DONE]")}) {
						if last = err; err == nil {
							got = append(got, m.Value.Text)
						}
					}
					check(t, got, last)
				})
				t.Run("Read", func(t *testing.T) {
					data, err := collect(sse.Read(c.serve(t, whole+rest).Body, nil))
					if len(data) > 0 {
						data[0] = "a"
					}
					check(t, data, err)
				})
			})
		}
	}
}

func TestBodyWithoutFramingIsTruncatedWithoutItsFinalEvent(t *testing.T) {
	resp := rawCut("Connection: close\r\n\r\n%[1]s", false)(t, "data: {\"text\":\"a\"}\n\n")
	var last error
	for _, err := range sse.JSON[text](sse.ReadResponse(resp, nil), &sse.JSONOptions{Done: sse.WithData("[DONE]")}) {
		last = err
	}
	if !isTruncated(last) {
		t.Errorf("the error is %v", last)
	}
}

// TestReadStoppedByTheCallerIsNotTruncated: a program that is interrupted with Ctrl-C must not report a truncated
// stream.
func TestReadStoppedByTheCallerIsNotTruncated(t *testing.T) {
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded, http.ErrBodyReadAfterClose, net.ErrClosed, io.ErrClosedPipe} {
		r := io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(fmt.Errorf("wrapped: %w", cause)))
		if data, err := collect(sse.Read(r, nil)); isTruncated(err) || !errors.Is(err, cause) || !slices.Equal(data, []string{"a"}) {
			t.Errorf("got %q, %v", data, err)
		}
	}
	for name, speak := range protocols {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(stream("data: a\n\n").then(hold)))
			s.Config.Protocols = new(http.Protocols)
			speak(s.Config.Protocols)
			s.Start()
			defer s.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			client := &http.Client{Transport: &http.Transport{Protocols: s.Config.Protocols}}
			defer client.CloseIdleConnections()
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range sse.ReadResponse(resp, nil) {
				cancel()
				err = e
			}
			if isTruncated(err) || !errors.Is(err, context.Canceled) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestJSONDetectsTruncationInAnySequence: a sequence passed to JSON may end with the errors of a reader or of a Client.
func TestJSONDetectsTruncationInAnySequence(t *testing.T) {
	for err, want := range map[error]bool{
		io.ErrUnexpectedEOF: true, sse.ErrEnded: true, sse.ErrIdle: true, context.Canceled: false, error(&sse.ResponseError{}): false,
	} {
		events := func(yield func(sse.Event, error) bool) {
			_ = yield(sse.Event{Data: "{}"}, nil) && yield(sse.Event{}, err)
		}
		var last error
		for _, e := range sse.JSON[text](events, &sse.JSONOptions{Done: sse.WithData("[DONE]")}) {
			last = e
		}
		if !errors.Is(last, err) || isTruncated(last) != want {
			t.Errorf("%v became %v", err, last)
		}
	}
}
