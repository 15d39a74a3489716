package hub_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/tidings-sse/tidings/hub"
)

// flusher is an encoder of a content coding.
type flusher interface {
	io.WriteCloser
	Flush() error
}

func newZstd(w io.Writer, o ...zstd.EOption) flusher {
	z, err := zstd.NewWriter(w, append(o, zstd.WithEncoderConcurrency(1))...)
	if err != nil {
		panic(err)
	}
	return z
}

// coders are the encoders of the accepted content codings, by name.
var coders = map[string]func(io.Writer) flusher{
	"gzip": func(w io.Writer) flusher { return gzip.NewWriter(w) },
	"zstd": func(w io.Writer) flusher { return newZstd(w) },
}

// encoded returns a text in the given content codings, applied in order.
func encoded(text string, codings ...string) string {
	for _, coding := range codings {
		var b bytes.Buffer
		w := coders[coding](&b)
		_, _ = io.WriteString(w, text) // to memory
		_ = w.Close()
		text = b.String()
	}
	return text
}

// codingHeader returns a header.
func codingHeader(coding, contentType string) map[string]string {
	return map[string]string{"Content-Encoding": coding, "Content-Type": contentType}
}

// TestCompressedBodiesArePublished in every coding, also if compressed several times.
func TestCompressedBodiesArePublished(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a line of many that are alike\n", 1500)
	skippable := "\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
	for _, how := range []transport{transports[0], transports[len(transports)-1]} {
		s := serve(t, mustMemory(t, nil), nil, how)
		for _, text := range []string{"x", "Grüße", long, ""} {
			for name, test := range map[string]struct{ coding, body string }{
				"gzip":              {"gzip", encoded(text, "gzip")},
				"x-gzip":            {"X-GZip", encoded(text, "gzip")},
				"zstd":              {"zstd", encoded(text, "zstd")},
				"identity":          {"identity", text},
				"an empty list":     {" , ", text},
				"with identity":     {"identity, gzip ,identity", encoded(text, "gzip")},
				"twice":             {"gzip, zstd", encoded(text, "gzip", "zstd")},
				"three times":       {"zstd,gzip,gzip", encoded(text, "zstd", "gzip", "gzip")},
				"gzip in members":   {"gzip", encoded(text, "gzip") + encoded("", "gzip") + encoded("", "gzip")},
				"zstd in frames":    {"zstd", encoded("", "zstd") + skippable + encoded(text, "zstd") + skippable},
				"zstd in one block": {"zstd", string(must(zstd.NewWriter(nil)).EncodeAll([]byte(text), nil))},
			} {
				if name == "zstd in one block" && text == "" {
					continue // EncodeAll writes no frame for an empty text
				}
				for contentType, form := range map[string]string{
					"text/plain": "%s", "application/x-ndjson": "{\"data\":%q}\n", "text/event-stream": "data: %s\n\n",
				} {
					body := test.body
					if contentType != "text/plain" {
						if text == long || text == "" || test.body == text || strings.Contains(name, "in ") {
							continue
						}
						body = encoded(fmt.Sprintf(form, text), codingsIn(test.coding)...)
					}
					header := codingHeader(test.coding, contentType)
					for _, reader := range []io.Reader{strings.NewReader(body), iotest.HalfReader(strings.NewReader(body))} {
						a := s.send(request{method: http.MethodPost, path: "/events/news", reader: reader, header: header})
						if a.status != http.StatusOK {
							t.Errorf("%s, %s, %.10q: %d %s", name, contentType, text, a.status, a.body)
						} else if got := newest(t, s.log).Data; got != text {
							t.Errorf("%s, %s: %.100q arrives as %.100q", name, contentType, text, got)
						}
					}
				}
			}
		}
		header := codingHeader("gzip", "application/x-ndjson; charset=utf-16")
		if a := s.send(request{path: "/events/news", body: encoded("\xff\xfe{\x00\"\x00d\x00a\x00t\x00a\x00\"\x00:\x001\x00}\x00", "gzip"), header: header}); a.status != http.StatusOK {
			t.Error(a.status, a.body)
		}
		a := s.send(request{path: "/events/news?encoding=base64", body: encoded("AP8=", "zstd"), header: codingHeader("zstd", "image/png")})
		if r := newest(t, s.log); a.status != http.StatusOK || r.Data != "\x00\xff" || r.ContentType != "image/png" {
			t.Error(a, r)
		}
		a = s.send(request{method: "QUERY", path: "/events?poll=1", body: encoded("topic=news", "gzip"), header: codingHeader("gzip", "application/x-www-form-urlencoded")})
		if a.status != http.StatusOK || !strings.Contains(a.body, "Grüße") {
			t.Errorf("%d %.100s", a.status, a.body)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// codingsIn returns the names of the coders in a header field.
func codingsIn(field string) (all []string) {
	for name := range strings.SplitSeq(strings.ToLower(field), ",") {
		switch name = strings.TrimPrefix(strings.TrimSpace(name), "x-"); name {
		case "gzip", "zstd":
			all = append(all, name)
		}
	}
	return all
}

// TestCompressedEventIsDeliveredWhenFlushed: the event does not wait for more bytes or for the end of the body.
func TestCompressedEventIsDeliveredWhenFlushed(t *testing.T) {
	t.Parallel()
	for name, coder := range coders {
		for _, how := range []string{"flushed", "in frames of their own", "twice"} {
			for contentType, form := range map[string]string{"application/x-ndjson": "{\"data\":\"%d\"}\n", "text/event-stream": "data: %d\n\n"} {
				t.Run(name+" "+how+" "+contentType, func(t *testing.T) {
					t.Parallel()
					s := serve(t, mustMemory(t, nil), nil, transports[0])
					f := s.follow("/events/news", nil)
					body, in := io.Pipe()
					coding := name
					if how == "twice" {
						coding += ", gzip"
					}
					answered := s.sending(request{method: http.MethodPost, path: "/events/news", reader: body, header: codingHeader(coding, contentType)})
					outer := flusher(nil)
					w := coder(in)
					if how == "twice" {
						outer = gzip.NewWriter(in)
						w = coder(outer)
					}
					for i := range 3 {
						_, err := fmt.Fprintf(w, form, i)
						if err == nil && how == "in frames of their own" {
							if err = w.Close(); err == nil {
								w = coder(in)
							}
						} else if err == nil {
							err = w.Flush()
						}
						if err == nil && outer != nil {
							err = outer.Flush()
						}
						if err != nil {
							t.Fatal(err)
						}
						f.want(fmt.Sprint(i))
					}
					if how != "in frames of their own" {
						if err := w.Close(); err != nil {
							t.Fatal(err)
						}
					}
					if outer != nil {
						if err := outer.Close(); err != nil {
							t.Fatal(err)
						}
					}
					if err := in.Close(); err != nil {
						t.Fatal(err)
					}
					if a := <-answered; a.status != http.StatusOK || !strings.Contains(a.body, `"count":3`) {
						t.Error(a.status, a.body)
					}
				})
			}
		}
	}
}

// TestDamagedCompressedBodyIsRefused: nothing is stored, no matter where the body is cut or damaged.
func TestDamagedCompressedBodyIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[len(transports)-1])
	const text = "some text that is long enough for a block, some text"
	for _, coding := range []string{"gzip", "zstd", "gzip, zstd"} {
		whole := encoded(text, codingsIn(coding)...)
		for cut := range len(whole) {
			a := s.send(request{method: http.MethodPost, path: "/events/news", reader: strings.NewReader(whole[:cut]), header: codingHeader(coding, "")})
			if a.status != http.StatusBadRequest || !strings.Contains(a.body, "is incomplete") {
				t.Errorf("%s cut at %d: %d %s", coding, cut, a.status, a.body)
			}
		}
		a := s.send(request{path: "/events/news", body: whole + "rest", header: codingHeader(coding, "")})
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, coding[len(coding)-4:]) {
			t.Errorf("%s with more behind it: %d %s", coding, a.status, a.body)
		}
		a = s.send(request{path: "/events/news", body: text, header: codingHeader(coding, "")})
		if a.status != http.StatusBadRequest {
			t.Errorf("%s that is none: %d %s", coding, a.status, a.body)
		}
		wantEvents(t, s.log)
	}
	for coding := range coders { // both end with a checksum
		whole := encoded(text, coding)
		for i := range len(whole) {
			bad := []byte(whole)
			bad[i] ^= 0x55
			a := s.send(request{path: "/events/news", body: string(bad), header: codingHeader(coding, "")})
			if a.status == http.StatusOK && newest(t, s.log).Data == text {
				continue // a header byte that decoders ignore
			}
			if a.status != http.StatusBadRequest && a.status != http.StatusUnsupportedMediaType {
				t.Errorf("%s with another byte %d: %d %s", coding, i, a.status, a.body)
			}
		}
	}
}

