package sse_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/sse"
)

func post(ctx context.Context, body string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://server.test/ask", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	return req
}

func TestPostIsSentAgainOnlyWithRepeat(t *testing.T) {
	tests := map[string]struct {
		answer answer
		fails  bool
	}{
		"clean end": {stream("data: a\n\n"), false},
		"cut":       {stream("data: a\n\n").then(cut), true},
		"truncated": {stream("data: a\n\ndata: b\n"), true},
		"503":       {status(503), true},
		"refused":   {cut, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{test.answer}, func(t *testing.T, s *server, c *sse.Client) {
				_, err := collect(c.Subscribe(post(t.Context(), "question")))
				if (err != nil) != test.fails || len(s.bodies) != 1 {
					t.Errorf("%d requests, %v", len(s.bodies), err)
				}
			})
		})
	}
}

func TestRepeatSendsTheWholePostAgain(t *testing.T) {
	inBubble(t, []answer{stream("id: 1\ndata: a\n\n"), status(503), stream("data: b\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
		c.Repeat = true
		data, err := collect(c.Subscribe(post(t.Context(), "question")))
		if err != nil || !slices.Equal(data, []string{"a", "b"}) {
			t.Errorf("got %q, %v", data, err)
		}
		if !slices.Equal(s.bodies, []string{"question", "question", "question", "question"}) {
			t.Errorf("the bodies were %q", s.bodies)
		}
	})
}

// closing is a body that records its Close.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func TestRequestBodyIsUsedAndClosed(t *testing.T) {
	inBubble(t, []answer{stream("data: a\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
		req := post(t.Context(), "x")
		own := &closing{Reader: strings.NewReader("x")}
		req.Body = own
		if _, err := collect(c.Subscribe(req)); err != nil || !own.closed || s.bodies[0] != "x" {
			t.Errorf("closed %v, sent %q, %v", own.closed, s.bodies, err)
		}
	})
}

func TestUnusableRequestIsRefusedBeforeItIsSent(t *testing.T) {
	request := func(method, url string, body io.Reader) *http.Request {
		req, err := http.NewRequestWithContext(t.Context(), method, url, body)
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	once := request("POST", "http://x.test", io.MultiReader(strings.NewReader("x")))
	control := request("GET", "http://x.test", nil)
	control.Header["X-Bad"] = []string{"a\nb"}
	name := request("GET", "http://x.test", nil)
	name.Header["X Bad"] = []string{"a"}
	tests := map[string]*http.Request{
		"another scheme":                  request("GET", "ftp://x.test/", nil),
		"no scheme":                       request("GET", "localhost/events", nil),
		"no host":                         request("GET", "http:///events", nil),
		"port without a host":             request("GET", "http://:3000/events", nil),
		"port that does not exist":        request("GET", "http://x.test:99999/events", nil),
		"body without GetBody":            once,
		"control character in a header":   control,
		"header name that is not a token": name,
	}
	for name, req := range tests {
		t.Run(name, func(t *testing.T) {
			c := sse.Client{Repeat: true}
			_, err := collect(c.Subscribe(req))
			if _, ok := errors.AsType[*sse.RequestError](err); !ok {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if _, err := collect(sse.Subscribe(t.Context(), "http://[::1")); err == nil {
		t.Error("a broken URL gave no error")
	}
}
