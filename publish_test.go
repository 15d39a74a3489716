package tidings_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

func TestPublishSendsDataUnchanged(t *testing.T) {
	tests := map[string]struct {
		event  tidings.Event
		params url.Values
		kind   string
	}{
		"text": {
			tidings.Event{Topic: "news", Data: []byte("hello\nworld")},
			url.Values{"topic": {"news"}},
			"text/plain; charset=utf-8",
		},
		"bytes": {
			tidings.Event{Topic: "news", Data: []byte{0, 0xFF, '\r'}, Binary: true},
			url.Values{"topic": {"news"}},
			"application/octet-stream",
		},
		"all there is": {
			tidings.Event{Topics: []string{"https://example.com/a//b/?x=1&y", "größe/*"}, Type: "added", Data: []byte("x"), Key: "k", End: true},
			url.Values{"topic": {"https://example.com/a//b/?x=1&y", "größe/*"}, "type": {"added"}, "end": {"1"}},
			"text/plain; charset=utf-8",
		},
		"one that was received": {
			tidings.Event{ID: "abcde-7", Topic: "a", Topics: []string{"a", "b"}, Type: "message", Time: time.Unix(1, 0), Data: []byte("x")},
			url.Values{"topic": {"a", "b"}, "type": {"message"}},
			"text/plain; charset=utf-8",
		},
		"another canonical topic": {
			tidings.Event{Topic: "c", Topics: []string{"a", "c", "b"}},
			url.Values{"topic": {"c", "a", "b"}},
			"text/plain; charset=utf-8",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := ssetest.NewServer(t, stored("abcde-1"))
				client := clientOf(server)
				client.URL += "/behind/a/proxy/"
				receipt, err := client.Publish(t.Context(), test.event)
				if err != nil || receipt.ID != "abcde-1" || receipt.Duplicate || receipt.Key == "" {
					t.Fatal(receipt, err)
				}
				x := server.Requests()[0]
				if x.Method != http.MethodPost || x.URL.Path != "/behind/a/proxy/events" {
					t.Error(x.Method, x.URL)
				}
				if diff := cmp.Diff(test.params, x.URL.Query()); diff != "" {
					t.Error(diff)
				}
				if !bytes.Equal(x.Body, test.event.Data) {
					t.Errorf("the body is %q", x.Body)
				}
				for name, want := range map[string]string{
					"Content-Type": test.kind, "Authorization": "Bearer secret", "Idempotency-Key": receipt.Key,
				} {
					if got := x.Header.Get(name); got != want {
						t.Errorf("%s is %q, want %q", name, got, want)
					}
				}
				if k := test.event.Key; k != "" && k != receipt.Key {
					t.Errorf("the key is %q, want %q", receipt.Key, k)
				}
			})
		})
	}
}

func TestPublishSendsManyTopicsAsNDJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newStoringHub(t)
		client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
		topics := make([]string, 1000)
		for i := range topics {
			topics[i] = fmt.Sprintf("a/long/topic/%d", i)
		}
		event := tidings.Event{Topics: topics, Data: []byte{0xFF}, Binary: true, Type: "x", End: true, Key: "k"}
		for _, duplicate := range []bool{false, true} {
			receipt, err := client.Publish(t.Context(), event)
			if err != nil || receipt.ID != "abcde-1" || receipt.Duplicate != duplicate {
				t.Fatal(receipt, err)
			}
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(hub.got()[0].body), &got); err != nil {
			t.Fatal(err)
		}
		if len(got["topics"].([]any)) != 1000 || got["data"] != base64.StdEncoding.EncodeToString([]byte{0xFF}) ||
			got["encoding"] != "base64" || got["type"] != "x" || got["end"] != true || got["key"] != "k" {
			t.Errorf("%.300v", got)
		}
	})
}

func TestPublishStoresOnceIfTheAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newStoringHub(t)
		hub.fail = func(n int) (fault, int) {
			if n < 3 {
				return cut, 0
			}
			return none, 0
		}
		var retries int
		client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client, OnRetry: func(error, time.Duration) { retries++ }}
		receipt, err := client.Publish(t.Context(), tidings.Event{Topic: "news", Data: []byte("a")})
		if err != nil || receipt.ID != "abcde-1" || !receipt.Duplicate {
			t.Error(receipt, err)
		}
		if len(hub.all()) != 1 || retries != 3 {
			t.Error(hub.all(), retries)
		}
	})
}

func TestPublishHonoursRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t,
			problemAnswer(http.StatusServiceUnavailable, "draining").With("Retry-After", "70"),
			problemAnswer(http.StatusTooManyRequests, "limit").With("Retry-After", time.Now().Add(200*time.Second).UTC().Format(http.TimeFormat)),
			problemAnswer(http.StatusInternalServerError, "internal"),
			ssetest.Raw(ssetest.Reset()),
			stored("abcde-1"))
		client := clientOf(server)
		var heard []time.Duration
		client.OnRetry = func(err error, wait time.Duration) { heard = append(heard, wait) }
		start := time.Now()
		if _, err := client.Publish(t.Context(), tidings.Event{Topic: "news"}); err != nil {
			t.Fatal(err)
		}
		at := func(n int) time.Duration { return server.Requests()[n].At.Sub(start) }
		if at(1) < 70*time.Second || at(1) > 77*time.Second {
			t.Errorf("after Retry-After of 70 s the client came at %v", at(1))
		}
		if at(2) < 199*time.Second || at(2) > 220*time.Second {
			t.Errorf("after Retry-After of 200 s from the start the client came at %v", at(2))
		}
		if wait := at(3) - at(2); wait < 4*time.Second || wait > 6*time.Second {
			t.Errorf("the third failure in a row was followed by %v", wait)
		}
		if wait := at(4) - at(3); wait < 8*time.Second || wait > 12*time.Second {
			t.Errorf("the fourth failure in a row was followed by %v", wait)
		}
		if len(heard) != 4 || heard[0] != at(1) {
			t.Error(heard)
		}
	})
}

func TestPublishReportsTheLastErrorWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t)
		server.Otherwise(problemAnswer(http.StatusServiceUnavailable, "unavailable"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		receipt, err := clientOf(server).Publish(ctx, tidings.Event{Topic: "news"})
		problem, ok := errors.AsType[*tidings.Problem](err)
		if !errors.Is(err, context.DeadlineExceeded) || !ok || problem.Name() != "unavailable" || time.Since(start) != time.Hour {
			t.Error(err, time.Since(start))
		}
		if receipt.Key == "" || receipt.Key != server.Requests()[0].Header.Get("Idempotency-Key") {
			t.Errorf("the key that would bring certainty is %q", receipt.Key)
		}
		if n := len(server.Requests()); n < 80 || n > 130 {
			t.Errorf("%d requests in an hour", n)
		}
	})
}

func TestPublishReturnsARefusalAsProblem(t *testing.T) {
	all := []error{
		tidings.ErrEnded, tidings.ErrKeyReused, tidings.ErrUnauthorized, tidings.ErrForbidden, tidings.ErrTooLarge, tidings.ErrGap,
	}
	tests := []struct {
		status int
		name   string
		is     error
	}{
		{http.StatusBadRequest, "invalid-event", nil},
		{http.StatusUnauthorized, "unauthorized", tidings.ErrUnauthorized},
		{http.StatusUnauthorized, "token-expired", tidings.ErrUnauthorized},
		{http.StatusForbidden, "foreign-origin", tidings.ErrForbidden},
		{http.StatusNotFound, "not-found", nil},
		{http.StatusConflict, "ended", tidings.ErrEnded},
		{http.StatusConflict, "", tidings.ErrEnded},
		{http.StatusConflict, "something-else", nil},
		{http.StatusRequestEntityTooLarge, "too-large", tidings.ErrTooLarge},
		{http.StatusUnprocessableEntity, "key-reused", tidings.ErrKeyReused},
		{http.StatusNotImplemented, "", nil}, // the answer of a file server to a POST, which is final
		{http.StatusHTTPVersionNotSupported, "", nil},
		{http.StatusLoopDetected, "", nil},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status, " ", test.name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := ssetest.NewServer(t, problemAnswer(test.status, test.name))
				_, err := clientOf(server).Publish(t.Context(), tidings.Event{Topic: "news"})
				problem, ok := errors.AsType[*tidings.Problem](err)
				if !ok || problem.Status != test.status || problem.Name() != test.name || problem.Detail != "not like this" {
					t.Fatalf("%#v", err)
				}
				for _, sentinel := range all {
					if got, want := errors.Is(err, sentinel), test.is != nil && errors.Is(sentinel, test.is); got != want {
						t.Errorf("errors.Is(%v, %v) = %t", err, sentinel, got)
					}
				}
				want := fmt.Sprintf("tidings: publish: not like this (%s)", strings.TrimSpace(fmt.Sprint(test.status, " ", test.name)))
				if err.Error() != want {
					t.Errorf("got %q, want %q", err, want)
				}
			})
		})
	}
}

func TestPublishFollowsNoRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		synctest.Test(t, func(t *testing.T) {
			server := ssetest.NewServer(t, ssetest.Redirect(status, "https://elsewhere.example/events"))
			_, err := clientOf(server).Publish(t.Context(), tidings.Event{Topic: "news"})
			problem, ok := errors.AsType[*tidings.Problem](err)
			if !ok || problem.Status != status || !strings.Contains(err.Error(), "elsewhere.example") {
				t.Error(status, err)
			}
		})
	}
}

func TestPublishReportsAnAnswerThatIsNotFromAHub(t *testing.T) {
	for _, body := range []string{"", "<html>Please log in</html>", "{}", `{"id":7}`, `null`} {
		synctest.Test(t, func(t *testing.T) {
			server := ssetest.NewServer(t, ssetest.Status(http.StatusOK, ssetest.Send(body)))
			_, err := clientOf(server).Publish(t.Context(), tidings.Event{Topic: "news"})
			if err == nil || !strings.Contains(err.Error(), "not that of a hub") {
				t.Errorf("%q: %v", body, err)
			}
		})
	}
}

func TestPublishRetriesAfterATruncatedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t, ssetest.Status(http.StatusOK, ssetest.Send(`{"id":`), ssetest.Cut()), stored("abcde-1"))
		receipt, err := clientOf(server).Publish(t.Context(), tidings.Event{Topic: "news"})
		if err != nil || receipt.ID != "abcde-1" {
			t.Error(receipt, err)
		}
		first, second := server.Requests()[0], server.Requests()[1]
		if a, b := first.Header.Get("Idempotency-Key"), second.Header.Get("Idempotency-Key"); a != b || a == "" {
			t.Errorf("the keys are %q and %q", a, b)
		}
	})
}

// A request that the transport refuses must not be retried forever.
func TestPublishRefusesInvalidEvents(t *testing.T) {
	good := tidings.Event{Topic: "news"}
	tests := map[string]struct {
		client tidings.Client
		event  tidings.Event
	}{
		"no topic":         {tidings.Client{}, tidings.Event{}},
		"a topic":          {tidings.Client{}, tidings.Event{Topic: "\xFF"}},
		"a type":           {tidings.Client{}, tidings.Event{Topic: "news", Type: "\xFF"}},
		"text":             {tidings.Client{}, tidings.Event{Topic: "news", Data: []byte{0xFF}}},
		"a key":            {tidings.Client{}, tidings.Event{Topic: "news", Key: "a b"}},
		"a long key":       {tidings.Client{}, tidings.Event{Topic: "news", Key: strings.Repeat("k", 256)}},
		"a token":          {tidings.Client{Token: "secret\n"}, good},
		"a URL":            {tidings.Client{URL: "hub.example"}, good},
		"a URL of no host": {tidings.Client{URL: "http://"}, good},
		"another scheme":   {tidings.Client{URL: "ftp://hub.example"}, good},
		"no URL":           {tidings.Client{URL: "http://[::1"}, good},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := ssetest.NewServer(t)
				test.client.HTTP = server.Client()
				if _, err := test.client.Publish(t.Context(), test.event); err == nil {
					t.Error("one event was published")
				}
				if _, err := test.client.PublishAll(t.Context(), []tidings.Event{good, test.event}, nil); err == nil {
					t.Error("two were")
				}
			})
		})
	}
}

func events(n int) []tidings.Event {
	all := make([]tidings.Event, n)
	for i := range all {
		all[i] = tidings.Event{Topic: "news", Data: fmt.Append(nil, i)}
	}
	return all
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	return all
}

func TestPublishAllSendsOneRequestIfItFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newStoringHub(t)
		client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
		r, err := client.PublishAll(t.Context(), events(1000), &tidings.PublishOptions{Key: "k"})
		want := tidings.Receipts{Count: 1000, First: "abcde-1", Last: "abcde-1000", Key: "k"}
		if err != nil || r != want || len(hub.got()) != 1 {
			t.Error(r, err, len(hub.got()))
		}
		if !slices.Equal(hub.all(), numbers(1000)) {
			t.Error(hub.all())
		}
		if r, err := client.PublishAll(t.Context(), nil, nil); err != nil || r.Count != 0 || len(hub.got()) != 1 {
			t.Error(r, err)
		}
		// Events that do not fit need several requests of bounded size, with the same keys as before.
		r, err = client.PublishAll(t.Context(), events(1000), &tidings.PublishOptions{Key: "k", BatchBytes: 2000, BatchEvents: 30})
		want.Duplicates = 1000
		if err != nil || r != want {
			t.Error(r, err)
		}
		for _, p := range hub.got()[1:] {
			if n := strings.Count(p.body, "\n"); n > 30 || len(p.body) > 2000 {
				t.Errorf("%d events in %d bytes", n, len(p.body))
			}
		}
	})
}

func TestPublishAllContinuesAfterStoredEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newStoringHub(t)
		hub.fail = func(n int) (fault, int) { // a hub that accepts ten events in each request
			if n < 9 {
				return busy, 10
			}
			return none, 0
		}
		client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
		start := time.Now()
		var counts []int
		r, err := client.PublishAll(t.Context(), events(100), &tidings.PublishOptions{
			OnStored: func(r tidings.Receipts) { counts = append(counts, r.Count) },
		})
		if len(counts) != 10 || counts[0] != 10 || counts[9] != 100 {
			t.Errorf("of progress it was told %v", counts)
		}
		if err != nil || r.Count != 100 || r.Duplicates != 0 || r.Last != "abcde-100" {
			t.Error(r, err)
		}
		if !slices.Equal(hub.all(), numbers(100)) {
			t.Error(hub.all())
		}
		if waited := time.Since(start); waited > 9*1500*time.Millisecond {
			t.Errorf("a hub that makes progress was left waiting, %v in all", waited)
		}
	})
}

func TestRefusalReportsHowManyEventsAreStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newStoringHub(t)
		client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
		all := events(10)
		all[7].Key = "mine"
		if _, err := client.Publish(t.Context(), tidings.Event{Topic: "news", Data: []byte("other"), Key: "mine"}); err != nil {
			t.Fatal(err)
		}
		r, err := client.PublishAll(t.Context(), all, &tidings.PublishOptions{BatchEvents: 4})
		if !errors.Is(err, tidings.ErrKeyReused) || r.Count != 7 || r.Last != "abcde-8" || len(hub.all()) != 8 {
			t.Error(r, err, hub.all())
		}
		if !strings.Contains(err.Error(), "after the first 4 events: ") {
			t.Errorf("%v: the hub counts from the beginning of a request, which is not where the caller does", err)
		}
	})
}

func TestLongSharedKeyIsRefused(t *testing.T) {
	for key, good := range map[string]bool{strings.Repeat("k", 235): true, strings.Repeat("k", 236): false, "a b": false} {
		synctest.Test(t, func(t *testing.T) {
			hub := newStoringHub(t)
			client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
			_, err := client.PublishAll(t.Context(), events(1), &tidings.PublishOptions{Key: key})
			_, err2 := client.PublishStream(t.Context(), sequence(events(1), 0), &tidings.PublishOptions{Key: key})
			if (err == nil) != good || (err2 == nil) != good || (len(hub.got()) > 0) != good {
				t.Error(len(key), err, err2)
			}
		})
	}
}

// TestPublishAllRefusesAnIncompleteAnswer: an answer must cover every event.
func TestPublishAllRefusesAnIncompleteAnswer(t *testing.T) {
	for _, body := range []string{`{"id":"abcde-1"}`, `{"first":"abcde-1","last":"abcde-2","count":2}`, `{"count":3}`} {
		synctest.Test(t, func(t *testing.T) {
			server := ssetest.NewServer(t, ssetest.Status(http.StatusOK, ssetest.Send(body)))
			r, err := clientOf(server).PublishAll(t.Context(), events(3), nil)
			if err == nil || r.Count != 0 {
				t.Error(body, r, err)
			}
		})
	}
}

// TestPublishReadsARefusalWhileItSends: the hub refuses and closes the connection while the client is still sending. A client that
// takes this for a broken connection sends the same body forever.
func TestPublishReadsARefusalWhileItSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ssetest.NewListener()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1000)); err != nil {
				refuse(w, http.StatusRequestEntityTooLarge, "too-large", 0, "")
			}
		})}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = server.Serve(l)
		}()
		client := &tidings.Client{URL: "http://hub.example", HTTP: l.Client(), OnRetry: func(err error, _ time.Duration) { t.Error(err) }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := client.Publish(ctx, tidings.Event{Topic: "news", Data: make([]byte, 4<<20)})
		if !errors.Is(err, tidings.ErrTooLarge) {
			t.Error(err)
		}
		_ = server.Close()
		<-served
		time.Sleep(time.Minute) // net/http's server lingers after such an answer
	})
}
