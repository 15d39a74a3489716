package hub

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unsafe"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub/internal/pathtopic"
)

// TestStoredEventDoesNotRetainItsRequest: a topic must not be a substring of the request line, which would keep the whole line in memory,
// with its token.
func TestStoredEventDoesNotRetainItsRequest(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/events/news?topic=sports&type=note&access_token=secret", nil)
	p, err := parseParams(new(Hub), r.URL.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	path, err := pathtopic.Parse(strings.TrimPrefix(sentPath(r.URL), "/events/"))
	if err != nil {
		t.Fatal(err)
	}
	pub, err := parsePost(r, p, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range append(pub.topics, pub.typ) {
		for _, whole := range []string{r.RequestURI, r.URL.Path, r.URL.RawQuery} {
			at, from := uintptr(unsafe.Pointer(unsafe.StringData(part))), uintptr(unsafe.Pointer(unsafe.StringData(whole)))
			if at >= from && at < from+uintptr(len(whole)) {
				t.Errorf("%q is a part of %q", part, whole)
			}
		}
	}
}

// bufferSize is a body that records the size of the buffer that reads it.
type bufferSize struct{ most int }

func (r *bufferSize) Read(p []byte) (int, error) {
	r.most = max(r.most, len(p))
	return 0, io.ErrUnexpectedEOF
}

func (*bufferSize) Close() error { return nil }

// TestMissingBodyUsesNoMemory for any announced length.
func TestMissingBodyUsesNoMemory(t *testing.T) {
	t.Parallel()
	body := &bufferSize{}
	r := &http.Request{ContentLength: 1 << 20, Body: body}
	rent := rent{memory: newBodyMemory(64 << 20), grant: &access.Grant{}}
	if _, err := readEvent(r, &payload{text: true}, 1<<20, &rent); err == nil {
		t.Error("a body that breaks off is taken for one")
	}
	if body.most > uncounted {
		t.Errorf("the hub reserves %d bytes for a body before its first byte", body.most)
	}
}
