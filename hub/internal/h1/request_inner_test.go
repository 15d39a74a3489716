package h1

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzPlainRequest: if a header is of the plain form, net/http accepts it, and reads the same in it.
func FuzzPlainRequest(f *testing.F) {
	for _, head := range []string{
		"POST /events/news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n",
		"PUT /events?topic=a%2Fb&type=x HTTP/1.1\r\nhost:localhost:3000\r\ncontent-length: 0 \r\nX-a: \t1\r\nx-A: 2\r\nConnection: Keep-Alive\r\n\r\n",
		"POST //a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
		"POST /a%zz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
		"POST /a b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 1\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 01\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n folded\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX: a\nY: b\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX: \x00\r\nÜ: 1\r\n\r\n",
		"POST /a?\x7f HTTP/1.1\r\nHost: a/b\r\nContent-Length: 1\r\nPragma: no-cache\r\n\r\n",
		"POST /a#b HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 1\r\nCookie: a=b; c\r\n\r\n",
		"POST  HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
		"POST * HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
		"POST http://b/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
		"\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
	} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		i := bytes.Index(head, headEnd)
		if i < 0 {
			return
		}
		head = head[:i+len(headEnd)]
		blank := &http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
		x := &exchange{conn: &conn{blank: blank.WithContext(context.Background())}}
		if !x.parse(head) {
			return
		}
		in := bufio.NewReader(bytes.NewReader(head))
		want, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("%q is plain, and net/http refuses it: %v", head, err)
		}
		got := &x.request
		if in.Buffered() > 0 || got.Method != want.Method || got.RequestURI != want.RequestURI || got.Host != want.Host ||
			got.ContentLength != want.ContentLength || want.Close || len(want.TransferEncoding) > 0 || len(want.Trailer) > 0 {
			t.Errorf("%q is %+v, to net/http %+v", head, got, want)
		}
		if diff := cmp.Diff(want.Header, got.Header); diff != "" {
			t.Errorf("%q has another header (-net/http +h1):\n%s", head, diff)
		}
		if diff := cmp.Diff(want.URL, got.URL); diff != "" {
			t.Errorf("%q has another URL (-net/http +h1):\n%s", head, diff)
		}
	})
}

// TestPlainFormsAreRead: the requests of usual publishers are of the plain form.
func TestPlainFormsAreRead(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]string{
		"curl": "Host: localhost:3000\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nContent-Length: 5\r\nContent-Type: application/x-www-form-urlencoded",
		"Go":   "Host: localhost:3000\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 5\r\nAccept-Encoding: gzip",
		"Node": "host: localhost:3000\r\nconnection: keep-alive\r\nauthorization: Bearer a.b.c\r\naccept: */*\r\nuser-agent: node\r\n" +
			"accept-encoding: gzip, deflate\r\ncontent-length: 5",
		"Python": "Host: localhost:3000\r\nUser-Agent: python-requests/2.32\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n" +
			"Content-Length: 5",
		"nginx":  "X-Real-IP: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.1\r\nHost: hub.example\r\nContent-Length: 5\r\nOrigin: https://a.example\r\nCookie: session=1",
		"binary": "Host: a\r\nContent-Type: image/png\r\nIdempotency-Key: 1\r\nContent-Length: 5",
	} {
		blank := &http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
		x := &exchange{conn: &conn{blank: blank.WithContext(t.Context())}}
		if !x.parse([]byte("POST /events/news HTTP/1.1\r\n" + fields + "\r\n\r\n")) {
			t.Errorf("%s: not plain", name)
		}
		if got, want := len(x.request.Header), strings.Count(fields, "\r\n"); got != want { // without Host
			t.Errorf("%s: %d fields, want %d", name, got, want)
		}
	}
}
