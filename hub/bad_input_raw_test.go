package hub_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/hub"
)

// rawClient is a connection on which a test writes raw HTTP/1.1, including requests that no client sends.
type rawClient struct {
	*testing.T
	*net.TCPConn
	in *bufio.Reader
}

func (s *site) dial() *rawClient {
	s.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = conn.Close() }) // it may be closed
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.Fatal(err)
	}
	return &rawClient{s.T, conn.(*net.TCPConn), bufio.NewReader(conn)}
}

func (c *rawClient) write(text string) {
	c.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.Fatal(err)
	}
}

// readAnswer returns the next response. It does not support HEAD and CONNECT.
func (c *rawClient) readAnswer() answer {
	c.Helper()
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	checkBlocks(c, "a stream by hand", resp)
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// closeWrite closes the sending side; the response can still arrive.
func (c *rawClient) closeWrite() {
	c.Helper()
	if err := c.CloseWrite(); err != nil {
		c.Fatal(err)
	}
}

// TestMalformedRequestsAreRefused: unescaped characters, repeated fields, wrongly framed bodies.
func TestMalformedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &strict, transports[0])
	g := wantUntouched(s)
	for _, test := range []struct {
		head, body    string // host and the end of the header are added
		status        int
		problem, says string
	}{
		// An escaped slash stays part of its segment, also if another character of the path is not escaped as it should be.
		{"GET /events/ü%2Fb HTTP/1.1", "", 400, "invalid-topic", "topic=%C3%BC%2Fb"},
		{"GET /events/a\"%2Fb HTTP/1.1", "", 400, "invalid-topic", "topic=a%22%2Fb"},
		{"GET /events/{a}%2Fb HTTP/1.1", "", 400, "invalid-topic", "escaped slash"},
		{"POST /events/a|%2f%2fb HTTP/1.1\nContent-Length: 1", "x", 400, "invalid-topic", "escaped slash"},
		{"POST /events/^%2E%2E/%2e HTTP/1.1\nContent-Length: 1", "x", 400, "invalid-topic", "dots"},
		{"GET /events/\xff HTTP/1.1", "", 400, "invalid-topic", "UTF-8"},
		{"GET /events/a//\\b HTTP/1.1", "", 400, "invalid-topic", "empty segment"},
		{"GET http://evil.example/events//news HTTP/1.1", "", 400, "invalid-topic", "empty segment"},
		{"GET http://evil.example HTTP/1.1", "", 404, "not-found", "/events"},
		{"GET /events#news HTTP/1.1", "", 404, "not-found", "/events"},
		{"POST /events/news?a=%00;%zz HTTP/1.1\nContent-Length: 1", "x", 400, "invalid-request", "parameters"},
		{"get /events HTTP/1.1", "", 405, "method-not-allowed", "get"},

		{"POST /events/news HTTP/1.1\nContent-Type: text/plain\nContent-Type: image/png\nContent-Length: 1", "x", 415, "unsupported-media-type", "2 Content-Type fields"},
		{"POST /events/news HTTP/1.1\nContent-Encoding: identity\nContent-Encoding: br\nContent-Length: 1", "x", 415, "unsupported-media-type", "br"},
		{"POST /events/news HTTP/1.1\nIdempotency-Key: a\nIdempotency-Key: a\nContent-Length: 1", "x", 400, "invalid-request", "once"},
		{"POST /events/news HTTP/1.1\nIdempotency-Key: a\nIdempotency-Key: b\nContent-Length: 1", "x", 400, "invalid-request", "once"},
		{"POST /events/news HTTP/1.1\nOrigin: http://x\nOrigin: null\nContent-Length: 1", "x", 403, "foreign-origin", "x"},

		// A client that sends Expect: 100-continue gets the refusal before it sends the body.
		{"POST /events/news HTTP/1.1\nExpect: 100-continue\nContent-Length: 1001", "", 413, "too-large", "1000"},
		{"POST /events/news HTTP/1.1\nExpect: 100-continue\nContent-Length: 9223372036854775807", "", 413, "too-large", "1000"},
		{"POST /events/a//b HTTP/1.1\nExpect: 100-continue\nContent-Length: 1", "", 400, "invalid-topic", "empty segment"},
		{"PUT /events/news HTTP/1.1\nExpect: 100-continue\nContent-Length: 1\nOrigin: https://evil.example", "", 403, "foreign-origin", "evil"},
		{"POST /events/news HTTP/1.1\nExpect: 100-continue\nTransfer-Encoding: chunked\nContent-Type: multipart/form-data", "", 415, "unsupported-media-type", "data-binary"},
		{"POST /events HTTP/1.1\nExpect: 100-continue\nContent-Length: 1", "", 400, "invalid-topic", "name the topic"},
		{"QUERY /events HTTP/1.1\nExpect: 100-continue\nContent-Length: 1", "", 415, "unsupported-media-type", "form"},

		// Bodies that end early, or whose chunks are malformed.
		{"POST /events/news HTTP/1.1\nContent-Length: 10", "short", 408, "broken-body", "again"},
		{"POST /events/news HTTP/1.1\nContent-Length: 10\nContent-Type: image/png", "", 408, "broken-body", "again"},
		{"POST /events/news?encoding=base64 HTTP/1.1\nContent-Length: 10", "eA==", 408, "broken-body", "again"},
		{"POST /events/news HTTP/1.1\nTransfer-Encoding: chunked", "5\r\nhello\r\n", 408, "broken-body", "again"},
		{"POST /events/news HTTP/1.1\nTransfer-Encoding: chunked", "5\r\nhel", 408, "broken-body", "again"},
		{"POST /events/news HTTP/1.1\nTransfer-Encoding: chunked", "zz\r\nhello\r\n0\r\n\r\n", 408, "broken-body", "again"},
		{"POST /events/news HTTP/1.1\nTransfer-Encoding: chunked", "-1\r\nhello\r\n0\r\n\r\n", 408, "broken-body", "again"},
		{"POST /events/news HTTP/1.1\nTransfer-Encoding: chunked", "3\r\nhello\r\n0\r\n\r\n", 408, "broken-body", "again"},
		{"POST /events/news HTTP/1.1\nTransfer-Encoding: chunked", "fffffffffffffffff\r\nhello", 408, "broken-body", "again"},
		{"QUERY /events HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 10", "topic=", 408, "broken-body", "again"},
	} {
		c := g.dial()
		c.write(strings.ReplaceAll(test.head, "\n", "\r\n") + "\r\nHost: localhost\r\n\r\n" + test.body)
		if test.status == http.StatusRequestTimeout {
			c.closeWrite()
		}
		refused(t, clipped(test.head+" "+test.body), c.readAnswer(), test.status, test.problem, test.says)
		g.wantUnchanged(test.head)
	}
	g.wantNoEvent()
}

