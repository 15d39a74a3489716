package load

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// taken parses a response that arrives in chunks. It returns its body, and how often opened was called.
func taken(chunks ...string) (body string, opened int, err error) {
	var a response
	for _, p := range chunks {
		err = a.take([]byte(p), func() { opened++ }, func(b []byte) { body += string(b) })
		if err != nil {
			break
		}
	}
	return body, opened, a.cause(err)
}

func TestResponsesAreParsedWhereverTheyAreSplit(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	for name, test := range map[string]struct {
		response string
		end      error
	}{
		"until the end of the connection": {head + "\r\ndata: 1\n\ndata: 2\n\n", nil},
		"by length":                       {head + "Content-Length: 18\r\n\r\ndata: 1\n\ndata: 2\n\n", io.EOF},
		"in chunks":                       {head + "Transfer-Encoding: chunked\r\n\r\n4\r\ndata\r\n0E;x=1\r\n: 1\n\ndata: 2\n\n\r\n0\r\n\r\n", io.EOF},
	} {
		for i := range test.response {
			body, opened, err := taken(test.response[:i], test.response[i:])
			if body != "data: 1\n\ndata: 2\n\n" || opened != 1 || !errors.Is(err, test.end) {
				t.Fatalf("%s, split at %d: %q, opened %d times, %v", name, i, body, opened, err)
			}
		}
	}
}

func TestInvalidResponsesAreErrors(t *testing.T) {
	for response, want := range map[string]string{
		"HTTP/1.1 401 Unauthorized\r\n\r\n":                  "401 Unauthorized",
		"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n": "text/html",
		"SSH-2.0-OpenSSH\r\n\r\n":                            "not HTTP",
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nfoo\r\n":               "not the size of a chunk",
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\r\n":                  "not the size of a chunk",
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ndata: too long\n": "longer than its size",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHead):                                                         "longer than 65536 bytes",
	} {
		if _, _, err := taken(response); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v", response, err)
		}
	}
}

// TestARefusalHasItsTextWhereverItIsSplit: the body of a refusal often arrives after the header.
func TestARefusalHasItsTextWhereverItIsSplit(t *testing.T) {
	const head = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\n"
	for name, test := range map[string]struct {
		response string
		end      error
	}{
		"until the end of the connection": {head + "\r\nonly news", nil},
		"by length":                       {head + "Content-Length: 9\r\n\r\nonly news", io.EOF},
		"in chunks":                       {head + "Transfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n5\r\n news\r\n0\r\n\r\n", io.EOF},
		"without a body":                  {head + "Content-Length: 0\r\n\r\n", io.EOF},
		"larger than is kept":             {head + "\r\n" + strings.Repeat("x", maxHead+1), nil},
	} {
		want := test.response[strings.Index(test.response, "\r\n\r\n")+4:]
		switch name {
		case "in chunks":
			want = "only news"
		case "larger than is kept":
			want = want[:maxHead]
		}
		for i := 0; i < len(test.response); i += 1 + len(test.response)/200 {
			var a response
			stream := func([]byte) { t.Errorf("%s, split at %d: the body is taken for a stream", name, i) }
			var err error
			for _, part := range []string{test.response[:i], test.response[i:]} {
				if err == nil {
					err = a.take([]byte(part), func() { t.Errorf("%s, split at %d: opened", name, i) }, stream)
				}
			}
			refusal, ok := errors.AsType[*Refusal](a.cause(err))
			if !errors.Is(err, test.end) || !ok || refusal.StatusCode != 403 || string(refusal.Text) != want {
				t.Fatalf("%s, split at %d: %v, %+v", name, i, err, refusal)
			}
		}
	}
}
