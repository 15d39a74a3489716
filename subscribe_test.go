package tidings_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

var stamp = time.Date(2026, 11, 22, 10, 0, 0, 123e6, time.UTC)

// envelope is an event as a hub sends it.
func envelope(n int, topic, data string) sse.Event {
	id := fmt.Sprintf("abcde-%d", n)
	text, _ := json.Marshal(map[string]any{
		"id": id, "topic": topic, "topics": []string{topic}, "type": "message", "time": stamp, "data": data, "encoding": "utf-8",
	})
	return sse.Event{ID: id, Type: "message", Data: string(text)}
}

func checkpoint(n int) sse.Event {
	return sse.Event{ID: fmt.Sprintf("abcde-%d", n), Type: "tidings.checkpoint"}
}

func gapEvent(reason string) sse.Event {
	return sse.Event{Type: "tidings.gap", Data: `{"reason":"` + reason + `","from":"abcde-1","to":"abcde-5"}`}
}

func endEvent(n int, topics ...string) sse.Event {
	text, _ := json.Marshal(map[string]any{"topic": topics[0], "topics": topics})
	return sse.Event{ID: fmt.Sprintf("abcde-%d", n), Type: "tidings.end", Data: string(text)}
}

// data returns the data of the events.
func data(events []tidings.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Data))
	}
	return strings.Join(all, " ")
}

// end waits for the end of a subscription.
func end(t *testing.T, c *ssetest.Collector[tidings.Event]) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	defer cancel()
	all, err := c.End(ctx)
	return data(all), err
}

func subscribe(t *testing.T, c *tidings.Client, topics []string, o *tidings.SubscribeOptions) *ssetest.Collector[tidings.Event] {
	t.Helper()
	return ssetest.Collect(t, c.Subscribe(t.Context(), topics, o))
}

func TestSubscribeSendsItsOptions(t *testing.T) {
	tests := map[string]struct {
		topics  []string
		options *tidings.SubscribeOptions
		want    url.Values
		after   string
	}{
		"everything": {nil, nil, url.Values{}, ""},
		"topics and patterns": {
			[]string{"news", "weather/**", "https://example.com/a//b?x=1&y"},
			nil,
			url.Values{"topic": {"news", "weather/**", "https://example.com/a//b?x=1&y"}},
			"",
		},
		"all there is": {
			[]string{"a"},
			&tidings.SubscribeOptions{Exact: []string{"*", "b"}, After: "abcde-7", Since: "10m", Last: 5},
			url.Values{"topic": {"a"}, "exact": {"*", "b"}, "since": {"10m"}, "last": {"5"}},
			"abcde-7",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := ssetest.NewServer(t, ssetest.Status(http.StatusNoContent))
				client := clientOf(server)
				if got, err := end(t, subscribe(t, client, test.topics, test.options)); got != "" || err != nil {
					t.Error(got, err)
				}
				x := server.Requests()[0]
				test.want.Set("format", "envelope")
				if diff := cmp.Diff(test.want, x.URL.Query()); diff != "" || x.Method != http.MethodGet || x.URL.Path != "/events" {
					t.Error(x.Method, x.URL, diff)
				}
				if h := x.Header; h.Get("Last-Event-ID") != test.after || h.Get("Authorization") != "Bearer secret" || h.Get("Accept") != "text/event-stream" {
					t.Error(h)
				}
			})
		})
	}
}

func TestSubscribeSendsLongTopicListsByQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t,
			ssetest.Stream(ssetest.SendEvent(envelope(1, "topic/0", "a")), ssetest.Cut()),
			ssetest.Status(http.StatusNoContent))
		topics := make([]string, 1000)
		for i := range topics {
			topics[i] = fmt.Sprintf("topic/%d", i)
		}
		if got, err := end(t, subscribe(t, clientOf(server), topics, nil)); got != "a" || err != nil {
			t.Error(got, err)
		}
		for i, x := range server.Requests() {
			form, err := url.ParseQuery(string(x.Body))
			if err != nil || x.Method != "QUERY" || x.URL.RawQuery != "" || len(form["topic"]) != 1000 || form.Get("format") != "envelope" ||
				x.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				t.Errorf("request %d: %s %s %v", i, x.Method, x.URL, err)
			}
		}
		if got := server.Requests()[1].Header.Get("Last-Event-ID"); got != "abcde-1" {
			t.Errorf("the second began after %q", got)
		}
	})
}

func TestSubscribeYieldsEventsAsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t, ssetest.Stream(ssetest.SendEvent(
			sse.Event{ID: "abcde-1", Type: "added", Data: `{"id":"abcde-1","topic":"a","topics":["a","b"],"type":"added","time":"2026-11-22T10:00:00.123Z","data":"x\ny","encoding":"utf-8"}`},
			sse.Event{ID: "abcde-2", Data: `{"id":"abcde-2","topic":"a","type":"message","time":"2026-11-22T10:00:00.123Z","data":"AP8N","encoding":"base64","later":[1]}`},
			sse.Event{Type: "tidings.of-a-hub-to-come", Data: "?"},
		), ssetest.Hold()))
		got, err := subscribe(t, clientOf(server), nil, nil).Wait(t.Context(), 2)
		want := []tidings.Event{
			{ID: "abcde-1", Topic: "a", Topics: []string{"a", "b"}, Type: "added", Time: stamp, Data: []byte("x\ny")},
			{ID: "abcde-2", Topic: "a", Topics: []string{"a"}, Type: "message", Time: stamp, Data: []byte{0, 0xFF, '\r'}, Binary: true},
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(err, diff)
		}
	})
}

func TestSubscriptionResumesAfterABrokenConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t,
			ssetest.Raw(ssetest.Reset()),
			ssetest.Status(http.StatusBadGateway),
			problemAnswer(http.StatusServiceUnavailable, "draining").With("Retry-After", "9"),
			ssetest.Stream(ssetest.SendEvent(checkpoint(3), envelope(4, "a", "four"), envelope(5, "a", "five")), ssetest.Cut()),
			ssetest.Stream(ssetest.SendEvent(envelope(6, "a", "six")), ssetest.Send("id: abcde-7\ndata: {"), ssetest.Reset()),
			ssetest.Stream(ssetest.SendEvent(envelope(7, "a", "seven"))),
			ssetest.Stream(ssetest.Hold()), // silent for longer than heartbeats are apart
			ssetest.Stream(ssetest.SendEvent(envelope(8, "a", "eight"), checkpoint(10)), ssetest.End()),
			ssetest.Status(http.StatusNoContent))
		client := clientOf(server)
		var heard []error
		client.OnRetry = func(err error, _ time.Duration) { heard = append(heard, err) }
		opened := 0
		got, err := end(t, subscribe(t, client, []string{"a"}, &tidings.SubscribeOptions{OnOpen: func() { opened++ }}))
		if got != "four five six seven eight" || err != nil {
			t.Error(got, err)
		}
		var after []string
		for _, x := range server.Requests() {
			after = append(after, strings.TrimPrefix(x.Header.Get("Last-Event-ID"), "abcde-"))
		}
		if got := strings.Join(after, ","); got != ",,,,5,6,7,7,10" {
			t.Errorf("the requests began after %s", got)
		}
		if len(heard) != 8 || opened != 5 || !errors.Is(heard[5], sse.ErrEnded) || !errors.Is(heard[6], sse.ErrIdle) {
			t.Error(opened, heard)
		}
		if problem, ok := errors.AsType[*tidings.Problem](heard[2]); !ok || problem.Name() != "draining" || problem.RetryAfter != 9*time.Second {
			t.Error(heard[2])
		}
	})
}

func TestRefusedSubscriptionEndsWithTheProblem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t, problemAnswer(http.StatusForbidden, "forbidden"))
		_, err := end(t, subscribe(t, clientOf(server), nil, nil))
		if !errors.Is(err, tidings.ErrForbidden) || err.Error() != "tidings: subscribe: not like this (403 forbidden)" {
			t.Error(err)
		}
	})
}

func TestGapWithoutOnGapEndsTheSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t, ssetest.Stream(
			ssetest.SendEvent(envelope(1, "a", "one"), gapEvent("trimmed"), checkpoint(5), envelope(6, "a", "six")), ssetest.Hold()))
		s := clientOf(server).Open(t.Context(), []string{"a"}, nil)
		got, err := end(t, ssetest.Collect(t, s.Events()))
		gap, ok := errors.AsType[*tidings.GapError](err)
		want := tidings.Gap{Reason: "trimmed", From: "abcde-1", To: "abcde-5"}
		if got != "one" || !errors.Is(err, tidings.ErrGap) || !ok || gap.Gap != want {
			t.Error(got, err)
		}
		if s.Position() != "abcde-1" {
			t.Errorf("the position went past the gap, to %s", s.Position())
		}
	})
}

