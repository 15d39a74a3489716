package conform

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
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

// TestDriversMayEndTheirAnswerWithTheirClient: the handler returns after the line "closed", and after event number "close".
func TestDriversMayEndTheirAnswerWithTheirClient(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(shortDriver(t))
	t.Cleanup(server.Close)
	_, results, err := RunClient(t.Context(), server.URL, quick)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Fault != nil {
			t.Errorf("%s %s: %v (%s)", r.Suite, r.Case, r.Fault, r.Says)
		}
	}
}

// shortDriver is a driver whose handler returns as soon as its client is closed. The line "closed" lacks its line feed.
func shortDriver(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"name": "short", "ids": true, "headers": true, "reconnection": 20}`)
			return
		}
		var o order
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			t.Error(err)
			return
		}
		header := http.Header{}
		for name, value := range o.Headers {
			header.Set(name, value)
		}
		_, _ = io.WriteString(w, "\n")
		w.(http.Flusher).Flush()
		ctx, stop := context.WithCancel(r.Context())
		defer stop()
		events := 0
		err := ours(ctx, o.URL, header, func(e sse.Event) {
			_ = json.NewEncoder(w).Encode(map[string]any{"event": map[string]string{"type": e.Type, "data": e.Data, "id": e.ID}})
			w.(http.Flusher).Flush()
			if events++; events == o.Close {
				stop()
			}
		})
		if ctx.Err() == nil {
			_, _ = fmt.Fprintf(w, `{"closed": %q}`, fmt.Sprint(err))
		}
	}
}

// TestDriverWhoseAnswerEndsTooEarlySaysWhatToDo: its client is open, and so the runner cannot see what it does. With the long reconnection time no case
// that expects silence is over before its answer ends.
func TestDriverWhoseAnswerEndsTooEarlySaysWhatToDo(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"name": "hasty", "reconnection": 60000}`)
		}
	}))
	t.Cleanup(server.Close)
	_, results, err := RunClient(t.Context(), server.URL, quick)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.LeftOut == "" && (r.Fault == nil || !strings.Contains(r.Fault.Error(), `end it after a "closed" line, or when the request ends`)) {
			t.Errorf("%s %s: %v", r.Suite, r.Case, r.Fault)
		}
	}
}

// TestAClientThatGoesOnAfterClosedIsFound: the end of the driver's answer does not end the case.
func TestAClientThatGoesOnAfterClosedIsFound(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o order
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			t.Error(err)
			return
		}
		fault := once(r.Context(), o.URL, http.Header{}, func(sse.Event) {})
		_, _ = fmt.Fprintf(w, `{"closed": %q}`, fmt.Sprint(fault))
		go func() { _ = once(t.Context(), o.URL, http.Header{}, func(sse.Event) {}) }()
	}))
	t.Cleanup(server.Close)
	trials := lifecycleTrials(quick)
	trial := trials[slices.IndexFunc(trials, func(t trial) bool { return t.Case == "status-404" })]
	s := newStage(trial.otherwise, trial.answers...)
	t.Cleanup(s.close)
	// The runner watches a closed client for longer than its reconnection time.
	r := trial.run(t.Context(), server.URL, Client{Name: "undead", Reconnection: 60_000}, s, quick)
	if r.Fault == nil || !strings.Contains(r.Fault.Error(), "a request too many") {
		t.Errorf("a second request after a 404: %v", r.Fault)
	}
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
	var progress []string
	told := quick
	told.Progress = func(line string) { progress = append(progress, line) }
	_, results, err := RunClient(t.Context(), driver(t, ours), told)
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
	all := len(results)
	if want := fmt.Sprintf("%d runs, 100 at the same time; a run that waits in vain takes 2m0s or more", all); progress[0] != want {
		t.Errorf("the first line of progress is %q, want %q", progress[0], want)
	}
	if want := fmt.Sprintf("%d of %d runs done", all/50*50, all); len(progress) != 1+all/50 || progress[len(progress)-1] != want {
		t.Errorf("the lines of progress are %q, the last should be %q", progress, want)
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
