package hub_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// compressing returns options with which some topics are compressed.
func compressing(patterns ...string) *hub.Options {
	o := new(hub.Options)
	for _, p := range patterns {
		o.Compress = append(o.Compress, eventlog.MustPattern(p))
	}
	return o
}

// unzip decodes a complete gzip stream.
func unzip(t *testing.T, body string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%v after %q", err, text)
	}
	return string(text)
}

// TestAcceptEncodingDecidesWhetherAPollIsCompressed: RFC 9110, section 12.5.3.
func TestAcceptEncodingDecidesWhetherAPollIsCompressed(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), compressing("**"), transports[0])
	for i := range 20 {
		s.post("news", fmt.Sprintf(`{"price":%d}`, i))
	}
	for accept, want := range map[string]bool{
		"gzip": true, "GZIP": true, "x-gzip": true, "gzip, deflate, br, zstd": true, "br;q=1, gzip;q=0.1": true, "*": true, "br, *;q=0.1": true,
		"gzip;q=1.0, identity; q=0.5, *;q=0": true, "gzip ; Q=0.001": true, "identity;q=0, gzip": true, "gzip;q=0.4, x-gzip": true, ",,gzip,": true,
		"*;q=0, gzip": true, "gzip;a=b;q=0.5": true, "identity;q=0, *": true,

		"": false, "identity": false, "br": false, "deflate, br": false, "*;q=0": false, "gzip;q=0": false, "gzip;q=0.000": false, "gzip;q=0, *": false,
		"identity, *;q=0": false, "gzip;q=0.5, identity": false, "gzip;q=0.5, *": false, "gzip;q=x": false, "gzip;q=": false, "gzip;q=-1": false,
		"gzipped": false, "q=1": false, "gzip/1": false, "gzip;q=0, gzip": false, "x-gzip, gzip;q=0": false, "*, *;q=0": false,
		"gzip;q=0.5, identity;q=0.6, identity;q=0": false,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, "QUERY"} {
			r := request{method: method, path: "/events/news?poll=1&since=earliest", header: map[string]string{"Accept-Encoding": accept}}
			if method == "QUERY" {
				r.path, r.body = "/events/news", "poll=1&since=earliest"
				r.header["Content-Type"] = "application/x-www-form-urlencoded"
			}
			a := s.send(r)
			got := a.header.Get("Content-Encoding")
			if a.status != http.StatusOK || got == "gzip" != want || got != "" && got != "gzip" {
				t.Errorf("%s with Accept-Encoding %q: %d, Content-Encoding %q", method, accept, a.status, got)
			}
			if vary := a.header.Get("Vary"); vary != "Origin, Accept, Accept-Encoding" {
				t.Errorf("%s with Accept-Encoding %q: Vary %q", method, accept, vary)
			}
			if method == http.MethodHead {
				continue
			}
			if got == "gzip" {
				a.body = unzip(t, a.body)
			}
			if n := strings.Count(a.body, `{"price":`); n != 20 {
				t.Errorf("%s with Accept-Encoding %q: %d events in %.200q", method, accept, n, a.body)
			}
		}
	}
}

// TestPollsAreMuchSmallerCompressed: events of one form compress well.
func TestPollsAreMuchSmallerCompressed(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), compressing("**"), transports[0])
	for i := range 100 {
		s.post("news", fmt.Sprintf(`{"symbol":"ACME","price":%d.25,"volume":%d,"venue":"XNAS"}`, 90+i%10, i*7))
	}
	poll := func(accept string) string {
		return s.send(request{path: "/events/news?poll=1", header: map[string]string{"Accept-Encoding": accept}}).body
	}
	plain, zipped := poll("identity"), poll("gzip")
	if len(zipped)*4 > len(plain) {
		t.Errorf("%d bytes, compressed %d", len(plain), len(zipped))
	}
	if unzip(t, zipped) == "" {
		t.Error("nothing was polled")
	}
}