func TestSubscriptionContinuesAfterOnGap(t *testing.T) {
	stop := errors.New("enough")
	for _, answer := range []error{nil, stop} {
		synctest.Test(t, func(t *testing.T) {
			server := ssetest.NewServer(t, ssetest.Stream(
				ssetest.SendEvent(gapEvent("reset"), checkpoint(5), envelope(6, "a", "six"), endEvent(6, "a")), ssetest.Hold()))
			var heard []tidings.Gap
			got, err := end(t, subscribe(t, clientOf(server), []string{"a"}, &tidings.SubscribeOptions{
				After: "other-9",
				OnGap: func(g tidings.Gap) error {
					heard = append(heard, g)
					return answer
				},
			}))
			if len(heard) != 1 || heard[0].Reason != "reset" || !errors.Is(err, answer) || (got == "six") != (answer == nil) {
				t.Error(heard, got, err)
			}
		})
	}
}

func TestSequenceEndsWhenAllTopicsHaveEnded(t *testing.T) {
	tests := map[string]struct {
		topics, exact []string
		ends          []sse.Event
		requests      int // until it ends; the second answer is a 204
	}{
		"one":               {[]string{"a"}, nil, []sse.Event{endEvent(1, "a")}, 1},
		"two, one by one":   {[]string{"a", "b"}, nil, []sse.Event{endEvent(1, "b"), endEvent(2, "a")}, 1},
		"two at once":       {[]string{"a"}, []string{"*"}, []sse.Event{endEvent(1, "x", "a", "*")}, 1},
		"one of two":        {[]string{"a", "b"}, nil, []sse.Event{endEvent(1, "b")}, 2},
		"with a pattern":    {[]string{"a", "b/*"}, nil, []sse.Event{endEvent(1, "a"), endEvent(2, "b/c")}, 2},
		"everything":        {nil, nil, []sse.Event{endEvent(1, "a")}, 2},
		"named by one only": {[]string{"a"}, nil, []sse.Event{{ID: "abcde-1", Type: "tidings.end", Data: `{"topic":"a"}`}}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := ssetest.NewServer(t, ssetest.Stream(ssetest.SendEvent(test.ends...)), ssetest.Status(http.StatusNoContent))
				var heard []tidings.End
				_, err := end(t, subscribe(t, clientOf(server), test.topics, &tidings.SubscribeOptions{
					Exact: test.exact,
					OnEnd: func(e tidings.End) { heard = append(heard, e) },
				}))
				if err != nil || len(server.Requests()) != test.requests || len(heard) != len(test.ends) {
					t.Error(err, len(server.Requests()), heard)
				}
				if heard[0].ID != "abcde-1" || heard[0].Topic == "" || heard[0].Topics[0] != heard[0].Topic {
					t.Error(heard)
				}
			})
		})
	}
}

func TestPositionIsWhereToResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t, ssetest.Stream(
			ssetest.SendEvent(checkpoint(3), envelope(4, "a", "four"), checkpoint(9)), ssetest.Hold()))
		var checkpoints []string
		s := clientOf(server).Open(t.Context(), []string{"a"}, &tidings.SubscribeOptions{
			After:        "abcde-2",
			OnCheckpoint: func(p string) { checkpoints = append(checkpoints, p) },
		})
		if got := s.Position(); got != "abcde-2" {
			t.Errorf("before the range it is %s", got)
		}
		time.AfterFunc(time.Minute, func() {
			if got := s.Position(); got != "abcde-9" {
				t.Errorf("after the checkpoint it is %s", got)
			}
			s.Close()
		})
		for e, err := range s.Events() {
			if err != nil || e.ID != "abcde-4" || s.Position() != "abcde-4" {
				t.Error(e.ID, s.Position(), err)
			}
		}
		if strings.Join(checkpoints, " ") != "abcde-3 abcde-9" {
			t.Error(checkpoints)
		}
		for _, err := range s.Events() {
			if !errors.Is(err, sse.ErrUsed) {
				t.Errorf("a second range gave %v", err)
			}
		}
	})
}

// A temporary refusal comes as an event, since a browser would not come back from a status.
func TestSubscriptionReconnectsLaterIfTheHubAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t,
			ssetest.Stream(ssetest.Send("retry: 60000\n\n"), ssetest.SendEvent(sse.Event{
				Type: "tidings.retry", Data: `{"type":"urn:tidings:problem:draining","status":503,"detail":"come back"}`,
			})),
			ssetest.Stream(ssetest.Send("retry: 2000\n\n"), ssetest.SendEvent(envelope(1, "a", "one"))),
			ssetest.Status(http.StatusNoContent))
		client := clientOf(server)
		var heard []error
		var waits []time.Duration
		client.OnRetry = func(err error, wait time.Duration) {
			heard, waits = append(heard, err), append(waits, wait)
		}
		got, err := end(t, subscribe(t, client, []string{"a"}, nil))
		if got != "one" || err != nil || len(heard) != 2 {
			t.Fatal(got, err, heard)
		}
		if problem, ok := errors.AsType[*tidings.Problem](heard[0]); !ok || problem.Name() != "draining" || problem.Status != 503 {
			t.Error(heard[0])
		}
		if !errors.Is(heard[1], sse.ErrEnded) || waits[0] < time.Minute || waits[1] > time.Minute {
			t.Error(heard, waits)
		}
	})
}

func TestTokenFuncIsCalledBeforeEachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t,
			ssetest.Stream(ssetest.SendEvent(sse.Event{Type: "tidings.expiring"})),
			ssetest.Status(http.StatusNoContent),
			ssetest.Status(http.StatusServiceUnavailable),
			stored("abcde-1"))
		client := clientOf(server)
		asked, expiring := 0, 0
		client.TokenFunc = func(context.Context) (string, error) {
			asked++
			if asked == 1 || asked == 4 {
				return "", errors.New("not now")
			}
			return fmt.Sprint("token", asked), nil
		}
		if _, err := end(t, subscribe(t, client, nil, &tidings.SubscribeOptions{OnExpiring: func() { expiring++ }})); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Publish(t.Context(), tidings.Event{Topic: "a"}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range server.Requests() {
			got = append(got, strings.TrimPrefix(x.Header.Get("Authorization"), "Bearer token"))
		}
		if strings.Join(got, " ") != "2 3 5 6" || expiring != 1 {
			t.Error(got, expiring)
		}
	})
}

func TestTokenIsSentOnlyToItsHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tokens := range []func(context.Context) (string, error){nil, func(context.Context) (string, error) { return "secret", nil }} {
			server := ssetest.NewServer(t, ssetest.Redirect(http.StatusTemporaryRedirect, "http://elsewhere.example/events"), ssetest.Status(http.StatusNoContent))
			client := clientOf(server)
			client.TokenFunc = tokens
			if _, err := end(t, subscribe(t, client, nil, nil)); err != nil {
				t.Error(err)
			}
			first, second := server.Requests()[0].Header.Get("Authorization"), server.Requests()[1].Header.Get("Authorization")
			if first != "Bearer secret" || second != "" {
				t.Errorf("the hub got %q, elsewhere got %q", first, second)
			}
		}
	})
}

func TestInvalidEnvelopeEndsTheSequence(t *testing.T) {
	tests := map[string]sse.Event{
		"a plain stream":     {ID: "abcde-1", Data: "hello"},
		"other JSON":         {ID: "abcde-1", Data: `{"a":1}`},
		"null":               {ID: "abcde-1", Data: `null`},
		"no base64":          {ID: "abcde-1", Data: `{"id":"abcde-1","topic":"a","data":"?","encoding":"base64"}`},
		"unknown encoding":   {ID: "abcde-1", Data: `{"id":"abcde-1","topic":"a","data":"?","encoding":"gzip"}`},
		"another position":   {ID: "abcde-1", Data: `{"id":"abcde-2","topic":"a","data":"?"}`},
		"no position":        {Data: `{"topic":"a","data":"?"}`},
		"a gap that is none": {Type: "tidings.gap", Data: "?"},
		"an end of nothing":  {Type: "tidings.end", Data: ""},
	}
	for name, event := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := ssetest.NewServer(t, ssetest.Stream(ssetest.SendEvent(event), ssetest.Hold()))
				_, err := end(t, subscribe(t, clientOf(server), nil, nil))
				if err == nil || !strings.HasPrefix(err.Error(), "tidings: subscribe: the answer is not that of a hub: ") {
					t.Error(err)
				}
			})
		})
	}
}

func TestInvalidSubscriptionIsAnError(t *testing.T) {
	tests := map[string]struct {
		client  tidings.Client
		options tidings.SubscribeOptions
	}{
		"a position": {tidings.Client{}, tidings.SubscribeOptions{After: "abcde-1\n"}},
		"a URL":      {tidings.Client{URL: "hub.example"}, tidings.SubscribeOptions{}},
		"a token":    {tidings.Client{Token: "a b"}, tidings.SubscribeOptions{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := test.client.Open(t.Context(), nil, &test.options)
			defer s.Close()
			n := 0
			for _, err := range s.Events() {
				if n++; err == nil {
					t.Error("an event came")
				}
			}
			if n != 1 || s.Position() != test.options.After {
				t.Error(n, s.Position())
			}
		})
	}
}

func TestContextEndsASubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t)
		server.Otherwise(ssetest.Status(http.StatusServiceUnavailable))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := end(t, ssetest.Collect(t, clientOf(server).Subscribe(ctx, nil, nil)))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
