package h1_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/sse/ssetest"
)

// TestAnswersAreThoseOfNetHTTP: requests that follow a plain one on its connection get the answers of net/http, whatever they are. So a client cannot
// tell who serves it, and no malformed request is understood in another way than before.
func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	ours := serve(t, echo)
	std := serve(t, echo, func(hs *http.Server) { hs.WriteTimeout = time.Hour }) // takes no connection over
	const host, one = "Host: localhost\r\n", "Content-Length: 1\r\n\r\nx"
	for _, request := range []string{
		post("/events/news", "", "hello"),
		post("/events/news?type=a%20b", "Content-Type: text/plain\r\nX-A: 1\r\nx-a: \t 2 \r\nÄ: 1\r\n", "hello"),
		post("/empty", "", ""),
		post("/large", "", strings.Repeat("x", 100_000)),
		post("/other/route", "", "hello"),
		"PUT /a HTTP/1.1\r\n" + host + one,
		"GET /a HTTP/1.1\r\n" + host + "\r\n",
		"DELETE /a HTTP/1.1\r\n" + host + one,
		"PATCH /a HTTP/1.1\r\n" + host + one,
		"post /a HTTP/1.1\r\n" + host + one,
		"POST /a HTTP/1.0\r\n" + host + one,
		"POST /a HTTP/1.2\r\n" + host + one,
		"POST /a HTTP/2.0\r\n" + host + one,
		"POST /a\r\n" + host + one,
		"POST  /a HTTP/1.1\r\n" + host + one,
		"POST /a  HTTP/1.1\r\n" + host + one,
		"POST /a b HTTP/1.1\r\n" + host + one,
		"POST a HTTP/1.1\r\n" + host + one,
		"POST * HTTP/1.1\r\n" + host + one,
		"POST //a HTTP/1.1\r\n" + host + one,
		"POST /%zz HTTP/1.1\r\n" + host + one,
		"POST /%2Fa/../b/./ HTTP/1.1\r\n" + host + one,
		"POST /\xff HTTP/1.1\r\n" + host + one,
		"POST /a#b HTTP/1.1\r\n" + host + one,
		"POST http://elsewhere/a HTTP/1.1\r\n" + host + one,
		"\r\nPOST /a HTTP/1.1\r\n" + host + one,
		"\r\n\n\nPOST /a HTTP/1.1\r\n" + host + one,
		"\r\n\r\n\r\nPOST /a HTTP/1.1\r\n" + host + one,
		"POST /a HTTP/1.1\n" + "Host: localhost\nContent-Length: 1\n\nx",
		"POST /a HTTP/1.1\r\n" + one,
		"POST /a HTTP/1.1\r\nHost:\r\n" + one,
		"POST /a HTTP/1.1\r\nHost: a b\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + host + one,
		"POST /a HTTP/1.1\r\n" + host + "Content-Length: 1\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "Content-Length: +1\r\n\r\nx",
		"POST /a HTTP/1.1\r\n" + host + "Content-Length: 01\r\n\r\nx",
		"POST /a HTTP/1.1\r\n" + host + "Content-Length: 1, 1\r\n\r\nx",
		"POST /a HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\nx",
		"POST /a HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\n",
		"POST /a HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\nx",
		"POST /a HTTP/1.1\r\n" + host + "\r\n",
		"POST /a HTTP/1.1\r\n" + host + "Content-Length : 1\r\n\r\nx",
		"POST /a HTTP/1.1\r\n" + host + "Bad Name: 1\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + ": 1\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "no colon\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "X: a\r\n folded\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "X: a\x00b\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "X: a\rb\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "X: a\nY: b\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "X: \xff\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\nx\r\n0\r\nX: 1\r\n\r\n",
		"POST /a HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "Expect: something\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "Connection: close\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "Connection: keep-alive, X\r\nX: 1\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "Upgrade: h2c\r\nConnection: Upgrade\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "Pragma: no-cache\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 5000) + "\r\n" + one,
		"POST /a HTTP/1.1\r\n" + host + strings.Repeat("X: 1\r\n", 500) + one,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x16\x03\x01\x00\x05hello\r\n\r\n",
		"nonsense\r\n\r\n",
	} {
		name := fmt.Sprintf("%.80q", request)
		want, wantNext := converse(std.dial(), request)
		got, gotNext := converse(ours.dial(), request)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the answers differ (-net/http +h1):\n%s", name, diff)
		}
		if wantNext != gotNext {
			t.Errorf("%s: another request may follow: %v, with net/http %v", name, gotNext, wantNext)
		}
	}
	if n := ours.takes.Load(); n < 60 {
		t.Errorf("%d connections were taken over; the test compares net/http with itself", n)
	}
	if n := std.takes.Load(); n > 0 {
		t.Errorf("%d connections of a server with WriteTimeout were taken over", n)
	}
}

