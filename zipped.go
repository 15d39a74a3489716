package tidings

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// A hub ends a compressed stream without the end of gzip, which would need a checksum of all bytes for each stream. Decoders then report
// [io.ErrUnexpectedEOF], as for a connection that broke. So the client decodes streams itself: it knows whether the connection ended cleanly.

// unzipping returns the client with which streams are read. It decodes gzip if the transport of the other client would.
func unzipping(client *http.Client) *http.Client {
	if !decodes(client.Transport) {
		return client
	}
	own := *client
	own.Transport = &zipTransport{own.Transport}
	return &own
}

// decodes reports whether a transport asks for gzip and decodes it. The transport of a caller may handle the coding in its own way.
func decodes(t http.RoundTripper) bool {
	if t == nil {
		t = http.DefaultTransport
	}
	if with, ok := t.(*tokenTransport); ok {
		return decodes(with.base)
	}
	known, ok := t.(*http.Transport)
	return ok && !known.DisableCompression
}

// zipTransport asks for gzip and decodes it, as [http.Transport] does.
type zipTransport struct{ base http.RoundTripper }

func (t *zipTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	if req.Header.Get("Accept-Encoding") != "" { // the caller's
		return base.RoundTrip(req)
	}
	req = req.Clone(req.Context()) // a RoundTripper must not change the request
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := base.RoundTrip(req)
	if err != nil || !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return resp, err
	}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength, resp.Uncompressed = -1, true
	resp.Body = &unzipped{in: endNoted{ReadCloser: resp.Body}}
	return resp, nil
}

// unzipped decodes a body. If the body ends cleanly, the end of gzip may be missing.
type unzipped struct {
	in  endNoted
	out *gzip.Reader // nil before the first read: the header of gzip may come later than that of the response
}

func (u *unzipped) Read(b []byte) (n int, err error) {
	if u.out == nil {
		if u.out, err = gzip.NewReader(&u.in); err != nil {
			return 0, err
		}
	}
	if n, err = u.out.Read(b); errors.Is(err, io.ErrUnexpectedEOF) && u.in.ended {
		err = io.EOF
	}
	return n, err
}

func (u *unzipped) Close() error { return u.in.Close() }

// endNoted is a body that notes its clean end.
type endNoted struct {
	io.ReadCloser
	ended bool
}

func (e *endNoted) Read(b []byte) (int, error) {
	n, err := e.ReadCloser.Read(b)
	e.ended = errors.Is(err, io.EOF)
	return n, err
}