// TestCutCompressedStreamKeepsCompleteEvents like any other streamed body.
func TestCutCompressedStreamKeepsCompleteEvents(t *testing.T) {
	t.Parallel()
	for coding, coder := range coders {
		s := serve(t, mustMemory(t, nil), nil, transports[0])
		var b bytes.Buffer
		w := coder(&b)
		_, _ = io.WriteString(w, "{\"data\":\"1\"}\n{\"data\":\"2\"}\n{\"data\":\"3")
		_ = w.Flush()
		a := s.send(request{path: "/events/news", body: b.String(), header: codingHeader(coding, "application/x-ndjson")})
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, `"stored":2`) || !strings.Contains(a.body, "incomplete") {
			t.Errorf("%s: %d %s", coding, a.status, a.body)
		}
		wantEvents(t, s.log, "news 1", "news 2")
	}
}

// TestDecompressionBombIsRefused: decompression uses no more memory than the limit.
func TestDecompressionBombIsRefused(t *testing.T) {
	t.Parallel()
	const max = 10_000
	s := serve(t, mustMemory(t, nil), &hub.Options{MaxEvent: max}, transports[0])
	text := strings.Repeat("x", max)
	zeros := strings.Repeat("\x00", 2<<20)
	comments := strings.Repeat(":\n", 1<<20)
	blank := strings.Repeat("\n", 2<<20)
	nothing := strings.Repeat(encoded("", "gzip"), 40_000) // 1 MB of gzip with nothing in it
	for name, test := range map[string]struct {
		coding, contentType, body string
		status                    int
	}{
		"as large as allowed":     {"gzip", "", encoded(text, "gzip"), 200},
		"one more":                {"gzip", "", encoded(text+"x", "gzip"), 413},
		"one byte more, zstd":     {"zstd", "", encoded(text+"x", "zstd"), 413},
		"2 MiB":                   {"gzip", "", encoded(zeros, "gzip"), 413},
		"2 MiB of zstd":           {"zstd", "", encoded(zeros, "zstd"), 413},
		"in each other":           {"gzip, gzip", "", encoded(zeros, "gzip", "gzip"), 413},
		"in each other, mixed":    {"zstd, gzip, zstd", "", encoded(zeros, "zstd", "gzip", "zstd"), 413},
		"in a long line":          {"gzip", "application/x-ndjson", encoded(`{"data":"`+zeros, "gzip"), 413},
		"in an event":             {"zstd", "text/event-stream", encoded("data: "+strings.Repeat("x", 2<<20), "zstd"), 413},
		"in empty lines":          {"gzip", "application/x-ndjson", encoded(blank, "gzip"), 413},
		"in comments":             {"gzip", "text/event-stream", encoded(comments, "gzip"), 413},
		"in comments of zstd":     {"zstd", "text/event-stream", encoded(comments, "zstd"), 413},
		"empty members, many":     {"gzip, gzip", "", encoded(nothing, "gzip"), 413},
		"empty members, streamed": {"gzip, zstd", "application/x-ndjson", encoded(nothing, "zstd"), 413},
		"in another charset":      {"gzip", "text/plain; charset=iso-8859-1", encoded(strings.Repeat("\xe4", max/2+1), "gzip"), 413},
		"UTF-16, as allowed":      {"gzip", "text/plain; charset=utf-16le", encoded(strings.Repeat("x\x00", max), "gzip"), 200},
		"not compressed, UTF-16":  {"", "text/plain; charset=utf-16le", strings.Repeat("x\x00", max), 200},
		"UTF-16, one more":        {"", "text/plain; charset=utf-16le", strings.Repeat("x\x00", max+1), 413},
		"many events, each small": {"gzip", "application/x-ndjson", encoded(strings.Repeat("{\"data\":\"x\"}\n", 50_000), "gzip"), 200},
	} {
		a := s.send(request{method: http.MethodPost, path: "/events/news", reader: strings.NewReader(test.body), header: codingHeader(test.coding, test.contentType)})
		if a.status != test.status || a.status == 413 && !strings.Contains(a.body, "too-large") {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, test.status)
		}
	}
}