// converse sends a plain request, another request, and a plain one again. It returns the second answer, and whether the third request is answered.
func converse(p *peer, request string) (got []string, next bool) {
	p.Helper()
	p.write(post("/first", "", "x"))
	p.answer()
	p.write(request)
	a, err := p.tryAnswer()
	if err != nil {
		return []string{"no answer"}, false
	}
	got = append(got, a.Status, a.body)
	for name, values := range a.Header {
		if name != "Date" {
			got = append(got, name+": "+strings.Join(values, "|"))
		}
	}
	if len(a.TransferEncoding) > 0 || a.Header.Get("Date") == "" && a.StatusCode == http.StatusOK {
		got = append(got, fmt.Sprint(a.TransferEncoding, a.Header.Get("Date")))
	}
	slices.Sort(got[2:])
	if _, err := io.WriteString(p, post("/last", "", "y")); err != nil {
		return got, false
	}
	a, err = p.tryAnswer()
	return got, err == nil && a.StatusCode == http.StatusOK
}

// TestBytesMayArriveOneByOne: how a request is cut into packets does not matter.
func TestBytesMayArriveOneByOne(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	c := s.dialTaken()
	for _, b := range []byte(post("/events/news", "X-A: 1\r\n", "hello") + "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n") {
		c.write(string(b))
	}
	if a := c.answer(); a.body != "POST /events/news localhost HTTP/1.1: 5 bytes, hello" {
		t.Errorf("%s %q", a.Status, a.body)
	}
	if a := c.answer(); a.body != "GET /a localhost HTTP/1.1: 0 bytes, " {
		t.Errorf("%s %q", a.Status, a.body)
	}
}

// TestPipelinedRequestsAreAnsweredInOrder: also if they do not fit into the buffer together, and if net/http has to serve some.
func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	var all strings.Builder
	const requests = 200
	for i := range requests {
		request := post(fmt.Sprintf("/events/news?%d", i), "", strings.Repeat("x", 37*i%3000))
		if i%50 == 49 {
			request = strings.Replace(request, "POST", "PATCH", 1)
		}
		all.WriteString(request)
	}
	c := s.dial()
	go func() { _, _ = io.WriteString(c, all.String()) }() // the answers say whether it succeeds
	for i := range requests {
		if a := c.answer(); a.StatusCode != http.StatusOK || a.Header.Get("X-Query") != strconv.Itoa(i) || a.Header.Get("X-Length") != strconv.Itoa(37*i%3000) {
			t.Fatalf("answer %d is %s %q %.100q", i, a.Status, a.Header, a.body)
		}
	}
}

// TestAPlainRequestCostsOneReadAndOneWrite: its header and its body arrive together, and its answer leaves in one piece.
func TestAPlainRequestCostsOneReadAndOneWrite(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	c := s.dialTaken()
	reads, writes := s.io.reads.Load(), s.io.writes.Load()
	const requests = 100
	for range requests {
		c.write(post("/events/news", "", "hello"))
		c.answer()
	}
	// The read for a request begins before it arrives. That after the last request may have begun or not.
	if r, w := s.io.reads.Load()-reads, s.io.writes.Load()-writes; r > requests+1 || w != requests {
		t.Errorf("%d requests need %d reads and %d writes", requests, r, w)
	}
}

// TestShutdownWaitsForAnswers and closes connections without a request at once.
func TestShutdownWaitsForAnswers(t *testing.T) {
	t.Parallel()
	began, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			close(began)
			<-release
		}
		echo(w, r)
	})
	idle, busy := s.dialTaken(), s.dialTaken()
	busy.write(post("/wait", "", "x"))
	<-began
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.h1.Shutdown(nil)
	}()
	idle.ends()
	select {
	case <-done:
		t.Error("Shutdown does not wait")
	default:
	}
	close(release)
	if a := busy.answer(); a.StatusCode != http.StatusOK || !a.Close {
		t.Errorf("%s, closed: %v", a.Status, a.Close)
	}
	busy.ends()
	<-done
	before := s.takes.Load()
	late := s.dial()
	late.write(post("/late", "", "x"))
	if a := late.answer(); a.StatusCode != http.StatusOK || s.takes.Load() != before {
		t.Errorf("after Shutdown net/http does not serve: %s", a.Status)
	}
}

