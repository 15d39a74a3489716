package hub

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/tidings-sse/tidings/eventlog"
)

// Streams and polls whose topics [Options.Compress] names are sent with the content coding gzip (RFC 9110, section 8.4.1.3) to clients that
// accept it. A poll is compressed here, as any other response. The streams of a group share a compressor: see package fanout.

// mayCompress reports whether a subscription may be compressed. One pattern must cover all of its topics, so that topics of different patterns are
// never compressed together. A filter without a name, or a matcher that is not a pattern, makes a stream that shares nothing.
func (o *Options) mayCompress(s *Subscription) bool {
	sel := &s.Selector
	if sel.Filtered() && s.Filter == "" {
		return false
	}
	return slices.ContainsFunc(o.Compress, func(p eventlog.Pattern) bool {
		return !slices.ContainsFunc(sel.Names(), func(name string) bool { return !p.Match(name) }) &&
			!slices.ContainsFunc(sel.Matchers(), func(m eventlog.Matcher) bool {
				wanted, ok := m.(eventlog.Pattern)
				return !ok || !p.Covers(wanted)
			})
	})
}

// compressed returns the encoding of a response, and whether its bytes are compressed.
func (o *Options) compressed(r *http.Request, s *Subscription) (enc Encoding, zipped bool) {
	if !o.mayCompress(s) {
		return s.Encoding, false
	}
	zipped = prefersGzip(r.Header.Values("Accept-Encoding"))
	return negotiated{s.Encoding, zipped}, zipped
}

// negotiated is an encoding with the header fields of a response that clients get in gzip if they accept it.
type negotiated struct {
	Encoding
	zipped bool
}

// Header implements [Encoding].
func (n negotiated) Header(h http.Header) {
	n.Encoding.Header(h)
	if vary := strings.Join(h.Values("Vary"), ", "); !strings.Contains(vary, "Accept-Encoding") {
		h.Set("Vary", vary+", Accept-Encoding")
	}
	if n.zipped {
		h.Set("Content-Encoding", "gzip")
	}
}

// prefersGzip reports whether Accept-Encoding asks for gzip (RFC 9110, section 12.5.3): it gives gzip a weight above 0 that is not below the
// weight of no coding. The most precise element decides. Invalid elements are skipped. Of elements that contradict each other, the one against
// gzip counts.
func prefersGzip(lines []string) bool {
	var gzip, identity, others []float64 // weights
	for _, line := range lines {
		for element := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(element, ";")
			weight, ok := weightOf(params)
			if !ok {
				continue
			}
			switch strings.ToLower(strings.Trim(name, " \t")) {
			case "gzip", "x-gzip":
				gzip = append(gzip, weight)
			case "identity":
				identity = append(identity, weight)
			case "*":
				others = append(others, weight)
			}
		}
	}
	if gzip == nil {
		gzip = others
	}
	if identity == nil {
		identity = others
	}
	if gzip == nil {
		return false
	}
	least := slices.Min(gzip)
	return least > 0 && (identity == nil || least >= slices.Max(identity))
}

// weightOf returns the weight in the parameters of an element, 1 if there is none.
func weightOf(params string) (float64, bool) {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.Trim(name, " \t"), "q") {
			return parseWeight(strings.Trim(value, " \t"))
		}
	}
	return 1, true
}

// zipWriter compresses the writes of a response. It keeps no window between two writes, so that a slow client holds little memory.
type zipWriter struct {
	write  func([]byte) error
	buf    bytes.Buffer
	writer *gzip.Writer
}

func newZipWriter(write func([]byte) error) *zipWriter {
	z := &zipWriter{write: write}
	z.writer, _ = gzip.NewWriterLevel(&z.buf, gzip.StatelessCompression) // an error means an invalid level
	return z
}

// send compresses bytes and writes them, so that the client can read all of them.
func (z *zipWriter) send(b []byte) error {
	_, _ = z.writer.Write(b) // writing to a buffer does not fail
	return z.flush()
}

// end writes the end of the coding: without it the client takes the response for one that was cut off.
func (z *zipWriter) end() error {
	_ = z.writer.Close() // as above
	return z.flush()
}

func (z *zipWriter) flush() error {
	defer z.buf.Reset()
	return z.write(z.buf.Bytes())
}
