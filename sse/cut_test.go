package sse_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
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
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded, http.ErrBodyReadAfterClose, os.ErrClosed} {
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

// TestClosedConnectionIsTruncated: "use of closed network connection" need not mean that this side stopped reading.
// net/http closes the connection when the server refuses the rest of an upload, and a pipe passes on the error of the
// connection behind it.
func TestClosedConnectionIsTruncated(t *testing.T) {
	const whole = "data: a\n\n"
	check := func(t *testing.T, r io.Reader, cause error) {
		t.Helper()
		if data, err := collect(sse.Read(r, nil)); !isTruncated(err) || !errors.Is(err, cause) || !slices.Equal(data, []string{"a"}) {
			t.Errorf("got %q, %v", data, err)
		}
	}
	for _, cause := range []error{net.ErrClosed, io.ErrClosedPipe} {
		t.Run(cause.Error(), func(t *testing.T) {
			r, w := io.Pipe()
			go func() {
				_, _ = io.WriteString(w, whole+"data: b") // its error would be the reader's
				w.CloseWithError(fmt.Errorf("wrapped: %w", cause))
			}()
			check(t, r, cause)
		})
	}
	t.Run("upload", func(t *testing.T) {
		body, upload := io.Pipe()
		broken := make(chan struct{})
		transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return brokenUpload{conn, broken}, err
		}}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				t.Error(err)
			}
			stream(whole).then(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // fails when the client closes the connection
			})(w, r)
		}))
		defer s.Close()
		defer transport.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		close(broken)
		go func() { _, _ = io.WriteString(upload, "more") }() // net/http closes the body, which ends the write
		check(t, resp.Body, net.ErrClosed)
	})
}

// brokenUpload is a connection that takes no more bytes once broken is closed.
type brokenUpload struct {
	net.Conn
	broken chan struct{}
}

func (c brokenUpload) Write(b []byte) (int, error) {
	select {
	case <-c.broken:
		return 0, syscall.EPIPE
	default:
		return c.Conn.Write(b)
	}
}

// TestAnswerThatTheCallerStopsIsTruncated: with Done, an answer that the caller's own context cut off is as incomplete
// as any other.
func TestAnswerThatTheCallerStopsIsTruncated(t *testing.T) {
	for name, speak := range protocols {
		for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
			for _, subscribe := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %v %v", name, cause, subscribe), func(t *testing.T) {
					s := httptest.NewUnstartedServer(http.HandlerFunc(stream("data: {\"text\":\"a\"}\n\n").then(hold)))
					s.Config.Protocols = new(http.Protocols)
					speak(s.Config.Protocols)
					s.Start()
					defer s.Close()
					client := &http.Client{Transport: &http.Transport{Protocols: s.Config.Protocols}}
					defer client.CloseIdleConnections()
					ctx := newStoppable(t.Context())
					req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, nil)
					if err != nil {
						t.Fatal(err)
					}
					var events iter.Seq2[sse.Event, error]
					if subscribe {
						events = (&sse.Client{HTTP: client}).Subscribe(req)
					} else {
						resp, err := client.Do(req)
						if err != nil {
							t.Fatal(err)
						}
						events = sse.ReadResponse(resp, nil)
					}
					var got []string
					var last error
					for m, err := range sse.JSON[text](events, &sse.JSONOptions{Done: sse.WithData("[DONE]")}) {
						if last = err; err == nil {
							got = append(got, m.Value.Text)
							ctx.stop(cause)
						}
					}
					if !isTruncated(last) || !errors.Is(last, cause) || !slices.Equal(got, []string{"a"}) {
						t.Errorf("got %q, %v", got, last)
					}
				})
			}
		}
	}
}

// stoppable is a context that ends when the test says so, with any error. A real deadline would make the test depend on
// the speed of the machine.
type stoppable struct {
	context.Context
	done chan struct{}
	err  error // set before done is closed
}

func newStoppable(ctx context.Context) *stoppable {
	return &stoppable{Context: ctx, done: make(chan struct{})}
}

func (s *stoppable) stop(err error) {
	s.err = err
	close(s.done)
}

func (s *stoppable) Done() <-chan struct{} { return s.done }

func (s *stoppable) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// TestJSONDetectsTruncationInAnySequence: a sequence passed to JSON may end with the errors of a reader or of a Client.
// Only an error that says that there was no stream does not mean truncation.
func TestJSONDetectsTruncationInAnySequence(t *testing.T) {
	for err, want := range map[error]bool{
		io.ErrUnexpectedEOF: true, sse.ErrEnded: true, sse.ErrIdle: true, context.Canceled: true, context.DeadlineExceeded: true,
		os.ErrDeadlineExceeded: true, http.ErrBodyReadAfterClose: true, io.ErrNoProgress: true, syscall.ECONNRESET: true,
		error(&sse.TooLargeError{}): true, error(&sse.TruncatedError{Err: io.ErrUnexpectedEOF}): true,
		error(&sse.ResponseError{}): false, error(&sse.RequestError{}): false, error(&sse.RedirectError{}): false, sse.ErrUsed: false,
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