// TestRequestsRefusedByNetHTTPStoreNothing: net/http answers these requests itself.
func TestRequestsRefusedByNetHTTPStoreNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &strict, transports[0])
	g := wantUntouched(s)
	for _, test := range []struct {
		text   string
		status int
	}{
		{"nonsense\r\n\r\n", 400},
		{"POST /events/news\r\n\r\n", 400},
		{"POST /events/news HTTP/9.9\r\nHost: x\r\n\r\n", 505},
		{"POST /events/%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"POST /events/a\x00b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"POST /events/a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"POST events/news HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"P@ST /events/news HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"POST /events/news HTTP/1.1\r\n\r\n", 400},
		{"POST /events/news HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
		{"POST /events/news HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400},
		{"POST /events/news HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\nx", 400},
		{"POST /events/news HTTP/1.1\r\nHost: x\r\nContent-Length: one\r\n\r\nx", 400},
		{"POST /events/news HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nx", 400},
		{"POST /events/news HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 501},
		{"POST /events/news HTTP/1.1\r\nHost: x\r\nExpect: the unexpected\r\nContent-Length: 1\r\n\r\nx", 417},
		{"POST /events/news HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\x00b\r\nContent-Length: 1\r\n\r\nx", 400},
		{"POST /events/news HTTP/1.1\r\nHost: x\r\nContent Type: text/plain\r\nContent-Length: 1\r\n\r\nx", 400},
		{"POST /events/news HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 1<<20) + "\r\n" + strings.Repeat("Y: y\r\n", 2000), 431},
		{"POST /events/" + strings.Repeat("x", 1<<20+8<<10), 431},
	} {
		c := g.dial()
		_, _ = io.WriteString(c, test.text) // fails if the answer arrives before all is sent
		if a := c.readAnswer(); a.status != test.status {
			t.Errorf("%q: %d %s, want %d", clipped(test.text), a.status, a.body, test.status)
		}
		g.wantUnchanged(clipped(test.text))
	}
	g.wantNoEvent()
}

// TestConnectionServesRequestsAfterRefusedBody: the deadline for a refused body must not outlive the body. net/http, which already waits for
// the next request, would take an expired deadline for a disconnect and cancel every later request on the connection.
func TestConnectionServesRequestsAfterRefusedBody(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	const bad = "POST /events/news HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 23\r\n\r\n{\"data\":\"1\"}\nnonsense\r\n"
	const next = "GET /events/news?poll=1&last=1 HTTP/1.1\r\nHost: x\r\n\r\n"
	for range 300 { // the failure was a race
		c := s.dial()
		c.write(bad)
		refused(t, bad, c.readAnswer(), http.StatusBadRequest, "invalid-event", "the event before it is stored")
		c.write(next)
		if a := c.readAnswer(); a.status != http.StatusOK {
			t.Fatalf("the next request on the connection: %+v", a)
		}
		_ = c.Close() // never fails
	}
}

// TestHalfClosedConnectionGetsItsAnswer: when a client closes its sending side, net/http cancels the request's context. The event is stored
// all the same.
func TestHalfClosedConnectionGetsItsAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, mustDisk(t, nil), nil, transports[0])
	const n = 30
	for i := range n {
		kind, body := "text/plain", "x"
		if i%2 == 1 {
			kind, body = "application/x-ndjson", `{"data":"x"}`
		}
		c := s.dial()
		c.write(fmt.Sprintf("POST /events/news HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, len(body), body))
		c.closeWrite()
		if a := c.readAnswer(); a.status != http.StatusOK {
			t.Errorf("%s: %+v", kind, a)
		}
	}
	if head := s.log.Head(); head.Seq != n {
		t.Errorf("the log has %d events, want %d", head.Seq, n)
	}
}

// TestARefusalDoesNotWaitForTheBody: a client that is still sending gets the refusal at once.
func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	s.hubPublish(hub.Event{Topics: []string{"over"}, End: true})
	for _, test := range []struct {
		body          string
		status        int
		problem, says string
	}{
		{"nonsense\n", 400, "invalid-event", "event 0"},
		{"{\"data\":1}\n{\"data\":2,\"type\":\"tidings.gap\"}\n", 400, "invalid-event", "event 1"},
		{"{\"data\":1}\n{\"data\":2,\"topic\":\"over\"}\n", 409, "ended", "event 1"},
	} {
		for range 20 {
			c := s.dial()
			c.write(fmt.Sprintf("POST /events/news HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(test.body), test.body))
			a := c.readAnswer()
			if refused(t, test.body, a, test.status, test.problem, test.says); a.header.Get("Connection") != "" && a.header.Get("Connection") != "close" {
				t.Errorf("Connection: %q", a.header.Get("Connection"))
			}
		}
	}
}
