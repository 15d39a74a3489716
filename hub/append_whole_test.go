package hub_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidings-sse/tidings/eventlog"
)

// countingLog notes how many records each Append has.
type countingLog struct {
	eventlog.Log
	appends chan int
}

func (l countingLog) Append(ctx context.Context, records []eventlog.Record) ([]eventlog.Receipt, error) {
	l.appends <- len(records)
	return l.Log.Append(ctx, records)
}

// pieces is a body that arrives in pieces.
type pieces struct{ text string }

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), 1400)], p.text)
	p.text = p.text[n:]
	return n, nil
}

// TestBodyOfKnownLengthIsOneAppend: the hub stored the first lines while it read the others, and a publisher of a hundred lines waited for the
// disk, or for the other hubs of a cluster, five times.
func TestBodyOfKnownLengthIsOneAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := countingLog{mustMemory(t, nil), make(chan int, 100)}
		h := mustHub(t, log, nil)
		text := strings.Repeat(`{"data":"`+strings.Repeat("x", 200)+"\"}\n", 100)
		r := httptest.NewRequest(http.MethodPost, "/events/news", &pieces{text})
		r.Header.Set("Content-Type", "application/x-ndjson")
		r.ContentLength = int64(len(text))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if first := <-log.appends; first != 100 || len(log.appends) > 0 || w.Code != http.StatusOK {
			t.Errorf("the first of %d appends has %d records; %d %s", 1+len(log.appends), first, w.Code, w.Body)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestEventsOfAKnownLengthAreStoredBeforeTheRestArrives, if the rest does not arrive at once.
func TestEventsOfAKnownLengthAreStoredBeforeTheRestArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := countingLog{mustMemory(t, nil), make(chan int, 100)}
		h := mustHub(t, log, nil)
		body, in := io.Pipe()
		line := "{\"data\":\"x\"}\n"
		r := httptest.NewRequest(http.MethodPost, "/events/news", body)
		r.Header.Set("Content-Type", "application/x-ndjson")
		r.ContentLength = int64(3 * len(line))
		w, done := httptest.NewRecorder(), make(chan struct{})
		go func() {
			defer close(done)
			h.ServeHTTP(w, r)
		}()
		for range 3 {
			if _, err := fmt.Fprint(in, line); err != nil {
				t.Fatal(err)
			}
			if n := <-log.appends; n != 1 { // in a bubble, this would end the test if the events were kept
				t.Errorf("an append has %d records", n)
			}
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if <-done; w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"count":3`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// deafLog stores nothing, and answers no Append before its context ends.
type deafLog struct {
	eventlog.Log
	asked chan struct{}
}

func (l deafLog) Append(ctx context.Context, _ []eventlog.Record) ([]eventlog.Receipt, error) {
	l.asked <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestPublisherGetsAnAnswerFromAHubWhoseLogHasFailed: a hub that stopped for that reason waited for the outcome for 10 s, and then broke the connection.
func TestPublisherGetsAnAnswerFromAHubWhoseLogHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := deafLog{mustMemory(t, nil), make(chan struct{}, 2)}
		h := mustHub(t, log, nil)
		post := func() string {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/events/news", strings.NewReader("hello")))
			return fmt.Sprintf("%d %s", w.Code, w.Body)
		}
		const want = "whether the event is stored is not known"
		answer := make(chan string, 1)
		go func() { answer <- post() }()
		<-log.asked
		h.GiveUpAppends()
		if got := <-answer; !strings.HasPrefix(got, "503 ") || !strings.Contains(got, want) {
			t.Errorf("under way: %s", got)
		}
		if got := post(); !strings.HasPrefix(got, "503 ") || !strings.Contains(got, want) {
			t.Errorf("later: %s", got)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
