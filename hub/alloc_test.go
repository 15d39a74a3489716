package hub_test

import (
	"context"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// instantLog acknowledges records without storing them.
type instantLog struct{ eventlog.Log }

func (l instantLog) Append(_ context.Context, records []eventlog.Record) ([]eventlog.Receipt, error) {
	return make([]eventlog.Receipt, len(records)), nil
}

// discarded is a ResponseWriter that discards the response.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }
func (d *discarded) WriteHeader(status int)      { d.status = status }

// TestASinglePostAllocatesLittle: a plain body allocates nothing for decoding.
func TestASinglePostAllocatesLittle(t *testing.T) {
	h := mustHub(t, instantLog{mustMemory(t, nil)}, nil)
	defer func() {
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for contentType, most := range map[string]float64{"": 16, "application/json": 16, "text/plain; charset=utf-8": 16, "image/png": 16} {
		body := strings.NewReader("")
		r := httptest.NewRequest(http.MethodPost, "/events/news", io.NopCloser(body))
		const data = `{"some":"data","of":"an event"}`
		r.ContentLength = int64(len(data))
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		w := &discarded{header: http.Header{}}
		got := leastAllocs(200, func() {
			body.Reset(data)
			clear(w.header)
			w.status = 0
			h.ServeHTTP(w, r)
		})
		if w.status != 0 && w.status != http.StatusOK {
			t.Errorf("%s: %d", contentType, w.status)
		}
		if got > most {
			t.Errorf("%s: %v allocations, want at most %v", contentType, got, most)
		}
	}
}

// TestAnEventOfManyAllocatesLittle: the lines of an NDJSON body share what they have in common.
func TestAnEventOfManyAllocatesLittle(t *testing.T) {
	h := mustHub(t, instantLog{mustMemory(t, nil)}, nil)
	defer func() {
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	const events = 10_000
	data := strings.Repeat(`{"data":"hello"}`+"\n", events)
	body := strings.NewReader("")
	r := httptest.NewRequest(http.MethodPost, "/events/news", io.NopCloser(body))
	r.ContentLength = int64(len(data))
	r.Header.Set("Content-Type", "application/x-ndjson")
	w := &discarded{header: http.Header{}}
	got := leastAllocs(3, func() {
		body.Reset(data)
		clear(w.header)
		w.status = 0
		h.ServeHTTP(w, r)
	}) / events
	if w.status != 0 && w.status != http.StatusOK {
		t.Errorf("status %d", w.status)
	}
	if most := 1.2; got > most {
		t.Errorf("%v allocations per event, want at most %v", got, most)
	}
}

// leastAllocs returns how often f allocates, as testing.AllocsPerRun. It measures five times and returns the least, because the hubs of tests
// that wait for their turn allocate, too.
func leastAllocs(runs int, f func()) float64 {
	least := math.Inf(1)
	for range 5 {
		least = min(least, testing.AllocsPerRun(runs, f))
	}
	return least
}