// TestShutdownEndsWithItsContext: a handler that does not return holds nobody up.
func TestShutdownEndsWithItsContext(t *testing.T) {
	t.Parallel()
	began, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) {
		close(began)
		<-release
	})
	defer close(release)
	c := s.dial()
	c.write(post("/wait", "", "x"))
	<-began
	stop := make(chan struct{})
	close(stop)
	s.h1.Shutdown(stop)
	c.ends()
}

// TestConnectionsEndAfterOneRequestWithoutKeepAlive, until keep-alive is enabled again.
func TestConnectionsEndAfterOneRequestWithoutKeepAlive(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	idle := s.dialTaken()
	s.h1.SetKeepAlivesEnabled(false)
	idle.ends()
	before := s.takes.Load()
	c := s.dial()
	c.write(post("/a", "", "x"))
	c.answer()
	if s.takes.Load() != before {
		t.Error("a connection is taken over without keep-alive")
	}
	s.h1.SetKeepAlivesEnabled(true)
	s.dialTaken()
}

// TestAPanicEndsOneConnection, and is logged as by net/http.
func TestAPanicEndsOneConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic("on purpose")
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		echo(w, r)
	})
	for _, path := range []string{"/panic", "/abort"} {
		c := s.dialTaken()
		c.write(post(path, "", "x"))
		c.ends()
	}
	s.dialTaken()
	if text := s.log.String(); strings.Count(text, "http: panic serving 127.0.0.1:") != 1 || !strings.Contains(text, "on purpose") {
		t.Errorf("the log is %q", text)
	}
}

// TestSlowClientsAreDisconnected: one that sends nothing after a request, and one that stops within a header.
func TestSlowClientsAreDisconnected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := ssetest.NewListener()
		open := func() (net.Conn, error) { return l.Dial(t.Context()) }
		s := serveOn(t, l, open, echo, func(hs *http.Server) { hs.IdleTimeout, hs.ReadHeaderTimeout = 3*time.Second, time.Second })
		idle := s.dialTaken()
		for range 5 {
			time.Sleep(2 * time.Second)
			idle.write(post("/a", "", "x"))
			idle.answer()
		}
		began := time.Now()
		idle.ends()
		if d := time.Since(began); d > 3*time.Second || d < 2*time.Second {
			t.Errorf("the connection ends after %v", d)
		}
		slow := s.dialTaken()
		slow.write("POST /events/ne")
		if a := slow.answer(); a.StatusCode != http.StatusBadRequest { // of net/http
			t.Error(a.Status)
		}
		slow.ends()
	})
}

// TestHandlersMayAnswerInParts: such an answer ends with the connection, unless its length is declared.
func TestHandlersMayAnswerInParts(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/declared" {
			w.Header().Set("Content-Length", "6")
		}
		if r.URL.Path == "/large" {
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
			return
		}
		for range 3 {
			_, _ = io.WriteString(w, "ab")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		}
	})
	for path, closes := range map[string]bool{"/parts": true, "/declared": false, "/large": true} {
		c := s.dial()
		c.write(post(path, "", "x"))
		a := c.answer()
		if want := strings.Repeat("ab", 3); path != "/large" && a.body != want || a.Close != closes {
			t.Errorf("%s: %q, closed: %v", path, a.body, a.Close)
		}
		if path == "/large" && len(a.body) != 1<<20 {
			t.Errorf("%d bytes", len(a.body))
		}
		if closes {
			c.ends()
		}
	}
}

// TestUnreadBodiesAreDiscarded, so that the connection can be used again.
func TestUnreadBodiesAreDiscarded(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "unread") })
	c := s.dialTaken()
	for range 3 {
		c.write(post("/a", "", strings.Repeat("x", 100_000)))
		if a := c.answer(); a.body != "unread" || a.Close {
			t.Errorf("%q, closed: %v", a.body, a.Close)
		}
	}
}

// TestABrokenBodyIsAnError, as with net/http.
func TestABrokenBodyIsAnError(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		echo(w, r)
	})
	cut := s.dialTaken()
	cut.write("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nshort")
	if err := cut.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if a := cut.answer(); a.StatusCode != http.StatusRequestTimeout || !strings.Contains(a.body, "unexpected EOF") && !strings.Contains(a.body, "timeout") {
		t.Errorf("%s %q", a.Status, a.body)
	}
	silent := s.dialTaken()
	silent.write("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nshort")
	if a := silent.answer(); a.StatusCode != http.StatusRequestTimeout || !strings.Contains(a.body, "timeout") {
		t.Errorf("%s %q", a.Status, a.body)
	}
}
