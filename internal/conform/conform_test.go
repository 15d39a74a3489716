package conform

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// driver serves a driver of package sse's client. It behaves as browsers do, and reconnects soon.
func driver(t *testing.T, open Open) string {
	t.Helper()
	server := httptest.NewServer(Handler(Client{Name: "test", IDs: true, Headers: true, Reconnection: 20}, open))
	t.Cleanup(server.Close)
	return server.URL
}

func ours(ctx context.Context, url string, header http.Header, event func(sse.Event)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header = header
	client := sse.Client{Backoff: sse.Backoff{Base: 20 * time.Millisecond}, Recover: sse.WHATWG, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	for e, err := range client.Subscribe(req) {
		if err != nil {
			return err
		}
		event(e)
	}
	return nil
}

var quick = Options{Parallel: 100, Longest: 100 * time.Millisecond, Patience: 2 * time.Minute}

func TestOurClientPassesEveryCaseOverSockets(t *testing.T) {
	t.Parallel()
	_, results, err := RunClient(t.Context(), driver(t, ours), quick)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Fault != nil {
			t.Errorf("%s %s: %v (%s)", r.Suite, r.Case, r.Fault, r.Says)
		}
		if r.Sentence == "" {
			t.Errorf("%s %s has no sentence of the standard", r.Suite, r.Case)
		}
	}
	for suite, score := range Scores(results) {
		if score.Run < 20 || score.LeftOut > 0 {
			t.Errorf("%s: %+v", suite, score)
		}
	}
}

// TestFaultyClientsAreFound: each client has one fault, and the runner names a case and the sentence that it breaks.
func TestFaultyClientsAreFound(t *testing.T) {
	for fault, test := range map[string]struct {
		open     Open
		suite    string
		name     string
		sentence string
	}{
		"short lines": {func(ctx context.Context, url string, header http.Header, event func(sse.Event)) error {
			return ours(ctx, url, header, func(e sse.Event) {
				if len(e.Data) < 64<<10 {
					event(e)
				}
			})
		}, Parser, "long-line", "Append the field value to the data buffer"},
		"no reconnection": {func(ctx context.Context, url string, header http.Header, event func(sse.Event)) error {
			return once(ctx, url, header, event)
		}, Lifecycle, "end-clean", "reestablish the connection"},
		"forgets the position": {func(ctx context.Context, url string, header http.Header, event func(sse.Event)) error {
			for ctx.Err() == nil {
				if err := once(ctx, url, header, event); err != nil {
					return err
				}
			}
			return nil
		}, Resume, "id", "Last-Event-ID"},
		"an event too many": {func(ctx context.Context, url string, header http.Header, event func(sse.Event)) error {
			return ours(ctx, url, header, func(e sse.Event) {
				event(e)
				event(e)
			})
		}, Bytewise, "one-event", "Initialize event's type"},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			impatient := quick
			impatient.Patience = 500 * time.Millisecond
			_, results, err := RunClient(t.Context(), driver(t, test.open), impatient)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range BrokenSentences(results) {
				for _, r := range b.Cases {
					if r.Suite == test.suite && r.Case == test.name && strings.Contains(b.Sentence, test.sentence) {
						return
					}
				}
			}
			t.Errorf("the fault is not found in %v", Scores(results))
		})
	}
}

// once reads one stream, without reconnecting.
func once(ctx context.Context, url string, header http.Header, event func(sse.Event)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header = header
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	for e, err := range sse.ReadResponse(resp, nil) {
		if err != nil {
			return err
		}
		event(e)
	}
	return nil
}

// TestDriversThatFailAreErrors: the runner reports a driver that is none, instead of a client that fails every case.
func TestDriversThatFailAreErrors(t *testing.T) {
	t.Parallel()
	none := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(none.Close)
	for _, url := range []string{none.URL, "http://127.0.0.1:1"} {
		if _, _, err := RunClient(t.Context(), url, quick); err == nil {
			t.Errorf("%s is taken for a driver", url)
		}
	}
}
