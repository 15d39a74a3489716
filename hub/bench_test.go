package hub_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
	"github.com/tidings-sse/tidings/hub"
)

// BenchmarkIngest measures the cost of an event in a streamed body, without the network.
func BenchmarkIngest(b *testing.B) {
	log, err := disklog.Open(filepath.Join(b.TempDir(), "log"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	h, err := hub.New(log, nil)
	if err != nil {
		b.Fatal(err)
	}
	const lines = 1000
	body := strings.Repeat(`{"data":"`+strings.Repeat("x", 100)+"\"}\n", lines)
	for n := 0; n < b.N; n += lines {
		r := httptest.NewRequest(http.MethodPost, "/events/news", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-ndjson")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkPost measures the cost of a single event in the hub, without the network and the log.
func BenchmarkPost(b *testing.B) {
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	h, err := hub.New(instantLog{log}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = h.Shutdown(b.Context()) }()
	data := strings.Repeat("x", 200)
	body := strings.NewReader("")
	r := httptest.NewRequest(http.MethodPost, "/events/news", io.NopCloser(body))
	r.ContentLength = int64(len(data))
	r.Header.Set("Content-Type", "application/json")
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(data)
		h.ServeHTTP(&discarded{header: http.Header{}}, r)
	}
}

// BenchmarkFirstPublish measures the first publish to a topic while there are 100,000 subscriptions to other topics. The yardstick is the
// same publish without subscriptions.
func BenchmarkFirstPublish(b *testing.B) {
	for _, others := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("others=%d", others), func(b *testing.B) {
			log, err := eventlog.NewMemory(nil)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = log.Close() }()
			h, err := hub.New(log, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = h.Shutdown(b.Context()) }()
			for i := range others {
				h.Want(fmt.Sprintf("others/%d", i), fmt.Sprintf("others/*/%d", i))
			}
			n := 0
			for b.Loop() {
				n++
				receipts, err := h.Publish(b.Context(), hub.Event{Topics: []string{fmt.Sprintf("new/%d", n)}, Data: "x"})
				if err != nil {
					b.Fatal(err)
				}
				h.AwaitSettled(receipts[0].Position)
			}
		})
	}
}