// TestOnePatternMustCoverAllTopicsOfACompressedStream: topics of different patterns are never in one window.
func TestOnePatternMustCoverAllTopicsOfACompressedStream(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), compressing("a/**", "b/*"), transports[0])
	for query, want := range map[string]bool{
		"topic=a/1": true, "topic=a/1&topic=a/2": true, "topic=a/**": true, "topic=a": true, "topic=a/*/c": true, "topic=b/*": true, "topic=b/1": true,
		"topic=a/1&topic=b/1": false, "topic=b/1/2": false, "topic=b/**": false, "topic=**": false, "topic=*": false, "": false, "topic=c": false,
		"topic=a/1&topic=c": false, "topic=a/*&topic=b/*": false,
	} {
		for _, poll := range []string{"", "&poll=1"} {
			a := s.send(request{method: http.MethodHead, path: "/events?" + query + poll, header: map[string]string{"Accept-Encoding": "gzip"}})
			if got := a.header.Get("Content-Encoding") == "gzip"; a.status != http.StatusOK || got != want {
				t.Errorf("%s%s: %d, compressed: %v", query, poll, a.status, got)
			}
			if got := strings.Contains(a.header.Get("Vary"), "Accept-Encoding"); got != want {
				t.Errorf("%s%s: Vary: %s", query, poll, a.header.Get("Vary"))
			}
		}
	}
}

// TestNothingIsCompressedWithoutPatterns: compression is for topics that an operator names.
func TestNothingIsCompressedWithoutPatterns(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	a := s.send(request{path: "/events/news?poll=1", header: map[string]string{"Accept-Encoding": "gzip"}})
	if a.header.Get("Content-Encoding") != "" || a.header.Get("Vary") != "Origin, Accept" || !strings.Contains(a.body, "tidings.checkpoint") {
		t.Errorf("%+v", a)
	}
}

// TestEventsOfACompressedStreamArriveAtOnce: over every transport, in every format, for subscribers that share a compressor and for those that join
// later or catch up. Each event is published after all have read the one before.
func TestEventsOfACompressedStreamArriveAtOnce(t *testing.T) {
	t.Parallel()
	each(t, compressing("news/**"), func(s *site) {
		s.post("news/1", "before")
		var all []*follower
		join := func(path string) *follower {
			f := s.follow(path, nil)
			if !f.resp.Uncompressed {
				s.Errorf("the stream is not compressed: %v", f.resp.Header)
			}
			all = append(all, f)
			return f
		}
		for range 20 {
			join("/events/news/1")
		}
		for i := range 70 {
			if i%10 == 5 {
				join("/events/news/1?since=earliest").want(append([]string{"before"}, numbers(0, i-1)...)...)
				join("/events/news/1")
			}
			s.post("news/1", fmt.Sprint(i))
			for _, f := range all {
				f.want(fmt.Sprint(i))
			}
		}
		s.send(request{method: http.MethodPost, path: "/events/news/1?end=1"})
		for _, f := range all {
			if f.want(`tidings.end:{"topic":"news/1","topics":["news/1"]}`); f == all[0] || f == all[len(all)-1] {
				f.end()
			}
		}
	})
}

// TestLinesOfACompressedStreamArriveAtOnce: NDJSON.
func TestLinesOfACompressedStreamArriveAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), compressing("**"), transports[0])
	var all []*bufio.Scanner
	for range 20 {
		resp, err := s.do(t.Context(), request{path: "/events/news", header: map[string]string{"Accept": "application/x-ndjson"}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if !resp.Uncompressed {
			t.Fatalf("the stream is not compressed: %v", resp.Header)
		}
		all = append(all, bufio.NewScanner(resp.Body))
		if !all[len(all)-1].Scan() {
			t.Fatal("there is no checkpoint")
		}
	}
	for i := range 20 {
		s.post("news", fmt.Sprint("event ", i))
		for _, lines := range all {
			if !lines.Scan() || !strings.Contains(lines.Text(), fmt.Sprintf(`"data":"event %d"`, i)) {
				t.Fatalf("event %d: %q, %v", i, lines.Text(), lines.Err())
			}
		}
	}
}

// TestClientsWithoutGzipGetTheSameEvents: their streams are beside those of a group that compresses, over every transport.
func TestClientsWithoutGzipGetTheSameEvents(t *testing.T) {
	t.Parallel()
	each(t, compressing("**"), func(s *site) {
		var all []*follower
		for range 20 {
			all = append(all, s.follow("/events/news", nil))
		}
		for _, accept := range []string{"identity", "*;q=0", "gzip;q=0, *;q=0", "br", "identity;q=1, gzip;q=0.5"} {
			f := s.follow("/events/news", map[string]string{"Accept-Encoding": accept})
			if got := f.resp.Header.Get("Content-Encoding"); got != "" || f.resp.Uncompressed {
				s.Errorf("a client that accepts %q gets the coding %q", accept, got)
			}
			all = append(all, f)
		}
		for i := range 20 {
			s.post("news", fmt.Sprint(i))
			for _, f := range all {
				f.want(fmt.Sprint(i))
			}
		}
	})
}