// TestZstdWindowIsLimited to the size of RFC 9659. The refusal lists the accepted codings.
func TestZstdWindowIsLimited(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{MaxEvent: 16 << 20}, transports[0])
	noise := make([]byte, 300<<10) // more than a block
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	for window, status := range map[int]int{1 << 10: 200, 1 << 20: 200, 8 << 20: 200, 16 << 20: 415, 512 << 20: 415} {
		for _, first := range []string{"", encoded("", "zstd")} { // the limit holds for a second frame, too
			var b bytes.Buffer
			w := newZstd(&b, zstd.WithWindowSize(window), zstd.WithSingleSegment(false))
			_, _ = w.Write(noise)
			_ = w.Close()
			a := s.send(request{
				method: http.MethodPost, path: "/events/news", reader: strings.NewReader(first + b.String()),
				header: codingHeader("zstd", "application/octet-stream"),
			})
			if a.status != status || status == 415 && (a.header.Get("Accept-Encoding") != "gzip, zstd" || !strings.Contains(a.body, "window")) {
				t.Errorf("a window of %d: %d %v %s", window, a.status, a.header, a.body)
			}
		}
	}
}

// TestRefusedContentCodingListsAcceptedOnes in Accept-Encoding (RFC 9110, section 15.5.16).
func TestRefusedContentCodingListsAcceptedOnes(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		for _, coding := range []string{"br", "deflate", "compress", "gzip, br", "br, gzip", "gzip;q=1", "aws-chunked", "gzip,gzip,gzip,gzip"} {
			for _, contentType := range []string{"", "application/x-ndjson", "text/event-stream", "image/png"} {
				a := s.send(request{path: "/events/news", body: "x", header: codingHeader(coding, contentType)})
				if a.status != http.StatusUnsupportedMediaType || a.header.Get("Accept-Encoding") != "gzip, zstd" {
					s.Errorf("%s: %d %v %s", coding, a.status, a.header, a.body)
				}
			}
		}
		wantEvents(s.T, s.log)
	})
}
