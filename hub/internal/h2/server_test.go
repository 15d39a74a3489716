package h2_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// handlers are handlers whose answers must not depend on the implementation of HTTP/2.
var handlers = map[string]func(w http.ResponseWriter, r *http.Request){
	"nothing": func(http.ResponseWriter, *http.Request) {},
	"text":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
	"html":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html><body>") },
	"large":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 3<<20)) },
	"pieces": func(w http.ResponseWriter, _ *http.Request) {
		for i := range 2000 {
			_, _ = fmt.Fprintf(w, "line %d\n", i)
		}
	},
	"flushed": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "b")
	},
	"flushed first": func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		w.Header().Set("X-Late", "1")
		_, _ = io.WriteString(w, "b")
	},
	"length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hello")
	},
	"encoded": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		_, _ = io.WriteString(w, "hello")
	},
	"no type": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		w.Header()["Date"] = nil
		_, _ = io.WriteString(w, "hello")
	},
	"204": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if _, err := io.WriteString(w, "hello"); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	},
	"304": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
	"404": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
	"many fields": func(w http.ResponseWriter, _ *http.Request) {
		for i := range 1000 {
			w.Header().Add(fmt.Sprint("X-", i%300), strings.Repeat("v", 100))
		}
	},
	"trailers": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum, X-Unset")
		_, _ = io.WriteString(w, "hello")
		w.Header().Set("X-Sum", "5")
		w.Header().Set(http.TrailerPrefix+"X-More", "6")
	},
	"trailers only": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(http.TrailerPrefix+"X-More", "6") },
	"panics":        func(http.ResponseWriter, *http.Request) { panic("on purpose") },
	"panics late": func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	},
	"reads all": func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n, err, r.Trailer)
	},
	"reads nothing": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "no") },
	"echoes":        func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) },
	"hints": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "hello")
	},
	"describes": func(w http.ResponseWriter, r *http.Request) {
		header := maps.Clone(r.Header)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"method": r.Method, "url": r.URL.String(), "uri": r.RequestURI, "host": strings.Split(r.Host, ":")[0], "proto": r.Proto, "length": r.ContentLength,
			"header": header, "trailer": r.Trailer, "tls": r.TLS != nil, "remote": strings.Split(r.RemoteAddr, ":")[0],
			"server": r.Context().Value(http.ServerContextKey) != nil, "local": r.Context().Value(http.LocalAddrContextKey) != nil,
		})
	},
}

// answerOf describes the answer to a request.
func answerOf(t *testing.T, client *http.Client, r *http.Request) (all []string) {
	t.Helper()
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		all = append(all, fmt.Sprint(code, header))
		return nil
	}}
	resp, err := client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		return append(all, "no answer")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if date := resp.Header.Get("Date"); date != "" {
		resp.Header.Set("Date", "today")
	}
	all = append(all, resp.Status, fmt.Sprint(resp.ContentLength), fmt.Sprintf("%d bytes, %.300q, %v", len(body), body, err != nil), fmt.Sprint(resp.Trailer))
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		all = append(all, name+": "+strings.Join(resp.Header[name], "|"))
	}
	return all
}

// TestAnswersAreThoseOfNetHTTP: handlers notice no difference, and neither do clients.
func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	mux := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handlers[strings.Trim(r.URL.Path, "/")](w, r) })
	each(t, func(t *testing.T, way string) {
		own := serve(t, way, mux, nil)
		std := serveWith(t, way, mux, func(*http.Server) {})
		for name := range handlers {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT"} {
				var got [2][]string
				for i, s := range []string{own.URL, std.URL} {
					r, err := http.NewRequestWithContext(t.Context(), method, s, nil)
					if err != nil {
						t.Fatal(err)
					}
					r.URL.Path, r.URL.RawQuery = "/"+name, "a=1&b=%20"
					r.Header["Cookie"] = []string{"a=b", "c=d"}
					r.Header.Set("Te", "trailers")
					switch method {
					case "POST":
						r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("y", 200_000))), 200_000
					case "PUT":
						r.Body, r.ContentLength = io.NopCloser(strings.NewReader("short")), -1
						r.Trailer = http.Header{"X-End": {"yes"}}
					}
					client := own.Client()
					if i == 1 {
						client = std.Client()
					}
					got[i] = answerOf(t, client, r)
				}
				if diff := cmp.Diff(got[1], got[0]); diff != "" {
					t.Errorf("%s %s: net/http gives -, this package gives +:\n%s", method, name, diff)
				}
			}
		}
	})
}

// TestContinueIsSentWhenTheBodyIsRead: a handler that refuses a body does not ask for it.
func TestContinueIsSentWhenTheBodyIsRead(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, way string) {
		s := serve(t, way, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/read" {
				_, _ = io.Copy(io.Discard, r.Body)
			}
		}), nil)
		p := connect(t, s)
		p.open(1, false, "POST", "/read", "expect", "100-continue")
		if status := p.head(1)[":status"]; status != "100" {
			t.Fatal(status)
		}
		p.check(p.in.WriteData(1, true, []byte("body")))
		if status := p.head(1)[":status"]; status != "200" {
			t.Fatal(status)
		}
		p.open(3, false, "POST", "/refuse", "expect", "100-continue")
		if status := p.head(3)[":status"]; status != "200" {
			t.Fatal(status)
		}
	})
}

// TestWeakTLSIsRefused: HTTP/2 forbids the older cipher suites (RFC 9113, section 9.2.2).
func TestWeakTLSIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, "tls", http.NotFoundHandler(), func(hs *http.Server) {
		hs.TLSConfig = &tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}, MaxVersion: tls.VersionTLS12}
	})
	client := s.Client()
	client.Transport.(*http.Transport).TLSClientConfig.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err == nil {
		_ = resp.Body.Close()
		t.Error(resp.Status)
	}
}
